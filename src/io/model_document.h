// What the readers and writers of float and quantized model.json files share.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "adaround/graph/graph.h"
#include "adaround/io/safetensors.h"
#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {

// A parsed model.json whose format, version and top-level keys have been checked.
struct ModelDocument {
  std::string file;                 // the path, ready to print
  std::filesystem::path directory;  // that holds it
  nlohmann::json json;

  bool IsQuantized() const { return json.contains("quantization"); }
};

// `path` is the file or the folder that holds it.
ModelDocument OpenModelDocument(const std::filesystem::path& path);

// The file that the document names as its weights, which must lie inside its folder.
InputFile OpenWeightsFile(const ModelDocument& document);
SafetensorsFile OpenWeights(const ModelDocument& document);

// The graph with its initializers: every entry of `weights` but those in `reserved` and those that
// only attributes refer to. Neither validated nor sorted.
Graph ReadGraph(const ModelDocument& document, const SafetensorsFile& weights,
                const std::set<std::string>& reserved);

// A `preprocess` object. `channels`: how many the input has, where that is known.
Preprocess ParsePreprocess(const JsonView& view, std::optional<int64_t> channels);

// Validates and sorts.
// Throws Error(kMalformed), naming `file`, with the first violations.
void ValidateAndSort(const std::string& file, Graph* graph);

// Validates and sorts; the tensors in `given` count as initializers.
// Throws Error(kMalformed) with the first violations.
void ValidateAndSort(const ModelDocument& document, const std::set<std::string>& given,
                     Graph* graph);

// The float model of the document, validated and sorted.
Graph ReadFloatDocument(const ModelDocument& document);

// The document of a graph. Tensors in attributes are added to `tensors`, which holds the
// initializers already, under names that are free.
// Throws Error(kInvalidArgument) for attributes that JSON cannot hold.
nlohmann::ordered_json GraphToJson(const Graph& graph, const std::string& file,
                                   std::map<std::string, Tensor>* tensors);

// An input's `preprocess` as the document holds it.
nlohmann::ordered_json PreprocessToJson(const Preprocess& preprocess);

// `name`, or name + "." + the first number that makes it free in `tensors`.
std::string FreeName(const std::map<std::string, Tensor>& tensors, const std::string& name);

// Writes both files into the folder, creating it where it is missing.
void WriteModelFiles(const std::filesystem::path& directory, const nlohmann::ordered_json& document,
                     const std::map<std::string, Tensor>& tensors,
                     const std::map<std::string, std::string>& metadata);

}  // namespace adaround
