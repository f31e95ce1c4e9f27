// Readers of large valid files: checks must not cost more than reading.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <utility>

#include "adaround/io/model_json.h"
#include "adaround/io/npy.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/safetensors.h"
#include "bench/counters.h"
#include "bench/registration.h"

namespace adaround::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kNumLayers = 5'000;
constexpr int64_t kWeightsPerLayer = 1'000;
constexpr int64_t kArrayFloats = int64_t{16} << 20;

// A long chain: as many names, nodes and tensors as the largest networks have.
Graph Chain() {
  Graph graph;
  graph.inputs = {{"layers.0.output", DType::kFloat32, {-1, 10}, {"N", ""}, std::nullopt}};
  for (int i = 0; i < kNumLayers; ++i) {
    const std::string layer = "layers." + std::to_string(i);
    Node node;
    node.name = layer;
    node.op = "Mul";
    node.inputs = {layer + ".output", layer + ".weight"};
    node.outputs = {"layers." + std::to_string(i + 1) + ".output"};
    node.attributes["pads"] = std::vector<int64_t>{0, 0, 1, 1};
    graph.initializers.emplace(node.inputs[1], Tensor::Zeros(DType::kFloat32, {kWeightsPerLayer}));
    graph.nodes.push_back(std::move(node));
  }
  graph.outputs = {graph.nodes.back().outputs[0]};
  return graph;
}

// `write` makes the file or folder anew for each benchmark; it lies in the system's cache, so that
// the time is the reader's.
void RunReader(benchmark::State& state, const std::function<void(const fs::path&)>& write,
               const std::function<void(const fs::path&)>& read) {
  std::string name = (fs::temp_directory_path() / "adaround_bench.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    state.SkipWithError("no scratch folder");
    return;
  }
  const fs::path folder = name;
  write(folder / "file");
  uintmax_t bytes = 0;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  for (auto _ : state) read(folder / "file");
  CountBytes(state, static_cast<double>(bytes));
  std::error_code error;
  fs::remove_all(folder, error);
}

template <typename Write, typename Read>
void Register(const std::string& name, Write write, Read read) {
  benchmark::RegisterBenchmark(("reader/" + name).c_str(), RunReader, write, read)
      ->Unit(benchmark::kMillisecond);
}

}  // namespace

void RegisterReader() {
  Register(
      "model_json_5000_layers", [](const fs::path& path) { WriteModelJson(path, Chain()); },
      [](const fs::path& path) { ReadModelJson(path); });
  Register(
      "onnx_5000_layers", [](const fs::path& path) { WriteOnnx(path, Chain()); },
      [](const fs::path& path) { ReadOnnxModel(path); });
  Register(
      "safetensors_5000_tensors",
      [](const fs::path& path) { WriteSafetensors(path, Chain().initializers, {}); },
      [](const fs::path& path) { ReadSafetensors(path); });
  Register(
      "npy_64_mib",
      [](const fs::path& path) { WriteNpy(path, Tensor::Zeros(DType::kFloat32, {kArrayFloats})); },
      [](const fs::path& path) { ReadNpy(path); });
}

}  // namespace adaround::bench
