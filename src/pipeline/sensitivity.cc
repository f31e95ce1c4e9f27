#include "adaround/pipeline/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"

namespace adaround {
namespace {

constexpr int64_t kReferenceBytes = int64_t{512} << 20;
// Beside a result, whose memory may be limited.
constexpr int64_t kFewReferenceBytes = int64_t{64} << 20;

double NoiseOf(const Evaluation& evaluation) {
  const Distance& distance = *evaluation.distance;
  if (distance.sqnr_db) return std::pow(10.0, -*distance.sqnr_db / 10.0);  // infinite dB: 0
  return 1.0 - distance.agreement / 100.0;
}

// Whether independent layers and those of a run through the network come out the same.
bool IsIndependent(const QuantizeOptions& options, const QuantizeResult& result) {
  if (!options.asymmetric_reconstruction) return true;
  const bool sees_samples =
      options.method != "nearest" ||
      std::any_of(result.plan.begin(), result.plan.end(), [](const LayerPlan& layer) {
        return layer.range_estimator == RangeEstimator::kOutputMse;
      });
  return !sees_samples;
}

QuantizedModel OnlyLayer(const QuantizeResult& result, const std::string& weight) {
  QuantizedModel model;
  model.graph = result.float_graph;
  model.graph.initializers.erase(weight);
  model.weights[weight] = result.model.weights.at(weight);
  return model;
}

QuantizedModel AllBut(const QuantizeResult& result, const std::string& weight) {
  QuantizedModel model = result.model;
  model.weights.erase(weight);
  model.graph.initializers[weight] = result.float_graph.initializers.at(weight);
  return model;
}

// Positions of `layers` sorted by `is_before`, ties in the network's order.
template <typename IsBefore>
std::vector<size_t> Sorted(const std::vector<LayerSensitivity>& layers, IsBefore is_before) {
  std::vector<size_t> order(layers.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return is_before(layers[a], layers[b]); });
  return order;
}

void Rank(std::vector<LayerSensitivity>& layers) {
  const std::vector<size_t> by_noise =
      Sorted(layers, [](const LayerSensitivity& a, const LayerSensitivity& b) {
        return a.noise > b.noise;
      });
  for (size_t i = 0; i < by_noise.size(); ++i) {
    layers[by_noise[i]].rank_by_noise = static_cast<int64_t>(i) + 1;
  }
  if (!HeadlineAccuracy(layers.front().alone)) return;
  const std::vector<size_t> by_accuracy =
      Sorted(layers, [](const LayerSensitivity& a, const LayerSensitivity& b) {
        const double first = *HeadlineAccuracy(a.alone);
        const double second = *HeadlineAccuracy(b.alone);
        return first < second || (first == second && a.noise > b.noise);
      });
  for (size_t i = 0; i < by_accuracy.size(); ++i) {
    layers[by_accuracy[i]].rank_by_accuracy = static_cast<int64_t>(i) + 1;
  }
}

class SensitivityAnalysis {
 public:
  SensitivityAnalysis(const Graph& graph, const CalibrationSet& samples, const CalibrationSet& data,
                      const Labels* labels, const QuantizeOptions& options,
                      const SensitivityOptions& sensitivity, SensitivityObserver* observer)
      : graph_(graph),
        samples_(samples),
        labels_(labels),
        options_(options),
        sensitivity_(sensitivity),
        observer_(observer),
        reference_(graph, FirstOutput(graph), data, kReferenceBytes) {}

  SensitivityResult Run() {
    const QuantizeResult network = QuantizeModel(graph_, samples_, options_, observer_);
    QuantizeOptions independent_options = options_;
    independent_options.asymmetric_reconstruction = false;
    const QuantizeResult independent =
        IsIndependent(options_, network)
            ? network
            : QuantizeModel(graph_, samples_, independent_options, observer_);
    ListLayers(network);
    total_ = static_cast<int64_t>(2 * result_.layers.size()) + 2;
    result_.quantized = Measure("all layers", network.model);
    for (LayerSensitivity& layer : result_.layers) {
      const std::string& weight = weights_.at(layer.name);
      layer.alone = Measure(layer.name + " alone", OnlyLayer(independent, weight));
      layer.all_but = Measure("all but " + layer.name, AllBut(independent, weight));
      layer.noise = NoiseOf(layer.alone);
    }
    Rank(result_.layers);
    Suggest(network);
    return std::move(result_);
  }

 private:
  static const std::string& FirstOutput(const Graph& graph) {
    if (graph.outputs.empty()) throw Error(ErrorCode::kUnsupported, "the model has no output");
    return graph.outputs.front();
  }

