#include "pipeline/task_loss_hessian.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "adaround/base/error.h"
#include "adaround/graph/image_layout.h"
#include "adaround/quant/quant_grid.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "base/rng.h"
#include "pipeline/chosen_layer.h"
#include "pipeline/label_checks.h"
#include "pipeline/network_output.h"
#include "tensor/eigen_view.h"

namespace adaround {
namespace {

// Rows that are multiplied at once, and rows of H per task: fixed, so that every sum is the same
// at any number of threads.
constexpr int64_t kRowsPerChunk = 512;
constexpr int64_t kMatrixRowsPerTask = 64;

// The node that makes the tensor's values, behind those that only say how they lie; null for none.
const Node* MakerOfValues(const Graph& graph, const std::map<std::string, size_t>& producers,
                          const std::string& tensor) {
  constexpr const char* kLayouts[] = {"Cast",    "Flatten",   "Identity", "Reshape",
                                      "Squeeze", "Transpose", "Unsqueeze"};
  const Node* node = nullptr;
  for (auto maker = producers.find(tensor); maker != producers.end();
       maker = producers.find(node->inputs.at(0))) {
    node = &graph.nodes[maker->second];
    if (std::find(std::begin(kLayouts), std::end(kLayouts), node->op) == std::end(kLayouts)) {
      return node;
    }
  }
  return nullptr;
}

struct Logits {
  std::string tensor;
  const Node* softmax = nullptr;  // that reads them on the way to the output, if one does
};

// Where the cross-entropy looks: behind a Softmax, probabilities would be taken for logits.
// Logarithms of probabilities are logits of the same distribution.
Logits FindLogits(const Graph& graph) {
  if (graph.outputs.empty()) {
    throw Error(ErrorCode::kUnsupported, "the network names no output: there is no task loss");
  }
  const auto producers = graph.Producers();
  Logits logits{graph.outputs.front(), nullptr};
  const Node* maker = MakerOfValues(graph, producers, logits.tensor);
  if (maker != nullptr && maker->op == "Softmax") {
    logits = {maker->inputs.at(0), maker};
    maker = MakerOfValues(graph, producers, logits.tensor);
  }
  if (maker != nullptr && (maker->op == "Softmax" || maker->op == "Sigmoid")) {
    throw Error(ErrorCode::kUnsupported,
                "the cross-entropy needs scores before any Softmax; node '" +
                    Printable(maker->name) + "' (" + maker->op + ") in front of output '" +
                    Printable(graph.outputs.front()) + "' makes no such scores");
  }
  return logits;
}

// Whether the Softmax makes one distribution over the classes at each position.
bool IsOverClasses(const Node& softmax, int64_t opset, const Shape& shape, int64_t class_axis) {
  const auto rank = static_cast<int64_t>(shape.size());
  const int64_t given = softmax.GetInt("axis", opset < 13 ? 1 : -1);
  const int64_t first = given < 0 ? given + rank : given;
  if (first < 0 || first >= rank) return false;
  // Before opset 13 it runs over all dimensions from the axis on.
  const int64_t last = opset < 13 ? rank - 1 : first;
  for (int64_t d = first; d <= last; ++d) {
    if (d != class_axis && shape[static_cast<size_t>(d)] != 1) return false;
  }
  return first <= class_axis && class_axis <= last;
}

// With a given tensor between the layer and the loss, derivatives would miss what passes through.
void CheckNothingGivenBehind(const Graph& graph, const LinearLayer& layer,
                             const CalibrationSet& samples,
                             const std::vector<std::string>& needed) {
  std::set<std::string> behind = {layer.weight};
  for (const Node& node : graph.nodes) {
    if (std::none_of(node.inputs.begin(), node.inputs.end(),
                     [&](const std::string& input) { return behind.contains(input); })) {
      continue;
    }
    for (const std::string& output : node.outputs) {
      if (!output.empty()) behind.insert(output);
    }
  }
  for (const std::string& name : needed) {
    if (!samples.Has(name) || !behind.contains(name)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "calibration tensor '" + Printable(name) + "' lies behind layer '" +
                    Printable(layer.name) +
                    "': the task loss's derivative needs what the network itself makes there; "
                    "leave it out");
  }
}

void Call(const std::function<void()>& function) {
  if (function) function();
}

// The class that [0, 1) number `u` falls to.
int64_t Draw(const std::vector<double>& probabilities, double u) {
  double sum = 0.0;
  for (size_t c = 0; c < probabilities.size(); ++c) {
    sum += probabilities[c];
    if (u < sum) return static_cast<int64_t>(c);
  }
  // Rounding left the sum below u: the likeliest class.
  return std::max_element(probabilities.begin(), probabilities.end()) - probabilities.begin();
}

// Positions of the map with the logits of each, `stride` apart.
struct ClassLayout {
  int64_t stride = 1;
  int64_t First(int64_t position) const {
    return position / inner * inner * num_classes + position % inner;
  }
  int64_t inner = 1;
  int64_t num_classes = 1;
};

std::vector<double> SoftmaxAt(const float* logits, const ClassLayout& layout, int64_t position) {
  const float* first = logits + layout.First(position);
  std::vector<double> values;
  for (int64_t c = 0; c < layout.num_classes; ++c) {
    values.push_back(static_cast<double>(first[c * layout.stride]));
  }
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0.0;
  for (double& value : values) sum += value = std::exp(value - largest);
  for (double& value : values) value /= sum;
  return values;
}

// (p - e_c) * factor. 1 - p_c from the other classes' sum: confident predictions leave no digits in
// the difference.
void PutLossGradient(const std::vector<double>& probabilities, int64_t label, double factor,
                     const ClassLayout& layout, int64_t position, float* gradient) {
  double others = 0.0;
  for (size_t c = 0; c < probabilities.size(); ++c) {
    if (static_cast<int64_t>(c) != label) others += probabilities[c];
  }
  float* first = gradient + layout.First(position);
  for (int64_t c = 0; c < layout.num_classes; ++c) {
    const double value = c == label ? -others : probabilities[static_cast<size_t>(c)];
    first[c * layout.stride] = static_cast<float>(value * factor);
  }
}

}  // namespace

void CheckTaskLayers(const PreparedNetwork& network, const std::string& method) {
  std::string names;
  int64_t count = 0;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (network.layers[i].first_with_weight != i) continue;
    if (++count > 3) continue;
    names += (names.empty() ? "'" : ", '") + Printable(network.layers[i].linear.name) + "'";
  }
  if (count != 1) {
    throw Error(ErrorCode::kInvalidArgument,
                "--method " + method + " rounds all weights of one layer together, and " +
                    std::to_string(count) + " layers are to be quantized (" + names +
                    (count > 3 ? ", ..." : "") + "): choose one by --include '^NAME$'");
  }
  const LinearLayer& linear = network.layers.front().linear;
  const int64_t num_weights = linear.num_rows * linear.row_length;
  if (num_weights > kMaxTaskWeights) {
    throw Error(ErrorCode::kInvalidArgument,
                "layer '" + Printable(linear.name) + "' has " + std::to_string(num_weights) +
                    " weights; --method " + method +
                    " holds a matrix of all pairs and takes at "
                    "most " +
                    std::to_string(kMaxTaskWeights) + ": choose a smaller layer by --include");
  }
}

