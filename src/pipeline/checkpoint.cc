#include "adaround/pipeline/checkpoint.h"

#include <system_error>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "adaround/io/quantized_model_io.h"
#include "io/output_file.h"
#include "pipeline/layer_record.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "adaround-checkpoint";
// Tensors of a layer's model.
constexpr const char* kWeight = "weight";
constexpr const char* kNearest = "nearest";
constexpr const char* kBias = "bias";
constexpr const char* kNearestBias = "nearest_bias";

std::string Shown(const fs::path& path) {
  return Printable(path.string(), 4096);
}

[[noreturn]] void ThrowWithRemedy(const Error& error) {
  throw Error(error.code(), std::string(error.what()) + "; --force starts afresh");
}

// In place of whatever is there: a link would lead elsewhere.
void MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) ThrowCannotWrite(folder, error.value());
}

fs::path RealFolder(fs::path folder) {
  std::error_code error;
  const fs::file_type type = fs::symlink_status(folder, error).type();
  if (type == fs::file_type::not_found || type == fs::file_type::directory) return folder;
  throw Error(ErrorCode::kMalformed,
              Shown(folder) + ": is no folder; --force starts afresh");
}

std::optional<Tensor> FindTensor(const QuantizedModel& model, const char* name) {
  const auto found = model.graph.initializers.find(name);
  if (found == model.graph.initializers.end()) return std::nullopt;
  return found->second;
}

}  // namespace

Checkpoint::Checkpoint(fs::path folder, std::map<std::string, std::string> inputs)
    : folder_(RealFolder(std::move(folder))),
      journal_(folder_ / kJournal, kFormat, std::move(inputs)) {
  try {
    for (size_t i = 0; i < journal_.records().size(); ++i) ReadRecord(i);
  } catch (const Error& error) {
    ThrowWithRemedy(error);
  }
}

void Checkpoint::ReadRecord(size_t index) {
  const std::string place =
      Shown(journal_.path()) + ": line " + std::to_string(RunJournal::LineOf(index));
  const nlohmann::json document = ParseStrictJson(journal_.records()[index], place);
  const JsonView view(document, place);
  view.CheckKeys({"layer", "digest"}, {});
  Record record{ParseLayerRecord(view.At("layer")), folder_ / std::to_string(index),
                view.At("digest").AsString()};
  const std::string name = record.report.name;
  const auto [added, is_new] = layers_.emplace(name, std::move(record));
  if (!is_new) view.FailMalformed("repeats layer '" + Printable(name) + "'");
  CheckDigest(added->second);
}

void Checkpoint::CheckDigest(const Record& record) {
  if (ModelDigest(record.model) == record.digest) return;
  throw Error(ErrorCode::kMalformed,
              Shown(record.model) + ": is not what the run wrote: its digest is another");
}

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : layers_) names.push_back(name);
  return names;
}

std::optional<FinishedLayer> Checkpoint::Find(const std::string& name) const {
  const auto found = layers_.find(name);
  if (found == layers_.end()) return std::nullopt;
  const Record& record = found->second;
  try {
    CheckDigest(record);
    const QuantizedModel model = ReadQuantizedModel(record.model);
    const auto weight = model.weights.find(kWeight);
    const auto nearest = model.weights.find(kNearest);
    if (weight == model.weights.end() || nearest == model.weights.end()) {
      throw Error(ErrorCode::kMalformed, Shown(record.model) + ": holds no layer");
    }
    return FinishedLayer{record.report, weight->second, nearest->second, FindTensor(model, kBias),
                         FindTensor(model, kNearestBias)};
  } catch (const Error& error) {
    ThrowWithRemedy(error);
  }
}

void Checkpoint::Add(const FinishedLayer& layer) {
  ADAROUND_CHECK(!layers_.contains(layer.report.name));
  const fs::path folder = folder_ / std::to_string(layers_.size());
  QuantizedModel model;
  model.graph.outputs = {kWeight};
  model.weights.emplace(kWeight, layer.weight);
  model.weights.emplace(kNearest, layer.nearest);
  if (layer.bias) model.graph.initializers.emplace(kBias, *layer.bias);
  if (layer.nearest_bias) model.graph.initializers.emplace(kNearestBias, *layer.nearest_bias);
  MakeFolder(folder);
  WriteQuantizedModel(folder, model);
  const Record record{layer.report, folder, ModelDigest(folder)};
  const nlohmann::ordered_json line = {{"layer", LayerRecord(record.report)},
                                       {"digest", record.digest}};
  journal_.Append(line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  layers_.emplace(layer.report.name, record);
}

}  // namespace adaround
