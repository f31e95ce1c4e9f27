// Runs two forms of one network on the same samples and measures how far their outputs are apart:
// proof that a written file means what was meant.
#pragma once

#include <cstdint>
#include <functional>

#include "adaround/base/progress.h"
#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/runtime/executor.h"

namespace adaround {

struct OutputComparison {
  int64_t num_samples = 0;
  double largest_output = 0.0;      // absolute value, of the first network
  double largest_difference = 0.0;  // absolute
  // 10 log10 of sum(output^2) / sum(difference^2); infinite where the two are equal.
  double sqnr_db = 0.0;

  // Whether every difference is at most `tolerance` times the largest output.
  bool Agrees(double tolerance) const {
    return largest_difference <= tolerance * largest_output;
  }
};

// A sample's input tensors by name; the same names for every sample.
using SampleInputs = std::function<TensorMap(int64_t sample)>;

// The given tensors of a calibration set.
SampleInputs InputsFrom(const CalibrationSet& data);
// Standard normal numbers (for integer inputs zeros) of the graph's input shapes, from `seed`.
// Throws Error(kUnsupported) where an extent other than the first is not fixed.
SampleInputs RandomInputs(const Graph& graph, uint64_t seed);

// All outputs of both networks, which have the same names.
// Throws Error(kMalformed) where names or shapes differ; Error as Executor does.
OutputComparison CompareOutputs(const QuantizedModel& first, const Graph& second,
                                const SampleInputs& inputs, int64_t num_samples, int num_threads,
                                ProgressObserver* observer = nullptr);

}  // namespace adaround
