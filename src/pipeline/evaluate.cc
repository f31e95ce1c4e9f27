#include "adaround/pipeline/evaluate.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <set>

#include "adaround/base/error.h"
#include "adaround/runtime/executor.h"
#include "base/parallel_for.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

// What one sample contributes; summed in the order of samples, so that threads do not matter.
struct SampleResult {
  bool top1 = false;
  bool top5 = false;
  bool reference_top1 = false;
  bool reference_top5 = false;
  double signal = 0.0;
  double noise = 0.0;
  double kl_divergence = 0.0;
  int64_t num_agreeing = 0;
  int64_t num_positions = 0;
};

// The output seen as [classes, positions].
struct Scores {
  const float* values;
  int64_t num_classes;
  int64_t num_positions;

  float At(int64_t c, int64_t position) const { return values[c * num_positions + position]; }
};

Scores ScoresOf(const Tensor& output, const std::string& name) {
  if (output.dtype() != DType::kFloat32 || output.rank() < 2 || output.dim(0) != 1 ||
      output.dim(1) < 1 || output.num_elements() == 0) {
    throw Error(ErrorCode::kUnsupported,
                "output '" + Printable(name) + "' is " + std::string(DTypeName(output.dtype())) +
                    " " + ShapeToString(output.shape()) +
                    " for one sample; evaluation needs float32 scores [1, classes, ...]");
  }
  return {output.data<float>(), output.dim(1), output.num_elements() / output.dim(1)};
}

int64_t LargestClass(const Scores& scores, int64_t position) {
  int64_t best = 0;
  for (int64_t c = 1; c < scores.num_classes; ++c) {
    if (scores.At(c, position) > scores.At(best, position)) best = c;
  }
  return best;
}

// How many classes score higher than `label`; equal scores count against it only from the left, as
// the first of equals is the prediction. NaN scores never win.
int64_t RankOf(const Scores& scores, int64_t label) {
  const float own = scores.At(label, 0);
  if (std::isnan(own)) return scores.num_classes;
  int64_t rank = 0;
  for (int64_t c = 0; c < scores.num_classes; ++c) {
    const float other = scores.At(c, 0);
    if (other > own || (other == own && c < label)) ++rank;
  }
  return rank;
}

double LogSumExp(const Scores& scores, int64_t position) {
  float largest = scores.At(0, position);
  for (int64_t c = 1; c < scores.num_classes; ++c) {
    largest = std::max(largest, scores.At(c, position));
  }
  double sum = 0.0;
  for (int64_t c = 0; c < scores.num_classes; ++c) {
    sum += std::exp(static_cast<double>(scores.At(c, position)) - static_cast<double>(largest));
  }
  return static_cast<double>(largest) + std::log(sum);
}

void AddDistance(const Scores& output, const Scores& reference, SampleResult& result) {
  result.num_positions = output.num_positions;
  for (int64_t i = 0; i < output.num_classes * output.num_positions; ++i) {
    const double wanted = reference.values[i];
    const double difference = static_cast<double>(output.values[i]) - wanted;
    result.signal += wanted * wanted;
    result.noise += difference * difference;
  }
  for (int64_t position = 0; position < output.num_positions; ++position) {
    if (LargestClass(output, position) == LargestClass(reference, position)) ++result.num_agreeing;
    const double output_norm = LogSumExp(output, position);
    const double reference_norm = LogSumExp(reference, position);
    for (int64_t c = 0; c < output.num_classes; ++c) {
      const double log_wanted = static_cast<double>(reference.At(c, position)) - reference_norm;
      const double log_found = static_cast<double>(output.At(c, position)) - output_norm;
      result.kl_divergence += std::exp(log_wanted) * (log_wanted - log_found);
    }
  }
}

void CheckLabel(int64_t label, const Scores& scores, int64_t sample) {
  if (scores.num_positions != 1) {
    throw Error(ErrorCode::kUnsupported,
                "the output has " + std::to_string(scores.num_positions) +
                    " positions per sample; class labels fit outputs [samples, classes] only");
  }
  if (label < 0 || label >= scores.num_classes) {
    throw Error(ErrorCode::kMalformed, "label " + std::to_string(label) + " of sample " +
                                           std::to_string(sample) + " is outside the " +
                                           std::to_string(scores.num_classes) + " classes");
  }
}

Accuracy MakeAccuracy(int64_t top1, int64_t top5, int64_t count) {
  return {100.0 * static_cast<double>(top1) / static_cast<double>(count),
          100.0 * static_cast<double>(top5) / static_cast<double>(count)};
}

}  // namespace

namespace {

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

void CheckFinite(const Scores& scores, const std::string& name, int64_t sample) {
  for (int64_t i = 0; i < scores.num_classes * scores.num_positions; ++i) {
    if (!std::isfinite(scores.values[i])) {
      throw Error(ErrorCode::kNumerical, "output '" + Printable(name) +
                                             "' is not finite for sample " +
                                             std::to_string(sample));
    }
  }
}

}  // namespace

bool ReachesOutput(const Graph& model, const CalibrationSet& data) {
  if (model.outputs.empty()) return false;
  try {
    PlanToOutput(Executor(model), data, model.outputs.front());
    return true;
  } catch (const Error&) {
    return false;
  }
}

