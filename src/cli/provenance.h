// What a result is tied to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// Of the files that a result comes from.
struct SourceDigests {
  std::string model;         // ModelDigest
  std::string calibration;   // CalibrationDigest
  std::string calib_labels;  // CalibrationDigest; "" without them
};

// Everything that determines the result of a run, and nothing else. `num_samples` of the
// calibration data are used.
std::map<std::string, std::string> Provenance(const SourceDigests& digests,
                                              const QuantizeOptions& options, int64_t num_samples);

}  // namespace adaround::cli
