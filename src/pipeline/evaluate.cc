#include "adaround/pipeline/evaluate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <set>

#include "adaround/base/error.h"
#include "adaround/graph/image_layout.h"
#include "adaround/runtime/executor.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "pipeline/label_checks.h"
#include "pipeline/network_output.h"
#include "pipeline/output_distance.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

// Whether the true class of a sample is the first, or among the first five.
struct Ranks {
  bool top1 = false;
  bool top5 = false;
};

// What one sample contributes; summed in the order of samples, so that threads do not matter.
struct SampleResult {
  Ranks ranks;
  Ranks reference_ranks;
  OutputDistance distance;
};

// Pixels of each class. Sums of integers: the order of samples does not matter.
class PixelCounts {
 public:
  void Add(const std::vector<int64_t>& predicted, const Tensor& labels) {
    const int64_t* label = labels.data<int64_t>();
    for (size_t i = 0; i < predicted.size(); ++i) {
      if (label[i] != kIgnoredClass) Count(predicted[i], label[i]);
    }
  }

  void AddAll(const std::vector<int64_t>& predicted, const std::vector<int64_t>& labels) {
    for (size_t i = 0; i < predicted.size(); ++i) Count(predicted[i], labels[i]);
  }

  void Add(const PixelCounts& other) {
    counts_.resize(std::max(counts_.size(), other.counts_.size()));
    for (size_t c = 0; c < other.counts_.size(); ++c) {
      counts_[c].labelled += other.counts_[c].labelled;
      counts_[c].predicted += other.counts_[c].predicted;
      counts_[c].both += other.counts_[c].both;
    }
  }

  bool empty() const { return counts_.empty(); }

  Segmentation Measure() const {
    double sum = 0.0;
    int64_t num_classes = 0;
    int64_t num_right = 0;
    int64_t num_pixels = 0;
    for (const ClassCount& count : counts_) {
      num_right += count.both;
      num_pixels += count.labelled;
      const int64_t either = count.labelled + count.predicted - count.both;
      if (either == 0) continue;
      sum += static_cast<double>(count.both) / static_cast<double>(either);
      ++num_classes;
    }
    if (num_pixels == 0) {
      throw Error(ErrorCode::kMalformed, "every pixel of the label maps is ignored (" +
                                             std::to_string(kIgnoredClass) +
                                             "); there is nothing to measure");
    }
    return {100.0 * sum / static_cast<double>(num_classes),
            100.0 * static_cast<double>(num_right) / static_cast<double>(num_pixels)};
  }

 private:
  struct ClassCount {
    int64_t labelled = 0;
    int64_t predicted = 0;
    int64_t both = 0;
  };

  void Count(int64_t predicted, int64_t label) {
    const auto largest = static_cast<size_t>(std::max(label, predicted));
    if (largest >= counts_.size()) counts_.resize(largest + 1);
    ++counts_[static_cast<size_t>(label)].labelled;
    ++counts_[static_cast<size_t>(predicted)].predicted;
    if (label == predicted) ++counts_[static_cast<size_t>(label)].both;
  }

  std::vector<ClassCount> counts_;
};

// How many classes score higher than `label`; equal scores count against it only from the left, as
// the first of equals is the prediction.
int64_t RankOf(const NetworkOutput& output, int64_t label) {
  const float own = output.Score(label, 0);
  int64_t rank = 0;
  for (int64_t c = 0; c < output.num_classes(); ++c) {
    const float other = output.Score(c, 0);
    if (other > own || (other == own && c < label)) ++rank;
  }
  return rank;
}

Ranks RanksOf(const NetworkOutput& output, int64_t label) {
  if (!output.has_scores()) return {output.ClassAt(0) == label, false};
  const int64_t rank = RankOf(output, label);
  return {rank < 1, rank < 5};
}

// Why labels of sub-folders say nothing about this output; "" where they do.
std::string MisfitOfFolders(const Labels& labels, const NetworkOutput& output) {
  if (output.num_positions() != 1) {
    return "the sub-folders of the data were not taken for classes: the network's output is not "
           "one "
           "class per sample";
  }
  if (labels.num_placed_folders && output.has_scores() &&
      *labels.num_placed_folders != output.num_classes()) {
    return "the sub-folders of the data were not taken for classes: there are " +
           std::to_string(*labels.num_placed_folders) + " for " +
           std::to_string(output.num_classes()) +
           " classes; name them by class index, or give --labels FILE";
  }
  return "";
}

