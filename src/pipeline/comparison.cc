#include "adaround/pipeline/comparison.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "adaround/base/error.h"
#include "adaround/base/peak_memory.h"
#include "adaround/io/sha256.h"
#include "base/rng.h"

namespace adaround {
namespace {

// Float outputs that are computed once and kept.
constexpr int64_t kMaxKeptBytes = int64_t{1} << 30;

NetworkMeasures MeasuresOf(const Evaluation& evaluation) {
  NetworkMeasures measures;
  if (evaluation.accuracy) {
    measures.top1 = evaluation.accuracy->top1;
    measures.top5 = evaluation.accuracy->top5;
  }
  if (evaluation.segmentation) {
    measures.miou = evaluation.segmentation->miou;
    measures.pixel_accuracy = evaluation.segmentation->pixel_accuracy;
  }
  if (evaluation.distance) {
    measures.sqnr_db = evaluation.distance->sqnr_db;
    measures.agreement = evaluation.distance->agreement;
    measures.agreement_miou = evaluation.distance->miou;
    measures.kl_divergence = evaluation.distance->kl_divergence;
  }
  return measures;
}

// Passes everything on, and hands each step of the transformation to `on_transform`.
class TransformObserver final : public QuantizeObserver {
 public:
  using OnStep = std::function<void(const TransformStep&, const Graph&)>;

  TransformObserver(QuantizeObserver* observer, OnStep on_transform)
      : observer_(observer), on_transform_(std::move(on_transform)) {}

  void OnProgress(const std::string& stage, int64_t done, int64_t total) override {
    if (observer_ != nullptr) observer_->OnProgress(stage, done, total);
  }
  void OnWarning(const std::string& message) override {
    if (observer_ != nullptr) observer_->OnWarning(message);
  }
  void OnTransform(const TransformStep& step, const Graph& graph) override {
    if (observer_ != nullptr) observer_->OnTransform(step, graph);
    on_transform_(step, graph);
  }
  void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double fraction) override {
    if (observer_ != nullptr) observer_->OnLayer(layer, done, total, fraction);
  }
  bool ShouldStop() const override { return observer_ != nullptr && observer_->ShouldStop(); }

 private:
  QuantizeObserver* observer_;
  OnStep on_transform_;
};

// Two models with the same digest have their weights on the same grids.
std::string GridsDigest(const QuantizedModel& model) {
  std::string bytes;
  const auto add = [&](const auto& values) {
    bytes.append(reinterpret_cast<const char*>(values.data()),
                 values.size() * sizeof(values.front()));
    bytes += ';';
  };
  for (const auto& [name, tensor] : model.weights) {
    bytes += name + ";" + std::to_string(tensor.grid.bit_width) + ";";
    add(tensor.grid.scale);
    add(tensor.grid.zero_point);
  }
  return Sha256OfBytes(bytes).substr(0, 16);
}

// Of everything that decides what the network computes.
std::string GraphDigest(const Graph& graph) {
  std::string text;
  const auto add = [&](std::string_view part) {
    text += std::to_string(part.size()) + ":";
    text += part;
  };
  const auto add_tensor = [&](const Tensor& tensor) {
    add(DTypeName(tensor.dtype()));
    add(ShapeToString(tensor.shape()));
    add(Sha256OfBytes({reinterpret_cast<const char*>(tensor.raw()), tensor.num_bytes()}));
  };
  const auto add_value = [&](const auto& value) {
    using Value = std::decay_t<decltype(value)>;
    if constexpr (std::is_same_v<Value, Tensor>) {
      add_tensor(value);
    } else if constexpr (std::is_same_v<Value, std::string>) {
      add(value);
    } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
      for (const std::string& part : value) add(part);
    } else if constexpr (std::is_arithmetic_v<Value>) {
      add({reinterpret_cast<const char*>(&value), sizeof value});
    } else {
      add({reinterpret_cast<const char*>(value.data()), value.size() * sizeof(value.front())});
    }
  };
  for (const Node& node : graph.nodes) {
    add(node.op);
    for (const auto* names : {&node.inputs, &node.outputs}) {
      add(std::to_string(names->size()));
      for (const std::string& name : *names) add(name);
    }
    for (const auto& [key, attribute] : node.attributes) {
      add(key);
      add(std::to_string(attribute.index()));
      std::visit(add_value, attribute);
    }
    add("node");
  }
  for (const auto& [name, tensor] : graph.initializers) {
    add(name);
    add_tensor(tensor);
  }
  return Sha256OfBytes(text);
}

