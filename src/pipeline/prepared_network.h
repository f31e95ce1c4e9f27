// A network made ready for layer-by-layer work: folded, its layers chosen, its shapes known.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/quantize.h"
#include "adaround/runtime/executor.h"
#include "graph/channel_moments.h"
#include "graph/linear_layer.h"
#include "pipeline/measure_moments.h"
#include "pipeline/segment_plan.h"
#include "tensor/activation.h"

namespace adaround {

// A layer to be quantized.
struct ChosenLayer {
  LinearLayer linear;
  ChannelActivation activation;
  LayerGrid grid;
  // Index in PreparedNetwork::layers of the first layer with the same weight; its own index where
  // that is this one. Only first layers are optimized.
  size_t first_with_weight = 0;
};

struct TensorFacts {
  DType dtype = DType::kFloat32;
  Shape shape;
  int64_t bytes = 0;
};

struct PreparedNetwork {
  // Constants and BatchNormalization folded, sorted: what is written.
  Graph graph;
  // What is run: the same nodes, but where the samples hold a layer's own output, the layer writes
  // to a tensor of another name, and what follows it reads the given one.
  Graph run_graph;
  int64_t num_folded_batch_norms = 0;
  // Of layers' outputs: what BatchNormalization and the transformations left known.
  ChannelMomentsMap moments;
  MomentPasses moment_passes;  // that were made for them
  std::vector<ChosenLayer> layers;
  std::vector<LeftLayer> left;
  std::vector<LayerPlan> plan;  // what was decided for all linear layers
  // Facts about one sample: every tensor, and the multiply-accumulates of all that runs.
  std::map<std::string, TensorFacts> tensors;
  int64_t macs_per_sample = 0;
  // The nodes that lie before any layer's output, in order (indices in graph.nodes), what they
  // cost, and the tensors that must be kept between them.
  std::vector<size_t> nodes;
  std::vector<PlannedNode> planned;
  std::vector<int64_t> live_bytes;          // per cut, one entry more than nodes
  std::vector<std::set<std::string>> live;  // names, likewise
  // The largest sum of tensors alive at once while one sample passes.
  int64_t peak_sample_bytes = 0;
};

// Throws Error as QuantizeModel does.
// `observer`, which may be null, hears of each transformation. `max_moment_samples`: where shapes
// and costs are all that matters, moments of the first samples will do.
PreparedNetwork PrepareNetwork(Graph graph, const CalibrationSet& samples,
                               const QuantizeOptions& options, QuantizeObserver* observer,
                               std::optional<int64_t> max_moment_samples = std::nullopt);

// All given tensors of one sample, as the plan needs them.
TensorMap GivenTensors(const CalibrationSet& samples, const std::vector<std::string>& needed,
                       int64_t sample, bool quantized);

// Puts every tensor named in `activations` on its grid as the executor runs; its runs throw
// Error(kMalformed) where such a tensor is not float32.
void HookActivations(const std::map<std::string, ActivationGrid>& activations, Executor& executor);

}  // namespace adaround
