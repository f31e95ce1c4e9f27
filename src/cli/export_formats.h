// Forms in which a quantized model is written beside the project's own.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/compare_outputs.h"

namespace adaround::cli {

struct ExportFormat {
  const char* name;       // as the user gives it
  const char* file_name;  // in OUT
  const char* summary;
  void (*write)(const std::filesystem::path& path, const QuantizedModel& model);
  // What of the model the file computes when it is read back and run.
  enum class Runs { kNot, kWeightsAlone, kWholly } runs;
};

const std::vector<ExportFormat>& ExportFormats();
std::vector<std::string> ExportFormatNames();
// Throws Error(kInvalidArgument), listing the names, where there is no such format.
const ExportFormat& FindExportFormat(const std::string& name);

// "onnx: QDQ for ONNX runtimes; ...": for --help.
std::string ExportFormatHelp();

// Runs the file at `path`, read back, beside `model` and says how far they are apart.
// Throws Error(kNumerical) where that is further than rounding explains: 1e-4 of the largest
// output; where activations are quantized and last bits tip whole steps, an SQNR below 40 dB.
// REQUIRES: format.runs is not kNot.
OutputComparison VerifyExport(const ExportFormat& format, const std::filesystem::path& path,
                              QuantizedModel model, const SampleInputs& inputs, int64_t num_samples,
                              int num_threads, ProgressObserver* observer);

// "F: verified on 4 samples, largest difference 1.2e-07 of the largest output, SQNR 132.0 dB"
std::string VerificationLine(const std::string& file, const OutputComparison& comparison);

}  // namespace adaround::cli
