// Files of labels beside calibration data.
#pragma once

#include <string>

#include "adaround/graph/graph.h"
#include "adaround/io/labels.h"
#include "adaround/pipeline/calibration_set.h"

namespace adaround::cli {

// SHA-256 of a file, or of a folder's files as CalibrationDigest has it.
std::string DigestOfData(const std::string& path);

// The labels that --calib-labels names, of all samples at `calib`, checked against them and the
// network's output.  Throws Error as ReadLabels and CheckLabels, naming the option.
Labels ReadCalibLabels(const std::string& path, const std::string& calib, const Graph& graph);

}  // namespace adaround::cli