void CheckPredicted(const std::vector<int64_t>& predicted) {
  for (const int64_t c : predicted) {
    if (c < 0 || c >= kMaxMapClasses) {
      throw Error(ErrorCode::kUnsupported, "the network's map holds class " + std::to_string(c) +
                                               "; 0 to " + std::to_string(kMaxMapClasses - 1) +
                                               " are counted");
    }
  }
}

void AddPixels(const NetworkOutput& output, const Tensor& map, std::mutex& mutex,
               PixelCounts& sum) {
  const std::vector<int64_t> predicted = output.ClassMap(map.dim(0), map.dim(1));
  CheckPredicted(predicted);
  PixelCounts counts;
  counts.Add(predicted, map);
  const std::lock_guard<std::mutex> lock(mutex);
  sum.Add(counts);
}

// The reference's classes count as labels; kIgnoredClass is a class here as any other.
void AddPixelsAgainst(const NetworkOutput& reference, const NetworkOutput& output,
                      std::mutex& mutex, PixelCounts& sum) {
  const std::vector<int64_t> wanted = reference.ClassMap(output.height(), output.width());
  const std::vector<int64_t> found = output.ClassMap(output.height(), output.width());
  CheckPredicted(wanted);
  CheckPredicted(found);
  PixelCounts counts;
  counts.AddAll(found, wanted);
  const std::lock_guard<std::mutex> lock(mutex);
  sum.Add(counts);
}

// The whole network is measured: from its inputs where they are given, else around what cannot be
// computed, but never by taking the output itself as given.
ExecutionPlan PlanToOutput(const Executor& executor, const CalibrationSet& data,
                           const std::string& output) {
  std::set<std::string> inputs;
  for (const GraphInput& input : executor.graph().inputs) {
    if (data.Has(input.name)) inputs.insert(input.name);
  }
  try {
    return executor.Plan(inputs, {output});
  } catch (const Error&) {
    std::set<std::string> given = data.names();
    given.erase(output);
    return executor.Plan(given, {output});
  }
}

// A network with the way to its first output.
class MeasuredNetwork {
 public:
  // `graph` has `output`; `is_quantized`: samples come from the quantized path.
  MeasuredNetwork(const Graph& graph, const std::string& output, const CalibrationSet& data,
                  bool is_quantized)
      : executor_(graph), output_(output), data_(data), is_quantized_(is_quantized) {
    plan_ = PlanToOutput(executor_, data, output);
    channels_last_ = !graph.inputs.empty() && ChannelAxis(graph.inputs.front().shape) == 3;
  }

  Executor& executor() { return executor_; }
  const std::string& output() const { return output_; }

  Tensor Run(int64_t sample) const {
    return executor_.Run(plan_, GivenTensors(data_, plan_.needed, sample, is_quantized_))
        .at(output_);
  }
  NetworkOutput View(Tensor output, int64_t sample) const {
    return NetworkOutput(std::move(output), channels_last_, output_, sample);
  }

 private:
  Executor executor_;
  std::string output_;
  const CalibrationSet& data_;
  ExecutionPlan plan_;
  bool is_quantized_;
  bool channels_last_ = false;
};

const std::string& FirstOutput(const Graph& graph) {
  if (graph.outputs.empty()) throw Error(ErrorCode::kUnsupported, "the model has no output");
  return graph.outputs.front();
}

Accuracy MakeAccuracy(int64_t top1, int64_t top5, int64_t count, bool has_scores) {
  const auto percent = [count](int64_t part) {
    return 100.0 * static_cast<double>(part) / static_cast<double>(count);
  };
  Accuracy accuracy;
  accuracy.top1 = percent(top1);
  if (has_scores) accuracy.top5 = percent(top5);
  return accuracy;
}

}  // namespace

std::optional<double> HeadlineAccuracy(const Evaluation& evaluation) {
  if (evaluation.accuracy) return evaluation.accuracy->top1;
  if (evaluation.segmentation) return evaluation.segmentation->miou;
  return std::nullopt;
}

class ReferenceOutputs::Network {
 public:
  Network(const Graph& graph, const std::string& output, const CalibrationSet& data,
          int64_t max_bytes)
      : network_(graph, output, data, false),
        data_(data),
        max_bytes_(max_bytes),
        kept_(static_cast<size_t>(data.num_samples())) {}

  const CalibrationSet& data() const { return data_; }
  const MeasuredNetwork& network() const { return network_; }

  Tensor Output(int64_t sample) {
    std::optional<Tensor>& kept = kept_[static_cast<size_t>(sample)];
    if (kept) return *kept;
    Tensor output = network_.Run(sample);
    if (IsKept(output)) kept = output;
    return output;
  }

