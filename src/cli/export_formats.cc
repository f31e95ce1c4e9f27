#include "cli/export_formats.h"

#include <fmt/format.h>

#include <cmath>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/io/aimet_encodings.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"

namespace adaround::cli {

namespace {

void WriteDequantized(const std::filesystem::path& path, const QuantizedModel& model) {
  WriteOnnx(path, model.Dequantized());
}

template <const char* version>
void WriteEncodings(const std::filesystem::path& path, const QuantizedModel& model) {
  WriteAimetEncodings(path, model, version);
}

constexpr char kAimet061[] = "0.6.1";
constexpr char kAimet100[] = "1.0.0";
constexpr char kAimet200[] = "2.0.0";

}  // namespace

const std::vector<ExportFormat>& ExportFormats() {
  using Runs = ExportFormat::Runs;
  static const std::vector<ExportFormat> formats = {
      {"onnx", "model.onnx", "integers, QuantizeLinear and DequantizeLinear", WriteQuantizedOnnx,
       Runs::kWholly},
      {"onnx-float", "dequantized.onnx", "the rounded weights as float32, goes with encodings",
       WriteDequantized, Runs::kWeightsAlone},
      {"aimet", "encodings.json", "AIMET encodings 1.0.0", WriteEncodings<kAimet100>, Runs::kNot},
      {"aimet-0.6.1", "encodings-0.6.1.json", "AIMET encodings 0.6.1", WriteEncodings<kAimet061>,
       Runs::kNot},
      {"aimet-2.0.0", "encodings-2.0.0.json", "AIMET encodings 2.0.0", WriteEncodings<kAimet200>,
       Runs::kNot},
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

OutputComparison VerifyExport(const ExportFormat& format, const std::filesystem::path& path,
                              QuantizedModel model, const SampleInputs& inputs, int64_t num_samples,
                              int num_threads, ProgressObserver* observer) {
  ADAROUND_CHECK(format.runs != ExportFormat::Runs::kNot);
  if (format.runs == ExportFormat::Runs::kWeightsAlone) model.activations.clear();
  constexpr double kTolerance = 1e-4;
  constexpr double kLowestSqnr = 40.0;
  const OnnxModel written = ReadOnnxModel(path);
  const OutputComparison comparison =
      CompareOutputs(model, written.graph, inputs, num_samples, num_threads, observer);
  const bool agrees =
      model.activations.empty() ? comparison.Agrees(kTolerance) : comparison.sqnr_db >= kLowestSqnr;
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
  return fmt::format(
      "{}: verified on {} samples, largest difference {:.2g} of the largest output, SQNR {}", file,
      comparison.num_samples, relative,
      std::isinf(comparison.sqnr_db) ? "infinite" : fmt::format("{:.1f} dB", comparison.sqnr_db));
}

}  // namespace adaround::cli
