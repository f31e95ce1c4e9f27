#include "cli/data_files.h"

#include <filesystem>

#include "adaround/base/error.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/sha256.h"
#include "adaround/pipeline/evaluate.h"

namespace adaround::cli {

std::string DigestOfData(const std::string& path) {
  return std::filesystem::is_directory(path) ? CalibrationDigest(path) : Sha256OfFile(path);
}

Labels ReadCalibLabels(const std::string& path, const std::string& calib, const Graph& graph) {
  const CalibrationSet samples(OpenCalibrationFiles(calib, graph), graph);
  try {
    const Labels labels = *ReadLabels(path, calib, graph);
    CheckLabels(graph, samples, labels);
    return labels;
  } catch (const Error& error) {
    throw error.WithContext("--calib-labels " + Printable(path, 4096));
  }
}

}  // namespace adaround::cli
