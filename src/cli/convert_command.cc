#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <variant>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/model_file.h"
#include "adaround/io/model_json.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"
#include "adaround/report/run_report.h"
#include "cli/commands.h"
#include "cli/export_formats.h"
#include "cli/output_checks.h"
#include "cli/path_names.h"
#include "cli/progress_display.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

struct ConvertArguments {
  std::string model;
  std::string format;
  std::string output;
  std::string data;
  int64_t verify = 0;
  uint64_t seed = 42;
  bool force = false;
  CommonOptions common;
};

SampleInputs InputsOf(const ConvertArguments& arguments, const Graph& graph,
                      const CalibrationSet* data) {
  return data != nullptr ? InputsFrom(*data) : RandomInputs(graph, arguments.seed);
}

int64_t NumSamples(const ConvertArguments& arguments, const CalibrationSet* data) {
  if (data == nullptr) return arguments.verify;
  return std::min(arguments.verify, data->num_samples());
}

// Throws Error(kNumerical) where `written` and `source` differ.
void Verify(const ConvertArguments& arguments, const Graph& source, const Graph& written,
            const fs::path& path) {
  std::unique_ptr<CalibrationSet> data;
  if (!arguments.data.empty()) {
    data = std::make_unique<CalibrationSet>(OpenCalibrationFiles(arguments.data, source), source);
  }
  QuantizedModel first;
  first.graph = source;
  ProgressDisplay display;
  const OutputComparison comparison =
      CompareOutputs(first, written, InputsOf(arguments, source, data.get()),
                     NumSamples(arguments, data.get()), arguments.common.NumThreads(), &display);
  SetLiveLine("");
  LogInfo(VerificationLine(Printable(path.string()), comparison));
  // The same arithmetic in the same order: nothing may differ.
  if (comparison.largest_difference != 0.0) {
    throw Error(
        ErrorCode::kNumerical,
        Printable(path.string()) + " does not compute what the model does; please report this");
  }
}

// A file that does not pass verification never takes the place of `output`: it is written beside it
// and renamed.
template <typename Write, typename Check>
void WriteThenVerify(const ConvertArguments& arguments, const fs::path& output, Write write,
                     Check verify) {
  ThrowIfStopRequested();
  if (arguments.verify == 0) {
    write(output);
    return;
  }
  // Through a symbolic link the file it names is replaced.
  const fs::path resolved = Resolved(output);
  const bool is_special = IsSpecialFile(output);
  std::error_code error;
  fs::path unverified = is_special ? fs::temp_directory_path(error) / "adaround" : resolved;
  if (error) {
    throw Error(ErrorCode::kIo, "no folder for temporary files: " + error.message() +
                                    "; let TMPDIR name one that exists");
  }
  unverified += ".unverified-" + std::to_string(getpid());
  try {
    write(unverified);
    verify(unverified);
    ThrowIfStopRequested();
    if (is_special) {
      write(output);
      fs::remove(unverified, error);
      return;
    }
    fs::rename(unverified, resolved, error);
    if (error) {
      throw Error(ErrorCode::kIo,
                  "cannot write " + Printable(output.string()) + ": " + error.message());
    }
  } catch (...) {
    fs::remove(unverified, error);
    throw;
  }
}

void ConvertFloat(const ConvertArguments& arguments, const Graph& graph, const fs::path& output) {
  if (arguments.format == "json") {
    OutputDirectory directory(output, arguments.force);
    WriteModelJson(directory.contents(), graph);
    if (arguments.verify > 0) {
      Verify(arguments, graph, ReadModelJson(directory.contents()), output);
    }
    ThrowIfStopRequested();
    directory.Commit();
    return;
  }
  if (arguments.format != "onnx") {
    throw Error(ErrorCode::kInvalidArgument,
                "a float model is written as json or onnx; " + arguments.format +
                    " describes a quantized one: give the folder that `quantize` wrote");
  }
  WriteThenVerify(
      arguments, output, [&](const fs::path& path) { WriteOnnx(path, graph); },
      [&](const fs::path& path) { Verify(arguments, graph, ReadOnnxModel(path).graph, output); });
}

