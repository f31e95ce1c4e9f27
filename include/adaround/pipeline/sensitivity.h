// How much each layer's rounding costs the whole network, and which layers to give more bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/io/labels.h"
#include "adaround/io/layer_plan.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"

namespace adaround {

struct SensitivityOptions {
  // Bits that the suggestion gives to the layers it picks, 3 ... 8.
  int keep_bits = 8;
  // Bits that a weight may have on average in the suggestion; nothing = kExtraBits above the
  // average of the options as they are. 2 ... 8.
  std::optional<double> budget_bits;
  // The suggestion ends as soon as the network reaches this; nothing = it uses the budget up.
  std::optional<double> target_sqnr_db;

  static constexpr double kExtraBits = 0.5;

  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

// Layers that share a weight are one, by the first one's name.
struct LayerSensitivity {
  std::string name;
  std::string op;
  std::vector<std::string> sharing;  // the other layers that read the weight
  int64_t num_weights = 0;
  int bits = 0;
  int suggested_bits = 0;
  Evaluation alone;    // only this layer is quantized
  Evaluation all_but;  // all layers are quantized but this one, each as when it is alone
  // Output noise of `alone` over the signal, 10^(-SQNR / 10); where there are no scores, the part
  // of positions that disagree.
  double noise = 0.0;
  // From 1, the most sensitive first: by noise; by accuracy lost alone (with labels).
  int64_t rank_by_noise = 0;
  std::optional<int64_t> rank_by_accuracy;
};

struct SensitivityResult {
  std::vector<LayerSensitivity> layers;  // in the network's order
  Evaluation quantized;                  // all layers, with the options as they are
  Evaluation suggested;                  // with `plan`, measured after a run of its own
  // All layers' decisions, those of the suggestion with keep_bits.
  std::vector<LayerPlan> plan;
  // Over the quantized weights.
  double average_bits = 0.0;
  double suggested_average_bits = 0.0;
  int64_t num_suggested = 0;
  bool target_reached = true;  // false only with a target that the budget does not buy
};

class SensitivityObserver : public QuantizeObserver {
 public:
  // After each evaluation, `done` of `total`.
  virtual void OnMeasured(const std::string& what, const Evaluation& evaluation, int64_t done,
                          int64_t total) = 0;
};

// Quantizes the network with `options`, and each layer independently of the others (searched on
// the float network's inputs), then measures on `data` the network with one layer quantized, and
// with all but one, for each layer: two evaluations a layer.
//
// The suggestion is greedy: layers below keep_bits in order of noise per byte that keep_bits would
// add, each that still fits into the budget. Noise of layers alone is taken to add up, and
// keep_bits to remove a layer's share. With a target, the shortest beginning of that list is taken
// with which the quantized network reaches it, the listed layers rounded to nearest at keep_bits
// (found by bisection). The result is then quantized and measured as any network.
//
// `graph` is sorted and validated; `labels` (of `data`) may be null. Depends on graph, data and
// options alone, not on the number of threads.
// Throws Error as QuantizeModel and EvaluateModel do; Error(kInvalidArgument): options, and
// quantized activations, which no layer owns.
SensitivityResult AnalyzeSensitivity(const Graph& graph, const CalibrationSet& samples,
                                     const CalibrationSet& data, const Labels* labels,
                                     const QuantizeOptions& options,
                                     const SensitivityOptions& sensitivity,
                                     SensitivityObserver* observer = nullptr);

struct LayerAlone {
  std::string name;
  Evaluation evaluation;
};

// The network behind its transformation with one layer's weights as `result` has them and all else
// in float, for each layer in turn, beside that network in float; layers that share a weight are
// one, by the first one's name. `data` reaches the first output.
// Throws Error as EvaluateModel does.
std::vector<LayerAlone> MeasureLayersAlone(const QuantizeResult& result, const CalibrationSet& data,
                                           int num_threads, ProgressObserver* observer = nullptr);

// Samples for that, as many as keep it below about 2.5e11 multiply-accumulates, from 4 to 256.
int64_t SamplesForLayersAlone(const QuantizeResult& result);

// Samples that an analysis measures on by default: as many as keep all its evaluations together
// below about 2.5e12 multiply-accumulates, from 32 to 1,000.
int64_t DefaultEvaluationSamples(const QuantizePrediction& prediction);

}  // namespace adaround
