// What is known of a graph's tensors without running it: element types and numbers of dimensions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "adaround/graph/graph.h"

namespace adaround {

struct TensorType {
  // Nothing where the operator is not known, or is of another domain.
  std::optional<DType> dtype;
  // Number of dimensions; nothing where it does not follow from operators and attributes.
  std::optional<int64_t> rank;
  // Number of elements of a vector, such as the shape that a Reshape reads.
  std::optional<int64_t> length;
};

// The type of every tensor of the graph. `given` holds those of tensors that nodes read and the
// graph does not define (weights that are stored elsewhere). Of what operators that are not
// known make, nothing is known.
// REQUIRES: sorted graph.
std::map<std::string, TensorType> InferTypes(const Graph& graph,
                                             const std::map<std::string, TensorType>& given = {});

// The type of a tensor at hand.
TensorType TypeOf(const Tensor& tensor);

// The dtype of a TensorProto.DataType, and back; nothing where DType has no counterpart.
std::optional<DType> DTypeFromOnnxCode(int64_t code);
int32_t OnnxCode(DType dtype);

}  // namespace adaround
