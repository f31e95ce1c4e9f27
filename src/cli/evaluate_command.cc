#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <variant>

#include "adaround/base/error.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/labels.h"
#include "adaround/io/model_file.h"
#include "adaround/pipeline/evaluate.h"
#include "cli/commands.h"
#include "cli/output_checks.h"
#include "cli/progress_display.h"
#include "cli/report_rows.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

struct EvaluateArguments {
  std::string model;
  std::string data;
  std::string labels;
  std::string reference;
  CommonOptions common;
};

// The float model that OUT's report.json names, where it is still there and still the same.
std::optional<std::string> RecordedReference(
    const fs::path& model, const std::map<std::string, std::string>& provenance) {
  const fs::path folder = fs::is_directory(model) ? model : model.parent_path();
  std::ifstream stream(folder / "report.json", std::ios::binary);
  const nlohmann::json report = nlohmann::json::parse(stream, nullptr, false);
  const auto recorded = provenance.find("model_sha256");
  if (!report.is_object() || !report.contains("model") || !report["model"].is_string() ||
      recorded == provenance.end()) {
    LogWarning("no report.json names the float model: accuracy alone; give --reference MODEL");
    return std::nullopt;
  }
  const auto path = report["model"].get<std::string>();
  try {
    if (ModelDigest(path) == recorded->second) return path;
    LogWarning("the float model " + Printable(path) +
               " has changed since quantization: accuracy alone; give --reference MODEL");
  } catch (const std::exception&) {
    LogWarning("the float model " + Printable(path) +
               " is not there any more: accuracy alone; give --reference MODEL");
  }
  return std::nullopt;
}

void PrintText(const Evaluation& evaluation, const std::string& name) {
  std::vector<NetworkRow> rows;
  if (evaluation.reference_accuracy) rows.push_back(MakeReferenceRow(evaluation));
  rows.push_back(MakeNetworkRow(name, evaluation));
  std::cout << NetworkTable(rows, evaluation.num_samples, "samples");
}

void PrintJson(const Evaluation& evaluation) {
  nlohmann::ordered_json json = {{"num_samples", evaluation.num_samples},
                                 {"num_classes", evaluation.num_classes}};
  if (evaluation.accuracy) {
    json["top1"] = evaluation.accuracy->top1;
    json["top5"] = evaluation.accuracy->top5;
  }
  if (evaluation.distance) {
    // JSON has no infinity: null where the two are equal.
    json["sqnr_db"] = evaluation.distance->sqnr_db;
    json["agreement"] = evaluation.distance->agreement;
    json["kl_divergence"] = evaluation.distance->kl_divergence;
  }
  if (evaluation.reference_accuracy) {
    json["reference_top1"] = evaluation.reference_accuracy->top1;
    json["reference_top5"] = evaluation.reference_accuracy->top5;
  }
  std::cout << json.dump(2) << "\n";
}

void RunEvaluate(const EvaluateArguments& arguments) {
  CheckOutputFile("--log-file", arguments.common.log.file,
                  {arguments.model, arguments.data, arguments.labels, arguments.reference}, true);
  SetUpLog(arguments.common.log);
  const ModelFile file = ReadModelFile(arguments.model);
  const auto* quantized = std::get_if<QuantizedModel>(&file);
  const auto* exported = std::get_if<QdqModel>(&file);
  const Graph graph = quantized != nullptr  ? quantized->Dequantized()
                      : exported != nullptr ? exported->graph
                                            : std::get<Graph>(file);

  std::optional<std::string> reference_path;
  if (!arguments.reference.empty()) {
    reference_path = arguments.reference;
  } else if (quantized != nullptr) {
    reference_path = RecordedReference(arguments.model, quantized->provenance);
  } else if (exported != nullptr) {
    reference_path = RecordedReference(arguments.model, exported->provenance);
  }
  std::optional<Graph> reference;
  if (reference_path) reference = ReadFloatModel(*reference_path);
  if (!reference && arguments.labels.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                "nothing to measure: give --labels FILE, --reference MODEL, or both");
  }

  const CalibrationSet data(OpenCalibrationFiles(arguments.data), graph);
  std::vector<int64_t> labels;
  if (!arguments.labels.empty()) labels = ReadLabels(arguments.labels);
  ProgressDisplay display;
  const Evaluation evaluation =
      EvaluateModel(graph, reference ? &*reference : nullptr, data,
                    arguments.labels.empty() ? nullptr : &labels, arguments.common.NumThreads(),
                    &display);
  SetLiveLine("");
  if (arguments.common.json) {
    PrintJson(evaluation);
  } else {
    PrintText(evaluation, quantized != nullptr || exported != nullptr ? "quantized" : "model");
  }
}

}  // namespace

void AddEvaluateCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "evaluate", "Measure accuracy, and the distance of a quantized model from its float model");
  auto arguments = std::make_shared<EvaluateArguments>();
  command->add_option("model", arguments->model, "folder that `quantize` wrote, or a float model")
      ->required()
      ->type_name("OUT|MODEL");
  command->add_option("--data", arguments->data, "samples: a folder of .npy files, .npz, .safetensors")
      ->required()
      ->type_name("PATH");
  command->add_option("--labels", arguments->labels, "their classes: .npy, .csv or .txt")
      ->type_name("FILE");
  command
      ->add_option("--reference", arguments->reference,
                   "float model to compare with (default: the one recorded in OUT)")
      ->type_name("MODEL");
  AddCommonOptions(*command, arguments->common);
  command->callback([arguments] { RunEvaluate(*arguments); });
}

}  // namespace adaround::cli
