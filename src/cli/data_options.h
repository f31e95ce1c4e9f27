// Arguments that name a model and its data, as several commands take them.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace adaround::cli {

// What is passed in must outlive `app`'s parsing.

// The float model, the first argument.
void AddModelArgument(CLI::App& app, std::string& model);
// --calib, needed.
void AddCalibOption(CLI::App& app, std::string& calib);
// --calib-samples N; nothing leaves it to the preset.
void AddCalibSamplesOption(CLI::App& app, std::optional<int64_t>& calib_samples);
// --data, described by `help`, and --labels.
void AddDataAndLabels(CLI::App& app, const std::string& help, std::string& data,
                      std::string& labels);

}  // namespace adaround::cli