void ConvertQuantized(const ConvertArguments& arguments, const QuantizedModel& model,
                      const fs::path& output) {
  if (arguments.format == "json") {
    throw Error(ErrorCode::kInvalidArgument,
                Printable(arguments.model) + " is a quantized model in this form already");
  }
  const ExportFormat& format = FindExportFormat(arguments.format);
  if (format.runs == ExportFormat::Runs::kNot) {
    if (arguments.verify > 0) {
      LogWarning(std::string(format.name) + " files hold no network: nothing to verify");
    }
    format.write(output, model);
    return;
  }
  std::unique_ptr<CalibrationSet> data;
  if (!arguments.data.empty()) {
    data = std::make_unique<CalibrationSet>(OpenCalibrationFiles(arguments.data, model.graph),
                                            model.graph);
  }
  WriteThenVerify(
      arguments, output, [&](const fs::path& path) { format.write(path, model); },
      [&](const fs::path& path) {
        ProgressDisplay display;
        const OutputComparison comparison = VerifyExport(
            format, path, model, InputsOf(arguments, model.graph, data.get()),
            NumSamples(arguments, data.get()), arguments.common.NumThreads(), &display);
        SetLiveLine("");
        LogInfo(VerificationLine(Printable(output.string()), comparison));
      });
}

// 0 where what was written is a device or a pipe.
int64_t BytesAt(const fs::path& path) {
  if (IsSpecialFile(path)) return 0;
  if (!IsFolder(path)) return static_cast<int64_t>(fs::file_size(path));
  int64_t bytes = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

void RunConvert(const ConvertArguments& arguments) {
  const std::vector<std::string> inputs = {arguments.model, arguments.data};
  if (!arguments.data.empty() && arguments.verify == 0) {
    throw Error(ErrorCode::kInvalidArgument, "--data needs --verify N");
  }
  fs::path output = arguments.output;
  if (output.empty()) {
    const std::string stem = ModelNameOf(arguments.model);
    output = arguments.format == "json" ? stem + "-json"
             : arguments.format == "onnx"
                 ? stem + ".onnx"
                 : stem + "-" + FindExportFormat(arguments.format).file_name;
  }
  std::vector<std::string> read_or_made = inputs;
  read_or_made.push_back(output.string());
  CheckLogFile(arguments.common, read_or_made);
  SetUpLog(arguments.common.log);
  if (arguments.format == "json") {
    CheckOutputFolder(output, {arguments.model, arguments.data, arguments.common.config}, true);
  } else {
    CheckOutputFile("--output", output, inputs, arguments.force, {arguments.common.config});
  }
  const ModelFile file = ReadModelFile(arguments.model);
  ThrowIfStopRequested();
  if (std::holds_alternative<QdqModel>(file)) {
    throw Error(ErrorCode::kUnsupported,
                Printable(arguments.model) +
                    " is an export already; convert the folder that `quantize` wrote");
  }
  if (const auto* quantized = std::get_if<QuantizedModel>(&file)) {
    ConvertQuantized(arguments, *quantized, output);
  } else {
    ConvertFloat(arguments, std::get<Graph>(file), output);
  }
  const int64_t bytes = BytesAt(output);
  if (arguments.common.json) {
    using Json = nlohmann::ordered_json;
    const Json json = {{"output", output.string()}, {"bytes", bytes}};
    std::cout << json.dump(2, ' ', true, Json::error_handler_t::replace) << "\n";
  }
  LogInfo("wrote " + Printable(output.string()) + " (" + FormatBytes(bytes) + ")");
}

}  // namespace

void AddConvertCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "convert", "Write a model in another form: model.json <-> ONNX, exports of quantized models");
  auto arguments = std::make_shared<ConvertArguments>();
  command->add_option("model", arguments->model, "float model, or folder that `quantize` wrote")
      ->required()
      ->type_name("MODEL|OUT");
  std::vector<std::string> formats = ExportFormatNames();
  formats.emplace_back("json");
  command
      ->add_option("--to", arguments->format,
                   "json: model.json and its weights (float models); " + ExportFormatHelp())
      ->required()
      ->check(CLI::IsMember(formats))
      ->type_name("FORMAT");
  command
      ->add_option("-o,--output", arguments->output,
                   "file to write, or folder for json (default: the model's name)")
      ->type_name("PATH");
  command->add_flag("--force", arguments->force, "replace it where it exists");
  command
      ->add_option("--verify", arguments->verify,
                   "run this many samples through both forms and compare all outputs; 0 = none")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command
      ->add_option("--data", arguments->data,
                   "the samples to verify with (default: random numbers)")
      ->type_name("PATH");
  command->add_option("--seed", arguments->seed, "of the random numbers")->capture_default_str();
  AddListFormats(*command);
  AddCommonOptions(*command, arguments->common);
  command->footer(
      "Examples:\n  adaround convert net.onnx --to json -o net/\n"
      "  adaround convert net-w4/ --to onnx -o net-w4.onnx --verify 4");
  command->callback([arguments] { RunConvert(*arguments); });
}

}  // namespace adaround::cli
