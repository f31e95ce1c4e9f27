// Which part of a run's searches each of several processes does.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "pipeline/layer_capture.h"
#include "pipeline/prepared_network.h"
#include "rounding/rounding_solver.h"

namespace adaround {

struct ShardShare {
  // By index in PreparedNetwork::layers: the rows to be searched, in order; none = the whole layer.
  std::map<size_t, std::vector<RowSpan>> layers;
  double work = 0.0;  // see SearchWork
};

// One share each for `count` processes, which together make up the run: a function of its
// parameters, the same on every machine. Layers that depend on one another (one lies before the
// other, and no given activations between them; or one waits for the other's weight) come to the
// same share. A layer that depends on none, whose rows may be solved apart, is cut where it is more
// than a process's part of all work. What is left over comes to whoever has least.
std::vector<ShardShare> PlanShards(const PreparedNetwork& network, const SampleSplit& split,
                                   const QuantizeOptions& options, int64_t count);

// What solves rows apart: rows no better than nearest are for whoever joins them to find.
std::unique_ptr<RoundingSolver> CreateRowsSolver(const QuantizeOptions& options);

// The share by the layers' names.
ShardContents DescribeShare(const PreparedNetwork& network, const std::vector<ShardShare>& shares,
                            size_t index);

}  // namespace adaround
