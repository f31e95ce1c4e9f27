// Calibration data that lies in memory.
#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adaround/io/calibration_files.h"

namespace adaround::testing {

class InMemorySource final : public ArraySource {
 public:
  explicit InMemorySource(Tensor values, const std::string& description = "array in memory")
      : ArraySource(values.dtype(), values.shape(), description), values_(std::move(values)) {}

 private:
  Tensor ReadStored(int64_t begin, int64_t count) const override {
    Shape shape = values_.shape();
    const size_t row_bytes = values_.num_bytes() / static_cast<size_t>(shape[0]);
    shape[0] = count;
    Tensor rows(values_.dtype(), shape);
    std::memcpy(rows.mutable_raw(), values_.raw() + static_cast<size_t>(begin) * row_bytes,
                static_cast<size_t>(count) * row_bytes);
    return rows;
  }

  Tensor values_;
};

inline CalibrationTensor Given(const std::string& name, Tensor x) {
  CalibrationTensor tensor;
  tensor.name = name;
  tensor.x = std::make_unique<InMemorySource>(std::move(x), name + ".npy");
  return tensor;
}

inline CalibrationTensor Given(const std::string& name, Tensor x, Tensor x_hat) {
  CalibrationTensor tensor = Given(name, std::move(x));
  tensor.x_hat = std::make_unique<InMemorySource>(std::move(x_hat), name + ".quantized.npy");
  return tensor;
}

template <typename... Tensors>
std::vector<CalibrationTensor> GivenList(Tensors&&... tensors) {
  std::vector<CalibrationTensor> list;
  (list.push_back(std::forward<Tensors>(tensors)), ...);
  return list;
}

}  // namespace adaround::testing
