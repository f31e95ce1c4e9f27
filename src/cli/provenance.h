// What a result is tied to.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// Everything that determines the result of a run, and nothing else. The digests are ModelDigest's
// and CalibrationDigest's; `num_samples` of the calibration data are used.
std::map<std::string, std::string> Provenance(const std::string& model_digest,
                                              const std::string& calibration_digest,
                                              const QuantizeOptions& options, int64_t num_samples);

}  // namespace adaround::cli