TaskLossHessian::TaskLossHessian(const PreparedNetwork& network, const Executor& executor,
                                 const CalibrationSet& samples, const TaskHessianOptions& options,
                                 uint64_t seed)
    : samples_(samples), options_(options), seed_(seed) {
  const Graph& graph = network.run_graph;
  const LinearLayer& linear = network.layers.front().linear;
  weight_ = linear.weight;
  positions_ = LayoutOf(linear).RowMajorPositions(graph.initializers.at(weight_).shape());
  const Logits found = FindLogits(graph);
  logits_ = found.tensor;
  // Shapes come from a run, and the prepared network knows them up to the layer only.
  const ExecutionPlan plan = executor.Plan(samples.names(), {logits_});
  CheckNothingGivenBehind(graph, linear, samples, plan.needed);
  const Tensor first = executor.Run(plan, GivenTensors(samples, plan.needed, 0, false)).at(logits_);
  const Shape& shape = first.shape();
  channels_last_ =
      first.rank() == 4 && !graph.inputs.empty() && ChannelAxis(graph.inputs.front().shape) == 3;
  class_axis_ = channels_last_ ? 3 : 1;
  const bool fits = first.dtype() == DType::kFloat32 && first.rank() >= 2 && shape[0] == 1 &&
                    first.dim(class_axis_) >= 2;
  if (!fits) {
    throw Error(ErrorCode::kUnsupported,
                "the cross-entropy needs scores of at least two classes, [1, C] or a map [1, C, "
                "...]; output '" +
                    Printable(logits_) + "' is " + std::string(DTypeName(first.dtype())) + " " +
                    ShapeToString(shape));
  }
  if (found.softmax != nullptr &&
      !IsOverClasses(*found.softmax, graph.opset, shape, class_axis_)) {
    throw Error(ErrorCode::kUnsupported,
                "node '" + Printable(found.softmax->name) + "' (Softmax) does not run over the " +
                    "classes of '" + Printable(logits_) + "', dimension " +
                    std::to_string(class_axis_) + " of " + ShapeToString(shape));
  }
  num_classes_ = first.dim(class_axis_);
  num_map_positions_ = first.num_elements() / num_classes_;
  if (options_.labels) {
    CheckLabelCount(*options_.labels, samples.num_samples());
    CheckLabelsFit(*options_.labels, NetworkOutput(first, channels_last_, logits_, 0));
  }
  differentiator_ = std::make_unique<Differentiator>(
      executor, DerivativeRequest{samples.names(), {logits_}, {weight_}});
}

