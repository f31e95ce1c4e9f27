#include "adaround/pipeline/checkpoint.h"

#include <algorithm>
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
// Keys of a record.
constexpr const char* kLayer = "layer";
constexpr const char* kRows = "rows";
constexpr const char* kDigest = "digest";

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

QuantizedTensor WeightOf(const QuantizedModel& model, const char* name, const fs::path& folder) {
  const auto found = model.weights.find(name);
  if (found != model.weights.end()) return found->second;
  throw Error(ErrorCode::kMalformed, Shown(folder) + ": holds no layer; --force starts afresh");
}

// A line of the journal.
std::string LineOf(const char* key, const nlohmann::ordered_json& record,
                   const std::string& digest) {
  const nlohmann::ordered_json line = {{key, record}, {kDigest, digest}};
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void CheckDigest(const fs::path& folder, const std::string& digest) {
  if (ModelDigest(folder) == digest) return;
  throw Error(ErrorCode::kMalformed,
              Shown(folder) + ": is not what the run wrote: its digest is another");
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
  const char* key = view.Has(kRows) ? kRows : kLayer;
  view.CheckKeys({key, kDigest}, {});
  const ModelPlace model = {folder_ / std::to_string(index), view.At(kDigest).AsString()};
  if (key == kRows) {
    const FinishedRows rows = ParseRowsRecord(view.At(kRows));
    if (HasRows(rows.layer, rows.first_row, rows.num_rows)) {
      view.FailMalformed("repeats rows of layer '" + Printable(rows.layer) + "'");
    }
    rows_.push_back({rows, model});
  } else {
    const LayerReport report = ParseLayerRecord(view.At(kLayer));
    if (!layers_.emplace(report.name, Record{report, model}).second) {
      view.FailMalformed("repeats layer '" + Printable(report.name) + "'");
    }
  }
  CheckDigest(model.folder, model.digest);
}

std::vector<std::string> Checkpoint::Names() const {
  std::vector<std::string> names;
  for (const auto& [name, record] : layers_) names.push_back(name);
  return names;
}

QuantizedModel Checkpoint::ReadModel(const ModelPlace& place) {
  try {
    CheckDigest(place.folder, place.digest);
    return ReadQuantizedModel(place.folder);
  } catch (const Error& error) {
    ThrowWithRemedy(error);
  }
}

Checkpoint::ModelPlace Checkpoint::WriteModel(const QuantizedModel& model) {
  guard_();
  const fs::path folder = folder_ / std::to_string(journal_.records().size());
  MakeFolder(folder);
  WriteQuantizedModel(folder, model);
  return {folder, ModelDigest(folder)};
}

std::optional<FinishedLayer> Checkpoint::Find(const std::string& name) const {
  const auto found = layers_.find(name);
  if (found == layers_.end()) return std::nullopt;
  const Record& record = found->second;
  const QuantizedModel model = ReadModel(record.model);
  return FinishedLayer{record.report, WeightOf(model, kWeight, record.model.folder),
                       WeightOf(model, kNearest, record.model.folder), FindTensor(model, kBias),
                       FindTensor(model, kNearestBias)};
}

void Checkpoint::Add(const FinishedLayer& layer) {
  ADAROUND_CHECK(!layers_.contains(layer.report.name));
  QuantizedModel model;
  model.graph.outputs = {kWeight};
  model.weights.emplace(kWeight, layer.weight);
  model.weights.emplace(kNearest, layer.nearest);
  if (layer.bias) model.graph.initializers.emplace(kBias, *layer.bias);
  if (layer.nearest_bias) model.graph.initializers.emplace(kNearestBias, *layer.nearest_bias);
  const ModelPlace place = WriteModel(model);
  journal_.Append(LineOf(kLayer, LayerRecord(layer.report), place.digest));
  layers_.emplace(layer.report.name, Record{layer.report, place});
}

bool Checkpoint::HasRows(const std::string& layer, int64_t first_row, int64_t num_rows) const {
  return std::any_of(rows_.begin(), rows_.end(), [&](const RowsEntry& entry) {
    return entry.rows.layer == layer && entry.rows.first_row == first_row &&
           entry.rows.num_rows == num_rows;
  });
}

FinishedRows Checkpoint::ReadRows(const RowsEntry& entry) {
  FinishedRows rows = entry.rows;
  rows.weight = WeightOf(ReadModel(entry.model), kWeight, entry.model.folder);
  return rows;
}

std::vector<FinishedRows> Checkpoint::FindRows(const std::string& layer) const {
  std::vector<FinishedRows> found;
  for (const RowsEntry& entry : rows_) {
    if (entry.rows.layer == layer) found.push_back(ReadRows(entry));
  }
  std::sort(found.begin(), found.end(), [](const FinishedRows& a, const FinishedRows& b) {
    return a.first_row < b.first_row;
  });
  return found;
}

void Checkpoint::AddRows(const FinishedRows& rows) {
  ADAROUND_CHECK(!HasRows(rows.layer, rows.first_row, rows.num_rows));
  QuantizedModel model;
  model.graph.outputs = {kWeight};
  model.weights.emplace(kWeight, rows.weight);
  const ModelPlace place = WriteModel(model);
  journal_.Append(LineOf(kRows, RowsRecord(rows), place.digest));
  RowsEntry entry{rows, place};
  entry.rows.weight = QuantizedTensor();
  rows_.push_back(std::move(entry));
}

void Checkpoint::Begin() {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (error) ThrowCannotWrite(folder_, error.value());
  journal_.Begin();
}

void Checkpoint::AddAllOf(const Checkpoint& other) {
  for (const auto& [name, record] : other.layers_) {
    if (!Has(name)) Add(*other.Find(name));
  }
  for (const RowsEntry& entry : other.rows_) {
    const FinishedRows& rows = entry.rows;
    if (!HasRows(rows.layer, rows.first_row, rows.num_rows)) AddRows(ReadRows(entry));
  }
}

}  // namespace adaround
