#include <filesystem>
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
#include "adaround/io/result_report.h"
#include "adaround/pipeline/evaluate.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/data_options.h"
#include "cli/image_options.h"
#include "cli/path_names.h"
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
  ImageOptions images;
  CommonOptions common;
};

// The float model that OUT's report.json names, where it is still there and still the same.
std::optional<std::string> RecordedReference(const std::string& path,
                                             const std::map<std::string, std::string>& provenance) {
  const auto recorded = provenance.find("model_sha256");
  if (path.empty() || recorded == provenance.end()) {
    LogWarning("no report.json names the float model: accuracy alone; give --reference MODEL");
    return std::nullopt;
  }
  try {
    if (ModelDigest(path) == recorded->second) return path;
    LogWarning("the float model " + Printable(path) +
               " has changed since quantization: accuracy alone; give --reference MODEL");
  } catch (const Error& error) {
    LogWarning("the float model cannot be read any more (" + std::string(error.what()) +
               "): accuracy alone; give --reference MODEL");
  }
  return std::nullopt;
}

void PrintText(const Evaluation& evaluation, const std::string& name) {
  std::vector<NetworkRow> rows;
  if (const auto reference = MakeReferenceRow(evaluation)) rows.push_back(*reference);
  rows.push_back(MakeNetworkRow(name, evaluation));
  std::cout << NetworkTable(rows, evaluation.num_samples, "samples");
}

using Json = nlohmann::ordered_json;

// A measure that was taken; JSON has no infinity: null where the two are equal.
void Put(const std::string& key, const std::optional<double>& value, Json& json) {
  if (value) json[key] = *value;
}

void PrintJson(const Evaluation& evaluation) {
  Json json = {{"num_samples", evaluation.num_samples}, {"num_classes", evaluation.num_classes}};
  const NetworkRow row = MakeNetworkRow("", evaluation);
  Put("top1", row.top1, json);
  Put("top5", row.top5, json);
  Put("miou", row.miou, json);
  Put("pixel_accuracy", row.pixel_accuracy, json);
  Put("sqnr_db", row.sqnr_db, json);
  Put("agreement", row.agreement, json);
  Put("kl_divergence", row.kl_divergence, json);
  if (const auto reference = MakeReferenceRow(evaluation)) {
    Put("reference_top1", reference->top1, json);
    Put("reference_top5", reference->top5, json);
    Put("reference_miou", reference->miou, json);
    Put("reference_pixel_accuracy", reference->pixel_accuracy, json);
  }
  std::cout << json.dump(2) << "\n";
}

// Those of the recorded model, where there is one that can be read.
std::vector<std::string> FilesOf(const std::string& recorded) {
  std::vector<std::string> files;
  try {
    if (recorded.empty()) return files;
    for (const fs::path& file : ModelFiles(recorded)) files.push_back(file.string());
  } catch (const Error&) {
    // Nothing of it is read then.
  }
  return files;
}

void RunEvaluate(const EvaluateArguments& arguments) {
  const fs::path model_path = arguments.model;
  const std::string recorded =
      arguments.reference.empty()
          ? FindFloatModel(IsFolder(model_path) ? model_path : model_path.parent_path())
          : "";
  CheckLogFile(arguments.common,
               {arguments.model, arguments.data, arguments.labels, arguments.reference},
               FilesOf(recorded));
  SetUpLog(arguments.common.log);
  InputStamps stamps = StampsOf(arguments.model, {arguments.data, arguments.labels});
  const ModelFile file = ReadModelFile(arguments.model);
  const auto* quantized = std::get_if<QuantizedModel>(&file);
  const auto* exported = std::get_if<QdqModel>(&file);
  QuantizedModel model;
  if (quantized != nullptr) {
    model = *quantized;
  } else {
    model.graph = exported != nullptr ? exported->graph : std::get<Graph>(file);
  }
  ApplyImageOptions(arguments.images, model.graph);
  const Graph& graph = model.graph;

  std::optional<std::string> reference_path;
  if (!arguments.reference.empty()) {
    reference_path = arguments.reference;
  } else if (quantized != nullptr) {
    reference_path = RecordedReference(recorded, quantized->provenance);
  } else if (exported != nullptr) {
    reference_path = RecordedReference(recorded, exported->provenance);
  }
  std::optional<Graph> reference;
  if (reference_path) {
    for (const fs::path& part : ModelFiles(*reference_path)) stamps.Add(part);
    reference = ReadFloatModel(*reference_path);
  }
  const std::optional<Labels> labels = ReadLabels(arguments.labels, arguments.data, graph);
  if (!reference && !labels) {
    throw Error(ErrorCode::kInvalidArgument,
                "nothing to measure: give --labels FILE, --reference MODEL, or both");
  }

  const CalibrationSet data(OpenCalibrationFiles(arguments.data, graph), graph);
  ProgressDisplay display;
  const Evaluation evaluation =
      EvaluateModel(model, reference ? &*reference : nullptr, data, labels ? &*labels : nullptr,
                    arguments.common.NumThreads(), &display);
  SetLiveLine("");
  stamps.Check();
  for (const std::string& note : evaluation.notes) LogWarning(note);
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
  AddDataAndLabels(*command,
                   "samples: a folder of .npy files or of JPEG and PNG pictures (or one sub-folder "
                   "of them per class), .npz, .safetensors",
                   arguments->data, arguments->labels);
  command->get_option("--data")->required();
  command
      ->add_option("--reference", arguments->reference,
                   "float model to compare with (default: the one recorded in OUT)")
      ->type_name("MODEL")
      ->group("Data");
  AddImageOptions(*command, arguments->images);
  AddCommonOptions(*command, arguments->common);
  command->callback([arguments] { RunEvaluate(*arguments); });
}

}  // namespace adaround::cli
