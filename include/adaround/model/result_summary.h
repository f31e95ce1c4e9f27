// What a result is worth, in short.
#pragma once

#include <cstdint>
#include <optional>

namespace adaround {

struct ResultSummary {
  std::optional<double> float_accuracy;  // percent, top-1 or mIoU
  std::optional<double> accuracy;        // of the result
  std::optional<double> sqnr_db;         // infinite where outputs are the float network's
  std::optional<double> agreement;       // percent
  int64_t num_layers = 0;
  int64_t num_fallen_back = 0;  // layers that took nearest
  int64_t float_bytes = 0;
  int64_t quantized_bytes = 0;
};

}  // namespace adaround
