// Checkpoints: the input's lines, up to a NUL byte, become a journal under their right digests;
// what follows becomes the weights of the first two records' models. In the lines MODEL stands for
// those models' digest: whoever writes a file can compute it, too. Layers, and rows of them, that
// are found can be added elsewhere, and come back.
#include "adaround/pipeline/checkpoint.h"

#include <set>
#include <string_view>
#include <utility>

#include "adaround/io/model_file.h"
#include "adaround/io/sha256.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

namespace {

const std::map<std::string, std::string> kInputs = {{"seed", "42"}};

constexpr const char* kModel =
    R"({"format":"adaround-model","version":1,"opset":13,"inputs":[],"outputs":["weight"],)"
    R"("nodes":[],"weights":"weights.safetensors","quantization":{"nearest":{"bit_width":4,)"
    R"("q_min":-8,"q_max":7,"granularity":"per_channel","group_size":0,"shape":[2,2],"axis":0,)"
    R"("groups":1,"packing":"lsb_first","integers":"nearest.integers","scale":"nearest.scale",)"
    R"("zero_point":null},"weight":{"bit_width":4,"q_min":-8,"q_max":7,"granularity":)"
    R"("per_channel","group_size":0,"shape":[2,2],"axis":0,"groups":1,"packing":"lsb_first",)"
    R"("integers":"weight.integers","scale":"weight.scale","zero_point":null}},"provenance":{}})";

std::span<const uint8_t> AsBytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Digested(std::string lines, const std::string& model_digest) {
  std::string journal;
  while (!lines.empty()) {
    std::string record = lines.substr(0, lines.find('\n'));
    lines.erase(0, record.size() + 1);
    if (const size_t at = record.find("MODEL"); at != std::string::npos) {
      record.replace(at, 5, model_digest);
    }
    journal += Sha256OfBytes(record).substr(0, 16) + " " + record + "\n";
  }
  return journal;
}

struct Found {
  std::vector<FinishedLayer> layers;
  std::vector<FinishedRows> rows;
};

// Layers that some line may hold rows of.
std::set<std::string> RowsNamed(const std::string& lines) {
  constexpr std::string_view kKey = "\"rows\":{\"layer\":\"";
  std::set<std::string> names;
  for (size_t at = lines.find(kKey); at != std::string::npos; at = lines.find(kKey, at + 1)) {
    const size_t begin = at + kKey.size();
    names.insert(lines.substr(begin, lines.find('"', begin) - begin));
  }
  return names;
}

Found AllOf(const Checkpoint& checkpoint, const std::set<std::string>& rows_named) {
  Found all;
  for (const std::string& name : checkpoint.Names()) all.layers.push_back(*checkpoint.Find(name));
  for (const std::string& name : rows_named) {
    for (FinishedRows& rows : checkpoint.FindRows(name)) all.rows.push_back(std::move(rows));
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  static const bool made = [] {
    for (const std::string record : {"0", "1"}) {
      std::filesystem::create_directories(folder.path() / record);
      folder.Write(record + "/model.json", AsBytes(kModel));
    }
    return true;
  }();
  fuzz::Require(made, "no folder");
  const fuzz::TextAndBytes input = fuzz::SplitAtNul({data, size});
  for (const char* weights : {"0/weights.safetensors", "1/weights.safetensors"}) {
    folder.Write(weights, input.bytes);
  }
  const std::filesystem::path model = folder.path() / "0";
  const auto digest = fuzz::Accepted(model, [&] { return ModelDigest(model); });
  const std::string lines(input.text.begin(), input.text.end());
  folder.Write(Checkpoint::kJournal, AsBytes(Digested(lines, digest.value_or("none"))));
  const auto found = fuzz::Accepted(folder.path(), [&] {
    Found all;
    try {
      const Checkpoint checkpoint(folder.path(), kInputs);
      all = AllOf(checkpoint, RowsNamed(lines));
    } catch (const Error& error) {
      // A run of other inputs is what the command line may be wrong about.
      if (error.code() != ErrorCode::kInvalidArgument) throw;
    }
    return all;
  });
  if (!found || (found->layers.empty() && found->rows.empty())) return 0;

  const std::filesystem::path other = folder.path() / "other";
  Checkpoint(other, kInputs).AddAllOf(Checkpoint(folder.path(), kInputs));
  const Checkpoint again(other, kInputs);
  for (const FinishedLayer& layer : found->layers) {
    const auto read = again.Find(layer.report.name);
    fuzz::Require(read && read->weight.integers == layer.weight.integers &&
                      read->nearest.grid.scale == layer.nearest.grid.scale &&
                      read->report.trace.size() == layer.report.trace.size(),
                  "another layer");
  }
  for (const FinishedRows& rows : found->rows) {
    fuzz::Require(again.HasRows(rows.layer, rows.first_row, rows.num_rows), "other rows");
    fuzz::Require(again.FindRows(rows.layer).size() <= found->rows.size(), "more rows");
  }
  std::filesystem::remove_all(other);
  return 0;
}
