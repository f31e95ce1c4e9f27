// What a model consists of, without data.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"

namespace adaround {

struct InspectedLayer {
  std::string name;
  std::string op;
  std::string weight;  // the initializer
  Shape weight_shape;
  std::string activation;
  int64_t num_parameters = 0;         // weight and bias
  std::optional<int64_t> macs;        // of one sample
  std::optional<Shape> output_shape;  // of one sample
  std::string left_because;           // "" where it would be quantized
  bool from_integers = false;         // its weight comes out of a DequantizeLinear
};

struct Inspection {
  std::vector<InspectedLayer> layers;  // linear layers, in order of execution
  std::map<std::string, int64_t> ops;  // operator -> number of nodes, as in the file
  int64_t num_parameters = 0;          // elements of float initializers, as in the file
  int64_t num_folded_batch_norms = 0;
  std::optional<int64_t> macs;  // of one sample, all layers
  // Nodes that the executor has no kernel for: "node 'NAME' (OP)", in order of execution. Given
  // tensors can go around them.
  std::vector<std::string> unsupported;
  // Why shapes and MACs are missing: an operator without kernel, an input of unknown extent.
  std::string run_failure;
};

// Folds constants and BatchNormalization as quantization does, and runs one sample of zeros to
// learn shapes. `graph` is sorted and validated.
Inspection InspectModel(Graph graph);

}  // namespace adaround
