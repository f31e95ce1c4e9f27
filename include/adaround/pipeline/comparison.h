// Measures many ways to quantize one network, all on the same data.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/labels.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"
#include "adaround/report/comparison_report.h"

namespace adaround {

// What a comparison shows is what a method found: no layer and no row takes nearest in its place.
void ShowWhatIsFound(QuantizeOptions& options);

// Leaves every layer but one in float. Names are taken as they are, not as expressions.
void RestrictToLayer(const std::string& layer, QuantizeOptions& options);

// The layers that a run would quantize, in order of execution; those that share an earlier layer's
// weight are not told. Names are the same whatever `options.transform` says.
// Throws as PredictQuantization.
std::vector<std::string> LayersToQuantize(const Graph& graph, const CalibrationSet& samples,
                                          const QuantizeOptions& options);

// The rounding seed of a draw (0, 1, ...) of a stochastic method: none of the first, which is what
// `seed` alone gives. Below 2^53, so that every reader of JSON keeps it.
std::optional<uint64_t> DrawSeed(uint64_t seed, int64_t draw);

// A float network, with its outputs on the data kept.
class ComparisonBench {
 public:
  // `data` null = layers are measured alone. Graph, data and labels must outlive the object.
  // `labels` null = none.
  ComparisonBench(const Graph& graph, const CalibrationSet* data, const Labels* labels,
                  int num_threads);

  // Bytes that the kept outputs will take.
  int64_t kept_bytes() const { return kept_bytes_; }
  // Why something is not measured.
  const std::vector<std::string>& notes() const { return notes_; }

  // Of the float network itself. Throws as EvaluateModel.
  NetworkMeasures MeasureFloat(ProgressObserver* observer);

  // Quantizes and measures. The hard integers are what is measured. With `measure_transforms`,
  // the float network after each step of its transformation, too, once where runs come to the same
  // network; the result's repeat, draw and
  // seeds are the caller's to set.
  // Throws as QuantizeModel and EvaluateModel.
  ComparisonRun Run(const CalibrationSet& samples, const QuantizeOptions& options,
                    bool measure_transforms, QuantizeObserver* observer);

 private:
  NetworkMeasures Measure(const QuantizedModel& model, ProgressObserver* observer);
  // Once for each network, however many runs transform the float network to it.
  NetworkMeasures MeasureTransformed(const Graph& transformed, ProgressObserver* observer);

  const Graph& graph_;
  const Labels* labels_;
  int num_threads_;
  int64_t kept_bytes_ = 0;
  std::unique_ptr<ReferenceOutputs> reference_;  // null = no data
  std::map<std::string, NetworkMeasures> transformed_;  // by the network's digest
  std::vector<std::string> notes_;
};

}  // namespace adaround