  int64_t KeptBytes() {
    const Tensor first = Output(0);
    return IsKept(first) ? static_cast<int64_t>(first.num_bytes() * kept_.size()) : 0;
  }

 private:
  bool IsKept(const Tensor& output) const {
    return static_cast<int64_t>(output.num_bytes()) <=
           max_bytes_ / static_cast<int64_t>(kept_.size());
  }

  MeasuredNetwork network_;
  const CalibrationSet& data_;
  int64_t max_bytes_;
  std::vector<std::optional<Tensor>> kept_;  // each touched by the thread that has its sample
};

ReferenceOutputs::ReferenceOutputs(const Graph& graph, const std::string& output,
                                   const CalibrationSet& data, int64_t max_bytes) {
  if (std::find(graph.outputs.begin(), graph.outputs.end(), output) == graph.outputs.end()) {
    throw Error(ErrorCode::kMalformed,
                "the reference model has no output '" + Printable(output) + "'");
  }
  network_ = std::make_unique<Network>(graph, output, data, max_bytes);
}

ReferenceOutputs::~ReferenceOutputs() = default;

const CalibrationSet& ReferenceOutputs::data() const { return network_->data(); }

Tensor ReferenceOutputs::Output(int64_t sample) { return network_->Output(sample); }

int64_t ReferenceOutputs::KeptBytes() { return network_->KeptBytes(); }

bool ReachesOutput(const Graph& model, const CalibrationSet& data) {
  if (model.outputs.empty()) return false;
  try {
    PlanToOutput(Executor(model), data, model.outputs.front());
    return true;
  } catch (const Error&) {
    return false;
  }
}

bool CheckLabels(const Graph& model, const CalibrationSet& data, const Labels& labels) {
  CheckLabelCount(labels, data.num_samples());
  const MeasuredNetwork network(model, FirstOutput(model), data, false);
  const NetworkOutput output = network.View(network.Run(0), 0);
  if (labels.from_folders && !MisfitOfFolders(labels, output).empty()) return false;
  CheckLabelsFit(labels, output);
  return true;
}

