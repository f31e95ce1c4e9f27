// Outlier channel splitting: the largest weights are halved by computing their input twice.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

// Of one layer.
struct OutlierSplitOptions {
  // Part of a layer's input channels to add, rounded up. 0 < ratio <= 1.
  double ratio = 0.0;
  // Steps from zero to the largest weight on the grid that the weights are for: 2^(bits - 1) - 1.
  int steps = 7;
  // Whether each output channel has a scale of its own.
  bool scale_per_row = true;
};

struct SplitLayer {
  std::string name;
  int64_t num_channels = 0;        // before
  int64_t num_split_channels = 0;  // added
  int64_t num_added_weights = 0;
};

struct OutlierSplit {
  std::vector<SplitLayer> layers;
  std::vector<std::string> left;  // "NAME: why", layers with options that stay as they are
};

// Zhao et al. 2019 (arXiv:1901.09504), section 3: in every linear layer that `options` names, the
// input channel that holds the largest |w| is computed twice, with weights
//   (|w| + step / 2) / 2 and (|w| - step / 2) / 2, signed as w,
// as often as its ratio asks for; a copy can be split again. With halves alone both copies round
// the same way, which doubles the step; shifted by half a step they round as w would on the grid
// before. The scale being chosen later, `step` is the row's (or the tensor's) largest weight after
// the split / steps. Weights within step / 4 of zero are plainly halved.
//
// The network computes the same: both copies are float32 and their sum is w exactly; only the order
// of additions changes. A Gather along the input's channels makes the copies' inputs.
// Left as they are: layers with groups (a channel of depthwise layers is a group), layers whose
// weight something else reads, and layers of zeros.
// REQUIRES: sorted, validated graph with constants folded. The order stays sorted.
OutlierSplit SplitOutlierChannels(const std::map<std::string, OutlierSplitOptions>& options,
                                  Graph& graph);

}  // namespace adaround