int64_t TaskLossHessian::RowsPerSample() const {
  if (options_.labels) return options_.labels->maps ? options_.num_drawn_classes : 1;
  const bool exact = num_map_positions_ == 1 && num_classes_ <= kMaxExactClasses;
  return exact ? num_classes_ : options_.num_drawn_classes;
}

// What a sample's rows are made from.
struct TaskLossHessian::SampleLoss {
  ClassLayout layout;
  std::vector<std::vector<double>> probabilities;  // [positions][classes]
  std::vector<int64_t> labels;                     // LabelsOf(); empty without labels
  int64_t num_counted = 0;                         // positions whose loss counts
  Rng rng;
};

std::vector<int64_t> TaskLossHessian::LabelsOf(int64_t sample, const Tensor& logits) const {
  const Labels& labels = *options_.labels;
  if (!labels.maps) return {labels.classes[static_cast<size_t>(sample)]};
  const NetworkOutput output(logits, channels_last_, logits_, sample);
  const Tensor map = ReadFittingMap(*labels.maps, sample, output);
  const int64_t height = map.dim(0);
  const int64_t width = map.dim(1);
  std::vector<int64_t> classes;
  for (int64_t y = 0; y < output.height(); ++y) {
    // The pixel that holds the position's centre, (y + 1/2) * height / output.height().
    const int64_t row = (2 * y + 1) * height / (2 * output.height());
    for (int64_t x = 0; x < output.width(); ++x) {
      const int64_t column = (2 * x + 1) * width / (2 * output.width());
      classes.push_back(map.data<int64_t>()[row * width + column]);
    }
  }
  return classes;
}

