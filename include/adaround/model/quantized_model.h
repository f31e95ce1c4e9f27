// A network whose weights are integers on grids: what quantization makes, files hold, and the
// executor is given dequantized.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/quant/quant_grid.h"

namespace adaround {

struct QuantizedTensor {
  Shape shape;           // of the weight in the graph
  ChannelLayout layout;  // where its output channels are
  QuantGrid grid;
  // One integer in [q_min, q_max] per element, in the tensor's own row-major order.
  std::vector<int16_t> integers;

  // Every violation (sizes, grid, integers off the grid); empty = sound.
  std::vector<std::string> Validate() const;
  // scale * (q - zero_point), float32, in the tensor's shape.
  Tensor Dequantize() const;
  // Bytes that the packed integers, scales and zero points take in a file.
  int64_t PackedBytes() const;
};

struct QuantizedModel {
  // The weights named in `weights` are absent from graph.initializers.
  Graph graph;
  std::map<std::string, QuantizedTensor> weights;
  // What determines the result (version, method, options, seed, instruction set, digests of model
  // and calibration data), as key and value; written to the files, and nothing else is.
  std::map<std::string, std::string> provenance;

  // The graph with every weight dequantized into its initializers: ready to run.
  Graph Dequantized() const;
};

}  // namespace adaround