namespace {

// `run` gives the outputs of `network`.
Evaluation EvaluateOutputs(const MeasuredNetwork& network,
                           const std::function<Tensor(int64_t)>& run, ReferenceOutputs* reference,
                           const CalibrationSet& data, const Labels* labels, int num_threads,
                           ProgressObserver* observer) {
  const int64_t num_samples = data.num_samples();
  if (labels != nullptr) CheckLabelCount(*labels, num_samples);
  const std::string& output_name = network.output();
  std::vector<SampleResult> results(static_cast<size_t>(num_samples));
  ProgressCounter progress(num_samples, ReportTo(observer, "evaluating"));
  std::atomic<int64_t> num_classes{0};
  std::mutex mutex;  // guards what follows
  PixelCounts pixels;
  PixelCounts reference_pixels;
  PixelCounts pixels_against;
  std::string misfit;
  ParallelFor(num_samples, num_threads, [&](int64_t sample) {
    if (observer != nullptr && observer->ShouldStop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    SampleResult& result = results[static_cast<size_t>(sample)];
    const Tensor found = run(sample);
    const NetworkOutput output = network.View(found, sample);
    num_classes = output.num_classes();
    Tensor map;
    bool has_class = false;
    int64_t label = 0;
    if (labels != nullptr && labels->maps) {
      map = ReadFittingMap(*labels->maps, sample, output);
      AddPixels(output, map, mutex, pixels);
    } else if (labels != nullptr) {
      const std::string why =
          labels->from_folders ? MisfitOfFolders(*labels, output) : std::string();
      if (why.empty()) {
        has_class = true;
        label = labels->classes[static_cast<size_t>(sample)];
        CheckSampleLabels(*labels, output);
        CheckClass(label, output, "sample " + std::to_string(sample));
        result.ranks = RanksOf(output, label);
      } else {
        const std::lock_guard<std::mutex> lock(mutex);
        misfit = why;
      }
    }
    if (reference != nullptr) {
      const Tensor wanted = reference->Output(sample);
      if (wanted.shape() != found.shape() || wanted.dtype() != found.dtype()) {
        throw Error(ErrorCode::kMalformed,
                    "the reference model's output is " + std::string(DTypeName(wanted.dtype())) +
                        " " + ShapeToString(wanted.shape()) + ", the model's " +
                        std::string(DTypeName(found.dtype())) + " " + ShapeToString(found.shape()));
      }
      const NetworkOutput reference_output = network.View(wanted, sample);
      result.distance = DistanceBetween(output, reference_output);
      if (has_class) result.reference_ranks = RanksOf(reference_output, label);
      if (labels != nullptr && labels->maps) {
        AddPixels(reference_output, map, mutex, reference_pixels);
      }
      if (output.height() > 0) AddPixelsAgainst(reference_output, output, mutex, pixels_against);
    }
    progress.Advance();
  });

  OutputDistance sum;
  int64_t top1 = 0;
  int64_t top5 = 0;
  int64_t reference_top1 = 0;
  int64_t reference_top5 = 0;
  for (const SampleResult& result : results) {
    top1 += result.ranks.top1 ? 1 : 0;
    top5 += result.ranks.top5 ? 1 : 0;
    reference_top1 += result.reference_ranks.top1 ? 1 : 0;
    reference_top5 += result.reference_ranks.top5 ? 1 : 0;
    sum.signal += result.distance.signal;
    sum.noise += result.distance.noise;
    sum.kl_divergence += result.distance.kl_divergence;
    sum.num_agreeing += result.distance.num_agreeing;
    sum.num_positions += result.distance.num_positions;
  }
  Evaluation evaluation;
  evaluation.num_samples = num_samples;
  evaluation.num_classes = num_classes;
  const bool has_scores = evaluation.num_classes > 0;
  if (!misfit.empty()) {
    evaluation.notes.push_back(misfit);
  } else if (labels != nullptr && labels->maps) {
    evaluation.segmentation = pixels.Measure();
    if (reference != nullptr) evaluation.reference_segmentation = reference_pixels.Measure();
  } else if (labels != nullptr) {
    evaluation.accuracy = MakeAccuracy(top1, top5, num_samples, has_scores);
    if (reference != nullptr) {
      evaluation.reference_accuracy =
          MakeAccuracy(reference_top1, reference_top5, num_samples, has_scores);
    }
  }
  if (reference != nullptr) {
    const auto positions = static_cast<double>(sum.num_positions);
    Distance distance;
    distance.agreement = 100.0 * static_cast<double>(sum.num_agreeing) / positions;
    if (has_scores) {
      distance.sqnr_db = sum.noise == 0.0 ? std::numeric_limits<double>::infinity()
                                          : 10.0 * std::log10(sum.signal / sum.noise);
      distance.kl_divergence = sum.kl_divergence / positions;
    } else {
      evaluation.notes.push_back(
          "output '" + Printable(output_name) +
          "' holds classes, not scores: SQNR and divergence cannot be measured");
    }
    if (!pixels_against.empty()) distance.miou = pixels_against.Measure().miou;
    evaluation.distance = distance;
  }
  return evaluation;
}

Evaluation Evaluate(const QuantizedModel& model, ReferenceOutputs* reference,
                    const CalibrationSet& data, const Labels* labels, int num_threads,
                    ProgressObserver* observer) {
  // A float network sees the samples as the reference does.
  const bool is_quantized = !model.weights.empty() || !model.activations.empty();
  MeasuredNetwork network(model.Dequantized(), FirstOutput(model.graph), data, is_quantized);
  HookActivations(model.activations, network.executor());
  return EvaluateOutputs(
      network, [&network](int64_t sample) { return network.Run(sample); }, reference, data, labels,
      num_threads, observer);
}

}  // namespace

Evaluation ReferenceOutputs::Evaluate(const Labels* labels, int num_threads,
                                      ProgressObserver* observer) {
  return EvaluateOutputs(
      network_->network(), [this](int64_t sample) { return Output(sample); }, nullptr, data(),
      labels, num_threads, observer);
}

Evaluation EvaluateModel(const Graph& model, const Graph* reference, const CalibrationSet& data,
                         const Labels* labels, int num_threads, ProgressObserver* observer) {
  QuantizedModel unquantized;
  unquantized.graph = model;
  return EvaluateModel(unquantized, reference, data, labels, num_threads, observer);
}

Evaluation EvaluateModel(const QuantizedModel& model, const Graph* reference,
                         const CalibrationSet& data, const Labels* labels, int num_threads,
                         ProgressObserver* observer) {
  if (reference == nullptr) return Evaluate(model, nullptr, data, labels, num_threads, observer);
  ReferenceOutputs outputs(*reference, FirstOutput(model.graph), data, 0);
  return Evaluate(model, &outputs, data, labels, num_threads, observer);
}

Evaluation EvaluateModel(const QuantizedModel& model, ReferenceOutputs& reference,
                         const Labels* labels, int num_threads, ProgressObserver* observer) {
  return Evaluate(model, &reference, reference.data(), labels, num_threads, observer);
}

}  // namespace adaround