bool TaskLossHessian::PutRow(int64_t row, SampleLoss& loss, float* gradient) const {
  const bool exact = num_map_positions_ == 1 && num_classes_ <= kMaxExactClasses;
  // The row's outer product counts `weight` times: its root goes into the derivative.
  if (options_.labels && !options_.labels->maps) {
    PutLossGradient(loss.probabilities[0], loss.labels[0], 1.0, loss.layout, 0, gradient);
    return true;
  }
  if (!options_.labels && exact) {
    const double weight = loss.probabilities[0][static_cast<size_t>(row)];
    PutLossGradient(loss.probabilities[0], row, std::sqrt(weight), loss.layout, 0, gradient);
    return weight > 0.0;
  }
  if (loss.num_counted == 0) return false;
  // Classes or signs of different positions are independent, so that products of their derivatives
  // vanish on average. Of one position, each draw has its own part of [0, 1).
  const auto num_rows = static_cast<double>(RowsPerSample());
  const double weight = 1.0 / (num_rows * static_cast<double>(loss.num_counted));
  for (int64_t position = 0; position < num_map_positions_; ++position) {
    const double u = loss.rng.Uniform();
    const std::vector<double>& p = loss.probabilities[static_cast<size_t>(position)];
    double factor = std::sqrt(weight);
    int64_t label = 0;
    if (options_.labels) {
      label = loss.labels[static_cast<size_t>(position)];
      if (label == kIgnoredClass) continue;
      if (u < 0.5) factor = -factor;
    } else {
      label = Draw(p, num_map_positions_ > 1 ? u : (static_cast<double>(row) + u) / num_rows);
    }
    PutLossGradient(p, label, factor, loss.layout, position, gradient);
  }
  return true;
}

void TaskLossHessian::SampleRows(int64_t sample, float* rows) const {
  const Differentiator::Tape tape =
      differentiator_->Forward(GivenTensors(samples_, differentiator_->needed(), sample, false));
  const Tensor& logits = tape.output(logits_);
  const float* scores = logits.data<float>();
  const auto not_finite = [&](const char* what) {
    throw Error(ErrorCode::kNumerical, std::string(what) + " of calibration sample " +
                                           std::to_string(sample) + " is not finite");
  };
  if (logits.num_elements() != num_classes_ * num_map_positions_) {
    throw Error(ErrorCode::kUnsupported, "output '" + Printable(logits_) + "' of sample " +
                                             std::to_string(sample) + " has shape " +
                                             ShapeToString(logits.shape()) +
                                             ", the first sample's had other extents");
  }
  for (int64_t i = 0; i < logits.num_elements(); ++i) {
    if (!std::isfinite(scores[i])) not_finite("a logit");
  }
  ClassLayout layout;
  layout.num_classes = num_classes_;
  layout.inner = 1;
  for (int64_t d = class_axis_ + 1; d < logits.rank(); ++d) layout.inner *= logits.dim(d);
  layout.stride = layout.inner;

  // One layer is quantized: its place names no stream of its own.
  SampleLoss loss{layout, {}, {}, num_map_positions_, Rng(seed_, 0, static_cast<uint64_t>(sample))};
  for (int64_t position = 0; position < num_map_positions_; ++position) {
    loss.probabilities.push_back(SoftmaxAt(scores, layout, position));
  }
  if (options_.labels) {
    loss.labels = LabelsOf(sample, logits);
    // A class of each sample is no pixel: kIgnoredClass is a class as any other.
    if (options_.labels->maps) {
      loss.num_counted -= std::count(loss.labels.begin(), loss.labels.end(), kIgnoredClass);
    }
  }
  const int64_t size = num_weights();
  for (int64_t row = 0; row < RowsPerSample(); ++row) {
    Tensor gradient(DType::kFloat32, logits.shape());
    std::fill_n(gradient.mutable_data<float>(), gradient.num_elements(), 0.0F);
    const bool adds = PutRow(row, loss, gradient.mutable_data<float>());
    float* out = rows + row * size;
    if (!adds) {
      std::fill(out, out + size, 0.0F);
      continue;
    }
    const Tensor by_weight = differentiator_->Backward(tape, {{logits_, gradient}}).at(weight_);
    const float* derivatives = by_weight.data<float>();
    for (int64_t i = 0; i < size; ++i) {
      out[i] = derivatives[positions_[static_cast<size_t>(i)]];
      if (!std::isfinite(out[i])) not_finite("a derivative");
    }
  }
}

