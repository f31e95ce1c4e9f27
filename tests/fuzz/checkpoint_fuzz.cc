// Checkpoints: the input's lines, up to a NUL byte, become a journal under their right digests;
// what follows becomes the weights of the first layer's model. In the lines MODEL stands for that
// model's digest: whoever writes a file can compute it, too. A layer that is found can be added
// elsewhere, and comes back.
#include "adaround/pipeline/checkpoint.h"

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

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  static const bool made = [] {
    std::filesystem::create_directories(folder.path() / "0");
    folder.Write("0/model.json", AsBytes(kModel));
    return true;
  }();
  fuzz::Require(made, "no folder");
  const fuzz::TextAndBytes input = fuzz::SplitAtNul({data, size});
  folder.Write("0/weights.safetensors", input.bytes);
  const std::filesystem::path model = folder.path() / "0";
  const auto digest = fuzz::Accepted(model, [&] { return ModelDigest(model); });
  const std::string lines(input.text.begin(), input.text.end());
  folder.Write(Checkpoint::kJournal, AsBytes(Digested(lines, digest.value_or("none"))));
  const auto layers = fuzz::Accepted(folder.path(), [&] {
    std::vector<FinishedLayer> found;
    try {
      const Checkpoint checkpoint(folder.path(), kInputs);
      for (const std::string& name : checkpoint.Names()) found.push_back(*checkpoint.Find(name));
    } catch (const Error& error) {
      // A run of other inputs is what the command line may be wrong about.
      if (error.code() != ErrorCode::kInvalidArgument) throw;
    }
    return found;
  });
  if (!layers || layers->empty()) return 0;

  const std::filesystem::path other = folder.path() / "other";
  {
    Checkpoint copy(other, kInputs);
    for (const FinishedLayer& layer : *layers) copy.Add(layer);
  }
  const Checkpoint again(other, kInputs);
  for (const FinishedLayer& layer : *layers) {
    const auto read = again.Find(layer.report.name);
    fuzz::Require(read && read->weight.integers == layer.weight.integers &&
                      read->nearest.grid.scale == layer.nearest.grid.scale &&
                      read->report.trace.size() == layer.report.trace.size(),
                  "another layer");
  }
  std::filesystem::remove_all(other);
  return 0;
}