  Evaluation Measure(const std::string& what, const QuantizedModel& model) {
    Evaluation evaluation =
        EvaluateModel(model, reference_, labels_, options_.num_threads, observer_);
    ++done_;
    if (observer_ != nullptr) observer_->OnMeasured(what, evaluation, done_, total_);
    return evaluation;
  }

  void ListLayers(const QuantizeResult& network) {
    std::map<std::string, size_t> position;  // of the layer by its weight
    for (const LayerReport& report : network.layers) {
      if (report.shares_weight) continue;
      LayerSensitivity layer;
      layer.name = report.name;
      layer.op = report.op;
      layer.num_weights = report.num_rows * report.row_length;
      layer.bits = report.bits;
      layer.suggested_bits = report.bits;
      position[report.weight] = result_.layers.size();
      weights_[report.name] = report.weight;
      result_.layers.push_back(std::move(layer));
    }
    for (const LayerReport& report : network.layers) {
      if (!report.shares_weight) continue;
      result_.layers[position.at(report.weight)].sharing.push_back(report.name);
    }
    result_.average_bits = AverageBits();
  }

  // Of the suggestion as it stands.
  double AverageBits() const {
    double bits = 0.0;
    double weights = 0.0;
    for (const LayerSensitivity& layer : result_.layers) {
      bits += static_cast<double>(layer.num_weights) * layer.suggested_bits;
      weights += static_cast<double>(layer.num_weights);
    }
    return bits / weights;
  }

  // What the suggestion may consist of, the layers most worth their bytes first.
  std::vector<size_t> Affordable() const {
    const auto added_bits = [&](const LayerSensitivity& layer) {
      return static_cast<double>(layer.num_weights) * (sensitivity_.keep_bits - layer.bits);
    };
    const auto worth = [&](const LayerSensitivity& layer) {
      const double cost = added_bits(layer);
      return cost > 0.0 ? layer.noise / cost : 0.0;
    };
    const std::vector<size_t> order =
        Sorted(result_.layers, [&](const LayerSensitivity& a, const LayerSensitivity& b) {
          return worth(a) > worth(b);
        });
    double num_weights = 0.0;
    for (const LayerSensitivity& layer : result_.layers) {
      num_weights += static_cast<double>(layer.num_weights);
    }
    const double budget = sensitivity_.budget_bits.value_or(result_.average_bits +
                                                            SensitivityOptions::kExtraBits);
    double left = (budget - result_.average_bits) * num_weights;
    std::vector<size_t> affordable;
    for (const size_t i : order) {
      const LayerSensitivity& layer = result_.layers[i];
      const double cost = added_bits(layer);
      if (worth(layer) <= 0.0 || cost > left) continue;
      left -= cost;
      affordable.push_back(i);
    }
    return affordable;
  }

  // The decisions with keep_bits for the first `count` of `layers`, and for those sharing weights.
  std::vector<LayerPlan> PlanOf(const std::vector<LayerPlan>& decisions,
                                const std::vector<size_t>& layers, size_t count) const {
    std::vector<LayerPlan> plan = decisions;
    for (size_t i = 0; i < count; ++i) {
      const LayerSensitivity& layer = result_.layers[layers[i]];
      for (LayerPlan& entry : plan) {
        const bool shares = std::find(layer.sharing.begin(), layer.sharing.end(), entry.name) !=
                            layer.sharing.end();
        if (entry.name == layer.name || shares) entry.bits = sensitivity_.keep_bits;
      }
    }
    return plan;
  }

  // How many of `layers` bring the network to the target; all of them where no number does.
  size_t CountForTarget(const QuantizeResult& network, const std::vector<size_t>& layers) {
    QuantizeOptions wide = WithDecisions(options_, PlanOf(network.plan, layers, layers.size()));
    wide.method = "nearest";
    const QuantizeResult kept = QuantizeModel(graph_, samples_, wide, observer_);
    const auto reaches = [&](size_t count) {
      QuantizedModel model = network.model;
      for (size_t i = 0; i < count; ++i) {
        const std::string& weight = weights_.at(result_.layers[layers[i]].name);
        model.weights[weight] = kept.model.weights.at(weight);
      }
      ++total_;
      const Evaluation found = Measure(std::to_string(count) + " layers kept", model);
      return found.distance->sqnr_db &&
             *found.distance->sqnr_db >= *sensitivity_.target_sqnr_db;
    };
    if (result_.quantized.distance->sqnr_db &&
        *result_.quantized.distance->sqnr_db >= *sensitivity_.target_sqnr_db) {
      return 0;
    }
    size_t too_few = 0;
    size_t enough = layers.size();
    while (enough - too_few > 1) {
      const size_t middle = (too_few + enough) / 2;
      (reaches(middle) ? enough : too_few) = middle;
    }
    return enough;
  }

