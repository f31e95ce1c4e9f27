// Measures a network on data: accuracy against labels, distance from a reference network.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/base/progress.h"
#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/calibration_set.h"

namespace adaround {

// Of the first graph output, [1, C] or [1, C, positions...], with the C classes along axis 1.
struct Accuracy {
  double top1 = 0.0;  // percent
  double top5 = 0.0;  // percent; equals 100 where C <= 5
};

struct Distance {
  // 10 log10 of sum(reference^2) / sum((output - reference)^2), over all outputs of all samples;
  // infinite where the two are equal.
  double sqnr_db = 0.0;
  // Percent of positions whose largest class is the same.
  double agreement = 0.0;
  // Mean over positions of KL(softmax(reference) || softmax(output)), nats.
  double kl_divergence = 0.0;
};

struct Evaluation {
  int64_t num_samples = 0;
  int64_t num_classes = 0;
  std::optional<Accuracy> accuracy;   // with labels
  std::optional<Distance> distance;   // with a reference
  // Of the reference itself, with labels and a reference.
  std::optional<Accuracy> reference_accuracy;
};

// Whether the given tensors suffice to compute the first graph output (activations captured for
// single layers do not).
bool ReachesOutput(const Graph& model, const CalibrationSet& data);

// `labels` are class indices, one per sample; null = none. `reference` null = none.
// Throws Error(kNumerical) where an output is not finite; Error(kMalformed): a label count that differs from the number of samples, a label outside
// the classes, labels for an output that is not [1, C]; Error as Executor does.
Evaluation EvaluateModel(const Graph& model, const Graph* reference, const CalibrationSet& data,
                         const std::vector<int64_t>* labels, int num_threads,
                         ProgressObserver* observer = nullptr);
// The same of a quantized model: weights and biases dequantized, activations on their grids.
Evaluation EvaluateModel(const QuantizedModel& model, const Graph* reference,
                         const CalibrationSet& data, const std::vector<int64_t>* labels,
                         int num_threads, ProgressObserver* observer = nullptr);

}  // namespace adaround
