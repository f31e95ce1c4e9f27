#include "cli/export_formats.h"

#include <fmt/format.h>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"

namespace adaround::cli {

const std::vector<ExportFormat>& ExportFormats() {
  static const std::vector<ExportFormat> formats = {
      {"onnx", "model.onnx", "ONNX with QuantizeLinear and DequantizeLinear", WriteQuantizedOnnx,
       true},
  };
  return formats;
}

std::vector<std::string> ExportFormatNames() {
  std::vector<std::string> names;
  for (const ExportFormat& format : ExportFormats()) names.emplace_back(format.name);
  return names;
}

const ExportFormat& FindExportFormat(const std::string& name) {
  for (const ExportFormat& format : ExportFormats()) {
    if (name == format.name) return format;
  }
  throw Error(ErrorCode::kInvalidArgument, "there is no format '" + Printable(name) + "'" +
                                               DidYouMean(name, ExportFormatNames()));
}

std::string ExportFormatHelp() {
  std::string text;
  for (const ExportFormat& format : ExportFormats()) {
    text += fmt::format("{}{}: {} ({})", text.empty() ? "" : "; ", format.name, format.summary,
                        format.file_name);
  }
  return text;
}

OutputComparison VerifyExport(const std::filesystem::path& path, const QuantizedModel& model,
                              const SampleInputs& inputs, int64_t num_samples, int num_threads,
                              ProgressObserver* observer) {
  constexpr double kTolerance = 1e-4;
  constexpr double kLowestSqnr = 20.0;
  const OnnxModel written = ReadOnnxModel(path);
  const OutputComparison comparison =
      CompareOutputs(model, written.graph, inputs, num_samples, num_threads, observer);
  const bool agrees = model.activations.empty() ? comparison.Agrees(kTolerance)
                                                : comparison.sqnr_db >= kLowestSqnr;
  if (!agrees) {
    throw Error(ErrorCode::kNumerical,
                VerificationLine(Printable(path.string()), comparison) +
                    ": the file does not compute what the model does; please report this");
  }
  return comparison;
}

std::string VerificationLine(const std::string& file, const OutputComparison& comparison) {
  const double relative = comparison.largest_output > 0.0
                              ? comparison.largest_difference / comparison.largest_output
                              : comparison.largest_difference;
  return fmt::format("{}: verified on {} samples, largest difference {:.2g} of the largest output",
                     file, comparison.num_samples, relative);
}

}  // namespace adaround::cli
