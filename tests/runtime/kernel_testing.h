// Builds and runs single kernels in tests.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "adaround/base/error.h"
#include "runtime/kernel.h"

namespace adaround {

inline Node MakeNode(const std::string& op, size_t num_inputs,
                     std::map<std::string, Attribute> attributes = {}, size_t num_outputs = 1) {
  Node node;
  node.name = "node";
  node.op = op;
  for (size_t i = 0; i < num_inputs; ++i) node.inputs.push_back("x" + std::to_string(i));
  for (size_t i = 0; i < num_outputs; ++i) node.outputs.push_back("y" + std::to_string(i));
  node.attributes = std::move(attributes);
  return node;
}

// Inputs from `first_constant` on are given to the factory as constants.
inline std::vector<Tensor> RunNode(const Node& node, const std::vector<Tensor>& inputs,
                                   int64_t opset = 13, size_t first_constant = 1) {
  KernelInputs pointers;
  KernelInputs constants;
  for (size_t i = 0; i < inputs.size(); ++i) {
    pointers.push_back(node.inputs[i].empty() ? nullptr : &inputs[i]);
    constants.push_back(i >= first_constant ? pointers.back() : nullptr);
  }
  return CreateKernel(KernelSpec{node, opset, constants})(pointers);
}

inline Tensor RandomTensor(Shape shape, uint32_t seed) {
  Tensor tensor(DType::kFloat32, std::move(shape));
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    tensor.mutable_data<float>()[i] = uniform(generator);
  }
  return tensor;
}

inline Tensor Ints(const std::vector<int64_t>& values) {
  return Tensor::FromVector<int64_t>({static_cast<int64_t>(values.size())}, values);
}
inline Tensor Floats(Shape shape, const std::vector<float>& values) {
  return Tensor::FromVector<float>(std::move(shape), values);
}

// Largest difference of two float tensors; infinite where the shapes differ.
inline float MaxDifference(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<float>::infinity();
  float largest = 0.0F;
  for (int64_t i = 0; i < a.num_elements(); ++i) {
    if (a.data<float>()[i] == b.data<float>()[i]) continue;  // equal infinities too
    const float difference = std::abs(a.data<float>()[i] - b.data<float>()[i]);
    // Written so that NaN counts as a difference.
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

// The code of the Error that making or running the kernel throws.
inline std::optional<ErrorCode> ErrorOf(const Node& node, const std::vector<Tensor>& inputs,
                                        int64_t opset = 13) {
  try {
    RunNode(node, inputs, opset);
  } catch (const Error& error) {
    EXPECT_FALSE(std::string(error.what()).empty());
    return error.code();
  }
  return std::nullopt;
}

}  // namespace adaround