Evaluation EvaluateModel(const Graph& model, const Graph* reference, const CalibrationSet& data,
                         const std::vector<int64_t>* labels, int num_threads,
                         ProgressObserver* observer) {
  QuantizedModel unquantized;
  unquantized.graph = model;
  return EvaluateModel(unquantized, reference, data, labels, num_threads, observer);
}

Evaluation EvaluateModel(const QuantizedModel& model, const Graph* reference,
                         const CalibrationSet& data, const std::vector<int64_t>* labels,
                         int num_threads, ProgressObserver* observer) {
  const int64_t num_samples = data.num_samples();
  if (labels != nullptr && static_cast<int64_t>(labels->size()) != num_samples) {
    throw Error(ErrorCode::kMalformed, "found " + std::to_string(labels->size()) + " labels for " +
                                           std::to_string(num_samples) + " samples");
  }
  if (model.graph.outputs.empty()) {
    throw Error(ErrorCode::kUnsupported, "the model has no output");
  }
  const std::string& output = model.graph.outputs.front();
  Executor executor(model.Dequantized());
  HookActivations(model.activations, executor);
  const ExecutionPlan plan = PlanToOutput(executor, data, output);
  std::unique_ptr<Executor> reference_executor;
  ExecutionPlan reference_plan;
  if (reference != nullptr) {
    if (std::find(reference->outputs.begin(), reference->outputs.end(), output) ==
        reference->outputs.end()) {
      throw Error(ErrorCode::kMalformed,
                  "the reference model has no output '" + Printable(output) + "'");
    }
    reference_executor = std::make_unique<Executor>(*reference);
    reference_plan = PlanToOutput(*reference_executor, data, output);
  }

  std::vector<SampleResult> results(static_cast<size_t>(num_samples));
  std::atomic<int64_t> num_done{0};
  std::atomic<int64_t> num_classes{0};
  ParallelFor(num_samples, num_threads, [&](int64_t sample) {
    if (observer != nullptr && observer->ShouldStop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    SampleResult& result = results[static_cast<size_t>(sample)];
    const TensorMap given = GivenTensors(data, plan.needed, sample, true);
    const Tensor found = executor.Run(plan, given).at(output);
    const Scores scores = ScoresOf(found, output);
    CheckFinite(scores, output, sample);
    num_classes = scores.num_classes;
    const int64_t label = labels != nullptr ? (*labels)[static_cast<size_t>(sample)] : 0;
    if (labels != nullptr) {
      CheckLabel(label, scores, sample);
      const int64_t rank = RankOf(scores, label);
      result.top1 = rank < 1;
      result.top5 = rank < 5;
    }
    if (reference_executor) {
      const TensorMap float_given = GivenTensors(data, reference_plan.needed, sample, false);
      const Tensor wanted = reference_executor->Run(reference_plan, float_given).at(output);
      if (wanted.shape() != found.shape()) {
        throw Error(ErrorCode::kMalformed,
                    "the reference model's output has shape " + ShapeToString(wanted.shape()) +
                        ", the model's " + ShapeToString(found.shape()));
      }
      const Scores reference_scores = ScoresOf(wanted, output);
      CheckFinite(reference_scores, output, sample);
      AddDistance(scores, reference_scores, result);
      if (labels != nullptr) {
        const int64_t rank = RankOf(reference_scores, label);
        result.reference_top1 = rank < 1;
        result.reference_top5 = rank < 5;
      }
    }
    const int64_t done = ++num_done;
    if (observer != nullptr) observer->OnProgress("evaluating", done, num_samples);
  });

  SampleResult sum;
  int64_t top1 = 0;
  int64_t top5 = 0;
  int64_t reference_top1 = 0;
  int64_t reference_top5 = 0;
  for (const SampleResult& result : results) {
    top1 += result.top1 ? 1 : 0;
    top5 += result.top5 ? 1 : 0;
    reference_top1 += result.reference_top1 ? 1 : 0;
    reference_top5 += result.reference_top5 ? 1 : 0;
    sum.signal += result.signal;
    sum.noise += result.noise;
    sum.kl_divergence += result.kl_divergence;
    sum.num_agreeing += result.num_agreeing;
    sum.num_positions += result.num_positions;
  }
  Evaluation evaluation;
  evaluation.num_samples = num_samples;
  evaluation.num_classes = num_classes;
  if (labels != nullptr) {
    evaluation.accuracy = MakeAccuracy(top1, top5, num_samples);
    if (reference != nullptr) {
      evaluation.reference_accuracy = MakeAccuracy(reference_top1, reference_top5, num_samples);
    }
  }
  if (reference != nullptr) {
    const auto positions = static_cast<double>(sum.num_positions);
    Distance distance;
    distance.sqnr_db = sum.noise == 0.0 ? std::numeric_limits<double>::infinity()
                                        : 10.0 * std::log10(sum.signal / sum.noise);
    distance.agreement = 100.0 * static_cast<double>(sum.num_agreeing) / positions;
    distance.kl_divergence = sum.kl_divergence / positions;
    evaluation.distance = distance;
  }
  return evaluation;
}

}  // namespace adaround
