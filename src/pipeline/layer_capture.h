// Samples one layer's inputs and targets while the forward passes go by.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "graph/linear_layer.h"
#include "adaround/pipeline/quantize.h"
#include "pipeline/column_gather.h"
#include "rounding/rounding_problem.h"

namespace adaround {

// Which samples the search may see, and which decide whether its result is kept.
struct SampleSplit {
  // Per sample: its place among the search samples or among the held-out ones.
  std::vector<bool> held_out;
  std::vector<int64_t> place;
  int64_t num_search = 0;
  int64_t num_held_out = 0;
};

// Spreads held_out_fraction evenly over the samples; at least one sample is held out where there
// are two or more, at least one is searched on.
SampleSplit SplitSamples(int64_t num_samples, double held_out_fraction);

// The samples that the search sees, or those that are held out.
std::vector<int64_t> SamplesOf(const SampleSplit& split, bool held_out);

struct CaptureLimits {
  int64_t max_search_columns = 0;
  int64_t max_held_out_columns = 0;
  // Positions of one image that a minibatch draws together; 0 = columns are drawn one by one.
  int64_t positions_per_draw = 0;
};

// The search of a layer with many weights a row gets 28 columns for each, within search_columns and
// twice as many.
CaptureLimits LimitsOf(const LinearLayer& layer, const QuantizeOptions& options);

// What is captured of each sample: at least one column, and positions_per_draw for the search.
struct ColumnsPerSample {
  int64_t search = 0;
  int64_t held_out = 0;

  int64_t OfAll(const SampleSplit& split) const {
    return search * split.num_search + held_out * split.num_held_out;
  }
};

ColumnsPerSample CountColumns(const LinearLayer& layer, int64_t num_positions,
                              const SampleSplit& split, const CaptureLimits& limits);

// A pool of columns larger than this is thinned: a bound by shape, never by the memory limit, so
// that the limit cannot change the result.
inline constexpr int64_t kMaxPoolBytes = int64_t{256} << 20;

// The same output positions are read from both streams: drawn once from (seed, layer, sample).
// Threads: CaptureTarget and CaptureInput may be called concurrently for different samples.
class LayerCapture {
 public:
  LayerCapture(const Node& node, const LinearLayer& layer, const Shape& input_shape,
               const Shape& weight_shape, const Shape& output_shape, const SampleSplit& split,
               const CaptureLimits& limits, uint64_t seed, uint64_t layer_index);

  // `output` = W x + b of the float stream, `input` = x_hat of the quantized stream.
  // Throw Error(kNumerical), naming layer and sample, where a captured value is not finite.
  void CaptureTarget(int64_t sample, const Tensor& output);
  void CaptureInput(int64_t sample, const Tensor& input);

  const SampledColumns& search() const { return search_; }
  // num_samples is 0 where nothing is held out.
  const SampledColumns& held_out() const { return held_out_; }

 private:
  int64_t PositionsPerSample(bool held_out) const {
    return held_out ? held_out_per_sample_ : search_per_sample_;
  }
  // The index-th of `count` positions drawn for a sample, one from each of `count` equal strata.
  std::vector<int64_t> Positions(int64_t sample, int64_t count) const;
  void AllocateInputs();

  std::string name_;
  ColumnGather gather_;
  const SampleSplit& split_;
  uint64_t seed_;
  uint64_t layer_index_;
  int64_t search_per_sample_ = 0;
  int64_t held_out_per_sample_ = 0;
  SampledColumns search_;
  SampledColumns held_out_;
  std::once_flag inputs_allocated_;
};

}  // namespace adaround
