// Calibration data, and files of labels beside them, as commands choose them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/input_stamps.h"
#include "adaround/io/labels.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// Of a model's files and of those of calibration data, labels and the like; "" is passed over.
InputStamps StampsOf(const std::string& model, const std::vector<std::string>& data);

// `wanted` of `available` samples, 0 = all; where nothing is wanted, as many as are enough.
int64_t CalibSamples(std::optional<int64_t> wanted, const QuantizeOptions& options,
                     int64_t available);
// The samples at `path`, that many of them.  Throws Error as OpenCalibrationFiles, CalibrationSet
// and CalibrationSet::Spread.
CalibrationSet OpenCalibration(const std::string& path, const Graph& graph,
                               std::optional<int64_t> wanted, const QuantizeOptions& options);

// The labels that --calib-labels names, of all samples at `calib`, checked against them and the
// network's output.  Throws Error as ReadLabels and CheckLabels, naming the option.
Labels ReadCalibLabels(const std::string& path, const std::string& calib, const Graph& graph);

}  // namespace adaround::cli
