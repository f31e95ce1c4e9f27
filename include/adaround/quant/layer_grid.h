// What decides a layer's weight grid, but for its scales.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/quant/quant_grid.h"
#include "adaround/quant/range_options.h"

namespace adaround {

struct LayerGrid {
  int bits = 4;  // 2 ... 8
  bool symmetric = true;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 128;  // weights per scale, for kPerGroup alone; 1 ... 2^30
  RangeEstimator range_estimator = RangeEstimator::kMse;
  double percentile = RangeOptions{}.percentile;  // for kPercentile alone; 50 ... 100

  // Whether both give a layer the same grid: what the others' choices leave unread is not compared.
  bool SameAs(const LayerGrid& other) const;
  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

// "channel", "tensor", "group".
std::string_view GranularityName(Granularity granularity);
std::vector<std::string> GranularityNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such granularity.
Granularity ParseGranularity(const std::string& name);

}  // namespace adaround
