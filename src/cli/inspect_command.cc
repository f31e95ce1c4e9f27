#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <variant>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "adaround/pipeline/inspect.h"
#include "adaround/report/run_report.h"
#include "cli/commands.h"

namespace adaround::cli {
namespace {

struct InspectArguments {
  std::string model;
  CommonOptions common;
};

// "4 bits" in a quantized model, what `quantize` would do in a float one.
std::string StateOf(const InspectedLayer& layer, const std::string& weight_bits) {
  if (!weight_bits.empty()) return weight_bits;
  return layer.left_because.empty() ? "float32" : "left: " + Printable(layer.left_because);
}

using Provenance = std::map<std::string, std::string>;

void PrintText(const Inspection& inspection, const QuantizedModel* quantized,
               const Provenance* provenance) {
  size_t width = 5;
  for (const InspectedLayer& layer : inspection.layers) {
    width = std::max(width, std::min<size_t>(48, Printable(layer.name).size()));
  }
  std::cout << fmt::format("{:<{}}  {:<13}  {:<18}  {:<18}  {:>11}  {:>13}  {:<14}  {}\n", "layer",
                           width, "op", "weight", "output", "parameters", "MACs", "activation",
                           "weights");
  int64_t num_quantizable = 0;
  for (const InspectedLayer& layer : inspection.layers) {
    std::string bits = layer.from_integers ? "integers" : "";
    if (quantized != nullptr && layer.left_because.empty()) {
      const auto found = quantized->weights.find(layer.weight);
      if (found != quantized->weights.end()) {
        bits = std::to_string(found->second.grid.bit_width) + " bits";
      }
    }
    num_quantizable += layer.left_because.empty() ? 1 : 0;
    std::cout << fmt::format(
        "{:<{}}  {:<13}  {:<18}  {:<18}  {:>11}  {:>13}  {:<14}  {}\n", Printable(layer.name, 48),
        width, layer.op, ShapeToString(layer.weight_shape),
        layer.output_shape ? ShapeToString(*layer.output_shape) : "-", layer.num_parameters,
        layer.macs ? std::to_string(*layer.macs) : "-", layer.activation, StateOf(layer, bits));
  }
  std::cout << "\noperators:";
  for (const auto& [op, count] : inspection.ops) {
    std::cout << " " << Printable(op) << " " << count;
  }
  std::cout << "\n"
            << inspection.num_parameters << " parameters, "
            << (inspection.macs ? std::to_string(*inspection.macs) : "unknown")
            << " MACs per sample, " << num_quantizable << " layers "
            << (provenance != nullptr ? "with weights" : "would be quantized") << ", "
            << inspection.num_folded_batch_norms << " BatchNormalization folded\n";
  for (const std::string& node : inspection.unsupported) {
    std::cout << "unsupported: " << node << "\n";
  }
  if (!inspection.run_failure.empty()) {
    std::cout << "shapes unknown: " << inspection.run_failure << "\n";
  }
  if (quantized != nullptr && !quantized->activations.empty()) {
    std::cout << quantized->activations.size() << " activations at "
              << quantized->activations.begin()->second.bit_width << " bits\n";
  }
  if (provenance != nullptr) {
    for (const auto& [key, value] : *provenance) {
      std::cout << Printable(key) << ": " << Printable(value) << "\n";
    }
  }
}

void PrintJson(const Inspection& inspection) {
  using Json = nlohmann::ordered_json;
  Json json = {{"num_parameters", inspection.num_parameters},
               {"macs", inspection.macs ? Json(*inspection.macs) : Json(nullptr)},
               {"num_folded_batch_norms", inspection.num_folded_batch_norms},
               {"ops", inspection.ops},
               {"unsupported", inspection.unsupported},
               {"layers", Json::array()}};
  for (const InspectedLayer& layer : inspection.layers) {
    json["layers"].push_back(
        {{"name", layer.name},
         {"op", layer.op},
         {"weight", layer.weight},
         {"weight_shape", layer.weight_shape},
         {"output_shape", layer.output_shape ? Json(*layer.output_shape) : Json(nullptr)},
         {"activation", layer.activation},
         {"num_parameters", layer.num_parameters},
         {"macs", layer.macs ? Json(*layer.macs) : Json(nullptr)},
         {"from_integers", layer.from_integers},
         {"left_because", layer.left_because}});
  }
  std::cout << json.dump(2, ' ', true, Json::error_handler_t::replace) << "\n";
}

void RunInspect(const InspectArguments& arguments) {
  CheckLogFile(arguments.common, {arguments.model});
  SetUpLog(arguments.common.log);
  const ModelFile file = ReadModelFile(arguments.model);
  const auto* quantized = std::get_if<QuantizedModel>(&file);
  const auto* exported = std::get_if<QdqModel>(&file);
  const Inspection inspection = InspectModel(quantized != nullptr  ? quantized->Dequantized()
                                             : exported != nullptr ? exported->graph
                                                                   : std::get<Graph>(file));
  const Provenance* provenance = quantized != nullptr  ? &quantized->provenance
                                 : exported != nullptr ? &exported->provenance
                                                       : nullptr;
  if (arguments.common.json) {
    PrintJson(inspection);
  } else {
    PrintText(inspection, quantized, provenance);
  }
}

}  // namespace

void AddInspectCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("inspect", "List a model's layers, shapes and sizes");
  auto arguments = std::make_shared<InspectArguments>();
  command
      ->add_option("model", arguments->model,
                   "model.json, its folder or an .onnx file, float or quantized")
      ->required()
      ->type_name("MODEL|OUT");
  AddCommonOptions(*command, arguments->common);
  command->callback([arguments] { RunInspect(*arguments); });
}

}  // namespace adaround::cli