  void Suggest(const QuantizeResult& network) {
    const std::vector<size_t> layers = Affordable();
    size_t count = layers.size();
    if (sensitivity_.target_sqnr_db && count > 0) count = CountForTarget(network, layers);
    for (size_t i = 0; i < count; ++i) {
      result_.layers[layers[i]].suggested_bits = sensitivity_.keep_bits;
    }
    result_.num_suggested = static_cast<int64_t>(count);
    result_.suggested_average_bits = AverageBits();
    result_.plan = PlanOf(network.plan, layers, count);
    if (count == 0) {
      result_.suggested = result_.quantized;
    } else {
      const QuantizeResult suggested =
          QuantizeModel(graph_, samples_, WithDecisions(options_, result_.plan), observer_);
      result_.suggested = Measure("the suggestion", suggested.model);
    }
    if (sensitivity_.target_sqnr_db) {
      const std::optional<double>& reached = result_.suggested.distance->sqnr_db;
      result_.target_reached = reached && *reached >= *sensitivity_.target_sqnr_db;
    }
  }

  const Graph& graph_;
  const CalibrationSet& samples_;
  const Labels* labels_;
  const QuantizeOptions& options_;
  const SensitivityOptions& sensitivity_;
  SensitivityObserver* observer_;
  ReferenceOutputs reference_;
  std::map<std::string, std::string> weights_;  // by the layer's name
  int64_t done_ = 0;
  int64_t total_ = 0;
  SensitivityResult result_;
};

}  // namespace

std::vector<std::string> SensitivityOptions::Validate() const {
  std::vector<std::string> violations;
  if (keep_bits <= kMinBitWidth || keep_bits > kMaxBitWidth) {
    violations.push_back("keep-bits is " + std::to_string(keep_bits) + ", must be 3 to 8");
  }
  if (budget_bits && !(*budget_bits >= kMinBitWidth && *budget_bits <= kMaxBitWidth)) {
    violations.push_back("budget-bits must be 2 to 8");
  }
  if (target_sqnr_db && !std::isfinite(*target_sqnr_db)) {
    violations.push_back("target-sqnr must be a number");
  }
  return violations;
}

SensitivityResult AnalyzeSensitivity(const Graph& graph, const CalibrationSet& samples,
                                     const CalibrationSet& data, const Labels* labels,
                                     const QuantizeOptions& options,
                                     const SensitivityOptions& sensitivity,
                                     SensitivityObserver* observer) {
  std::vector<std::string> violations = options.Validate();
  for (const std::string& violation : sensitivity.Validate()) violations.push_back(violation);
  if (options.act_bits) {
    violations.push_back("act-bits: a layer's sensitivity is that of its weights; leave "
                         "activations in float");
  }
  if (options.bias_correction != BiasCorrection::kNone) {
    violations.push_back("bias-correction: single layers are put together from weights alone; "
                         "leave it out");
  }
  if (!FindRoundingMethod(options.method).row_wise) {
    violations.push_back("method " + options.method +
                         " rounds one layer of a network; a sensitivity needs all of them");
  }
  ThrowIfAny(ErrorCode::kInvalidArgument, violations);
  return SensitivityAnalysis(graph, samples, data, labels, options, sensitivity, observer).Run();
}

std::vector<LayerAlone> MeasureLayersAlone(const QuantizeResult& result, const CalibrationSet& data,
                                           int num_threads, ProgressObserver* observer) {
  ReferenceOutputs reference(result.float_graph, result.float_graph.outputs.front(), data,
                             kFewReferenceBytes);
  std::vector<LayerAlone> layers;
  for (const LayerReport& layer : result.layers) {
    if (layer.shares_weight) continue;
    layers.push_back({layer.name, EvaluateModel(OnlyLayer(result, layer.weight), reference, nullptr,
                                                num_threads, observer)});
  }
  return layers;
}

int64_t SamplesForLayersAlone(const QuantizeResult& result) {
  constexpr double kMacs = 2.5e11;
  const double evaluations = static_cast<double>(result.layers.size()) + 1.0;
  const double macs = std::max(1.0, static_cast<double>(result.macs_per_sample));
  return static_cast<int64_t>(std::clamp(kMacs / (evaluations * macs), 4.0, 256.0));
}

int64_t DefaultEvaluationSamples(const QuantizePrediction& prediction) {
  constexpr double kMacs = 2.5e12;
  const double evaluations = 2.0 * static_cast<double>(prediction.layers.size()) + 2.0;
  const double macs = std::max(1.0, static_cast<double>(prediction.macs_per_sample));
  return static_cast<int64_t>(std::clamp(kMacs / (evaluations * macs), 32.0, 1000.0));
}

}  // namespace adaround
