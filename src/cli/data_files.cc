#include "cli/data_files.h"

#include <algorithm>
#include <filesystem>

#include "adaround/base/error.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/model_file.h"
#include "adaround/pipeline/evaluate.h"

namespace adaround::cli {

InputStamps StampsOf(const std::string& model, const std::vector<std::string>& data) {
  InputStamps stamps;
  for (const std::filesystem::path& file : ModelFiles(model)) stamps.Add(file);
  for (const std::string& path : data) {
    if (path.empty()) continue;
    for (const std::filesystem::path& file : CalibrationFiles(path)) stamps.Add(file);
  }
  return stamps;
}

int64_t CalibSamples(std::optional<int64_t> wanted, const QuantizeOptions& options,
                     int64_t available) {
  if (wanted) return *wanted == 0 ? available : *wanted;
  return options.enough_samples == 0 ? available : std::min(available, options.enough_samples);
}

CalibrationSet OpenCalibration(const std::string& path, const Graph& graph,
                               std::optional<int64_t> wanted, const QuantizeOptions& options) {
  const CalibrationSet all(OpenCalibrationFiles(path, graph), graph);
  return all.Spread(CalibSamples(wanted, options, all.num_samples()));
}

Labels ReadCalibLabels(const std::string& path, const std::string& calib, const Graph& graph) {
  const CalibrationSet samples(OpenCalibrationFiles(calib, graph), graph);
  try {
    const Labels labels = *ReadLabels(path, calib, graph);
    CheckLabels(graph, samples, labels);
    return labels;
  } catch (const Error& error) {
    throw error.WithContext("--calib-labels");
  }
}

}  // namespace adaround::cli