std::string Literally(const std::string& name) {
  std::string expression = "^";
  for (const char c : name) {
    if (std::string_view("^$\\.*+?()[]{}|").find(c) != std::string_view::npos) expression += '\\';
    expression += c;
  }
  return expression + "$";
}

}  // namespace

void ShowWhatIsFound(QuantizeOptions& options) {
  options.fall_back_to_nearest = false;
  options.rounding.keep_nearest_rows = false;
}

void RestrictToLayer(const std::string& layer, QuantizeOptions& options) {
  options.include = {Literally(layer)};
  options.exclude.clear();
}

std::vector<std::string> LayersToQuantize(const Graph& graph, const CalibrationSet& samples,
                                          const QuantizeOptions& options) {
  QuantizeOptions untransformed = options;
  untransformed.transform = TransformOptions{};
  untransformed.method = "nearest";  // whatever a method refuses is for its run to say
  std::vector<std::string> names;
  for (const LayerReport& layer : PredictQuantization(graph, samples, untransformed).layers) {
    if (!layer.shares_weight) names.push_back(layer.name);
  }
  return names;
}

std::optional<uint64_t> DrawSeed(uint64_t seed, int64_t draw) {
  ADAROUND_CHECK(draw >= 0);
  if (draw == 0) return std::nullopt;
  constexpr uint64_t kStream = 0x64726177;  // apart from those of layers
  return Rng(seed, kStream, static_cast<uint64_t>(draw)).Next() >> 11;
}

ComparisonBench::ComparisonBench(const Graph& graph, const CalibrationSet* data,
                                 const Labels* labels, int num_threads)
    : graph_(graph), labels_(labels), num_threads_(num_threads) {
  if (data == nullptr) return;
  ADAROUND_CHECK(!graph.outputs.empty());
  reference_ =
      std::make_unique<ReferenceOutputs>(graph, graph.outputs.front(), *data, kMaxKeptBytes);
  kept_bytes_ = reference_->KeptBytes();
}

NetworkMeasures ComparisonBench::Measure(const QuantizedModel& model, ProgressObserver* observer) {
  if (!reference_) return {};
  const Evaluation evaluation = EvaluateModel(model, *reference_, labels_, num_threads_, observer);
  for (const std::string& note : evaluation.notes) {
    if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(note);
  }
  return MeasuresOf(evaluation);
}

NetworkMeasures ComparisonBench::MeasureTransformed(const Graph& transformed,
                                                    ProgressObserver* observer) {
  if (!reference_) return {};
  const std::string digest = GraphDigest(transformed);
  const auto known = transformed_.find(digest);
  if (known != transformed_.end()) return known->second;
  QuantizedModel unquantized;
  unquantized.graph = transformed;
  return transformed_[digest] = Measure(unquantized, observer);
}

NetworkMeasures ComparisonBench::MeasureFloat(ProgressObserver* observer) {
  QuantizedModel unquantized;
  unquantized.graph = graph_;
  return Measure(unquantized, observer);
}

ComparisonRun ComparisonBench::Run(const CalibrationSet& samples, const QuantizeOptions& options,
                                   bool measure_transforms, QuantizeObserver* observer) {
  ComparisonRun run;
  TransformObserver watching(observer, [&](const TransformStep& step, const Graph& transformed) {
    if (!measure_transforms) return;
    run.transformed.push_back({step.name, step.detail, MeasureTransformed(transformed, &watching)});
  });
  const PeakMemory peak;
  const QuantizeResult result = QuantizeModel(graph_, samples, options, &watching);
  run.peak_bytes = peak.Bytes();
  run.peak_is_own = peak.is_own();
  run.solve_seconds = result.solve_seconds;
  run.forward_seconds = result.forward_seconds;
  for (const LayerReport& layer : result.layers) {
    if (layer.shares_weight) continue;
    ++run.num_layers;
    run.local_loss += layer.error;
    if (layer.above_nearest) ++run.num_above_nearest;
    run.num_rows_above_nearest += layer.num_rows_above_nearest;
  }
  run.num_held_out_samples = result.num_held_out_samples;
  run.grids = GridsDigest(result.model);
  run.network = Measure(result.model, &watching);
  return run;
}

}  // namespace adaround