std::vector<float> TaskLossHessian::Matrix(const std::vector<int64_t>& samples, int num_threads,
                                           const Progress& progress) const {
  using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const int64_t size = num_weights();
  const int64_t rows_per_sample = RowsPerSample();
  const int64_t samples_per_chunk = std::max<int64_t>(1, kRowsPerChunk / rows_per_sample);
  const auto num_samples = static_cast<int64_t>(samples.size());
  std::vector<float> matrix(static_cast<size_t>(size * size), 0.0F);
  Eigen::Map<RowMajor> h(matrix.data(), size, size);
  RowMajor rows(samples_per_chunk * rows_per_sample, size);
  ProgressCounter counter(num_samples, progress.on_progress);
  for (int64_t begin = 0; begin < num_samples; begin += samples_per_chunk) {
    const int64_t count = std::min(samples_per_chunk, num_samples - begin);
    ParallelFor(count, num_threads, [&](int64_t i) {
      Call(progress.throw_if_stopped);
      SampleRows(samples[static_cast<size_t>(begin + i)], rows.data() + i * rows_per_sample * size);
      counter.Advance();
    });
    const auto used = rows.topRows(count * rows_per_sample);
    // The upper part, in blocks of rows.
    ParallelFor(CeilDivide(size, kMatrixRowsPerTask), num_threads, [&](int64_t task) {
      const int64_t first = task * kMatrixRowsPerTask;
      const int64_t block = std::min(kMatrixRowsPerTask, size - first);
      h.block(first, first, block, size - first).noalias() +=
          used.middleCols(first, block).transpose() * used.rightCols(size - first);
    });
  }
  const float scale = 1.0F / static_cast<float>(num_samples);
  for (int64_t i = 0; i < size; ++i) {
    for (int64_t j = i; j < size; ++j) {
      h(i, j) *= scale;
      if (!std::isfinite(h(i, j))) {
        throw Error(ErrorCode::kNumerical, "the task loss's curvature overflows float32");
      }
      h(j, i) = h(i, j);
    }
  }
  return matrix;
}

std::vector<double> TaskLossHessian::PredictedRises(
    const std::vector<int64_t>& samples, const std::vector<std::vector<float>>& directions,
    int num_threads, const Progress& progress) const {
  const int64_t size = num_weights();
  const int64_t rows_per_sample = RowsPerSample();
  const auto num_samples = static_cast<int64_t>(samples.size());
  std::vector<std::vector<double>> parts(samples.size());
  ProgressCounter counter(num_samples, progress.on_progress);
  ParallelFor(num_samples, num_threads, [&](int64_t i) {
    Call(progress.throw_if_stopped);
    std::vector<float> rows(static_cast<size_t>(rows_per_sample * size));
    SampleRows(samples[static_cast<size_t>(i)], rows.data());
    for (const std::vector<float>& direction : directions) {
      double sum = 0.0;
      for (int64_t row = 0; row < rows_per_sample; ++row) {
        double product = 0.0;
        for (int64_t k = 0; k < size; ++k) {
          product += static_cast<double>(rows[static_cast<size_t>(row * size + k)]) *
                     static_cast<double>(direction[static_cast<size_t>(k)]);
        }
        sum += product * product;
      }
      parts[static_cast<size_t>(i)].push_back(sum);
    }
    counter.Advance();
  });
  std::vector<double> rises(directions.size(), 0.0);
  for (const std::vector<double>& part : parts) {
    for (size_t d = 0; d < rises.size(); ++d) rises[d] += part[d];
  }
  for (double& rise : rises) rise *= 0.5 / static_cast<double>(std::max<int64_t>(1, num_samples));
  return rises;
}

}  // namespace adaround
