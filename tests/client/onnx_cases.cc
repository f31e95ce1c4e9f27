// The program's side of the checks in other runtimes:
//   onnx_cases layers FOLDER            one model per kind of layer and way of storing its weights,
//                                       with an input and the output that our own executor computes
//   onnx_cases lifts FOLDER             float graphs lifted to newer opsets, likewise
//   onnx_cases network FOLDER MODEL     one network, a file or folder, on the sample_input.npy
//                                       beside it; with 4-bit weights where it is a float model
//   onnx_cases networks FOLDER MODELS   the shipped networks: weights alone the same way; with
//                                       activations also a model that puts out every activation
//   onnx_cases check FOLDER MODELS      each operator of those on the activations that the other
//                                       runtime had (FOLDER/NAME/dump/I.npy, I = output's number)
// check_onnx_cases.js and dump_outputs.js run the models.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>

#include "adaround/io/model_file.h"
#include "adaround/io/model_json.h"
#include "adaround/io/npy.h"
#include "adaround/io/onnx_export.h"
#include "graph/passes/upgrade_opset.h"
#include "support/graph_testing.h"
#include "support/layer_cases.h"
#include "support/lift_cases.h"
#include "support/quantized_testing.h"

namespace adaround {
namespace {

using testing::GridChoice;
using testing::LayerCase;

void WriteCase(const std::filesystem::path& folder, const QuantizedModel& model,
               const Tensor& input) {
  std::filesystem::create_directories(folder);
  WriteQuantizedOnnx(folder / "model.onnx", model);
  WriteNpy(folder / "input.npy", input);
  const std::string& output = model.graph.outputs.at(0);
  WriteNpy(folder / "expected.npy", testing::RunQuantized(model, input, {output}).at(output));
}

void WriteLayers(const std::filesystem::path& root) {
  for (const LayerCase& layer : testing::LayerCases()) {
    for (const GridChoice& choice : testing::GridChoices()) {
      const bool with_bias = choice.symmetric;
      WriteCase(root / (layer.name + "-" + testing::GridName(choice)),
                testing::LayerModel(layer, choice, with_bias),
                testing::RandomTensor(layer.input, 3));
    }
  }
  WriteCase(root / "shared_weight", testing::SharedWeightModel(),
            testing::RandomTensor({3, 16}, 3));
}

void WriteLifts(const std::filesystem::path& root) {
  for (const testing::LiftCase& one : testing::LiftCases()) {
    const Graph graph = testing::GraphOf(one);
    const Tensor input = testing::RandomTensor(one.input, 1, -2.0F, 2.0F);
    const Tensor wanted = testing::RunGraph(graph, {{"x", input}}, {"y"}).at("y");
    for (const int64_t target : {13, 18, 21}) {
      Graph lifted = graph;
      UpgradeOpset(lifted, target);
      const std::filesystem::path folder = root / (one.name + "-" + std::to_string(target));
      std::filesystem::create_directories(folder);
      WriteOnnx(folder / "model.onnx", lifted);
      WriteNpy(folder / "input.npy", input);
      WriteNpy(folder / "expected.npy", wanted);
    }
  }
}

void WriteNetwork(const std::filesystem::path& folder, const std::filesystem::path& path) {
  const bool is_folder = std::filesystem::is_directory(path);
  const Tensor samples = ReadNpy((is_folder ? path : path.parent_path()) / "sample_input.npy");
  ModelFile file = ReadModelFile(path);
  if (const Graph* graph = std::get_if<Graph>(&file)) {
    const GridChoice choice{4, true, Granularity::kPerChannel, 0};
    file = testing::QuantizeToNearest(*graph, samples, choice, std::nullopt);
  }
  WriteCase(folder, std::get<QuantizedModel>(file), samples);
}

constexpr int64_t kNumImages = 32;

// The first shipped test images, as the network's input takes them.
Tensor Images(const std::filesystem::path& models, const Graph& graph) {
  const Tensor pixels =
      NpyFile(models / "data" / "fashion" / "test" / (graph.inputs.at(0).name + ".npy"))
          .ReadRows(0, kNumImages);
  Tensor images = ConvertTo(pixels, DType::kFloat32);
  if (pixels.dtype() != DType::kUInt8) return images;
  const Preprocess preprocess = graph.inputs[0].preprocess.value_or(Preprocess());
  const int64_t channels = images.dim(1);
  const int64_t area = images.num_elements() / (kNumImages * channels);
  for (int64_t i = 0; i < images.num_elements(); ++i) {
    const auto c = static_cast<size_t>(i / area % channels);
    const double mean = preprocess.mean[preprocess.mean.size() == 1 ? 0 : c];
    const double deviation = preprocess.std[preprocess.std.size() == 1 ? 0 : c];
    float& value = images.mutable_data<float>()[i];
    value = static_cast<float>((static_cast<double>(value) * preprocess.scale - mean) / deviation);
  }
  return images;
}

struct NetworkCase {
  std::string network;
  GridChoice choice;
  std::optional<int> activation_bits;

  std::string Name() const {
    return network + "-" + testing::GridName(choice) +
           (activation_bits ? "-a" + std::to_string(*activation_bits) : "");
  }
};

std::vector<NetworkCase> NetworkCases() {
  std::vector<NetworkCase> cases;
  for (const char* network : {"fashion_resnet", "fashion_mobilenet"}) {
    const GridChoice channel4{4, true, Granularity::kPerChannel, 0};
    const GridChoice group4{4, true, Granularity::kPerGroup, 16};
    const GridChoice channel8{8, true, Granularity::kPerChannel, 0};
    const GridChoice tensor8{8, true, Granularity::kPerTensor, 0};
    cases.push_back({network, channel4, std::nullopt});
    cases.push_back({network, group4, std::nullopt});
    cases.push_back({network, channel8, std::nullopt});
    cases.push_back({network, channel8, 8});
    cases.push_back({network, tensor8, 8});
    cases.push_back({network, channel4, 8});
    cases.push_back({network, channel4, 6});
  }
  return cases;
}

struct Network {
  QuantizedModel model;
  Tensor images;
};

Network MakeNetwork(const std::filesystem::path& models, const NetworkCase& one) {
  const Graph graph = ReadModelJson(models / one.network);
  const Tensor images = Images(models, graph);
  return {testing::QuantizeToNearest(graph, images, one.choice, one.activation_bits), images};
}

// The activations that a graph can put out: all but its inputs.
std::vector<std::string> ComputedActivations(const QuantizedModel& model) {
  std::vector<std::string> names;
  for (const auto& [name, grid] : model.activations) {
    const bool is_input =
        std::any_of(model.graph.inputs.begin(), model.graph.inputs.end(),
                    [&, name = name](const auto& input) { return input.name == name; });
    if (!is_input) names.push_back(name);
  }
  return names;
}

void WriteNetworks(const std::filesystem::path& root, const std::filesystem::path& models) {
  for (const NetworkCase& one : NetworkCases()) {
    Network network = MakeNetwork(models, one);
    const std::filesystem::path folder =
        root / (one.activation_bits ? "activations" : "weights") / one.Name();
    WriteCase(folder, network.model, network.images);
    if (!one.activation_bits) continue;
    network.model.graph.outputs = ComputedActivations(network.model);
    WriteQuantizedOnnx(folder / "dump.onnx", network.model);
  }
}

// How far the other runtime's results lie from ours, in steps of their grids.
struct StepCount {
  int64_t total = 0;
  int64_t different = 0;
  double largest = 0.0;
};

// Operator by operator, each on the other runtime's own inputs.
StepCount CompareOperators(const QuantizedModel& model, const Tensor& images,
                           const std::filesystem::path& dump) {
  const std::vector<std::string> names = ComputedActivations(model);
  TensorMap found;
  for (size_t i = 0; i < names.size(); ++i) {
    found[names[i]] = ReadNpy(dump / (std::to_string(i) + ".npy"));
  }
  const std::string& input = model.graph.inputs.at(0).name;
  found[input] = model.activations.at(input).QuantizeDequantize(images);
  const Executor executor(model.Dequantized());
  StepCount count;
  for (const std::string& name : names) {
    const ActivationGrid& grid = model.activations.at(name);
    std::set<std::string> available;
    for (const auto& [other, value] : found) {
      if (other != name) available.insert(other);
    }
    const ExecutionPlan plan = executor.Plan(available, {name});
    for (int64_t i = 0; i < images.dim(0); ++i) {
      TensorMap given;
      for (const std::string& needed : plan.needed) {
        given[needed] = testing::SampleOf(found.at(needed), i);
      }
      const Tensor wanted = grid.QuantizeDequantize(executor.Run(plan, given).at(name));
      const Tensor theirs = testing::SampleOf(found.at(name), i);
      if (theirs.num_elements() != wanted.num_elements()) {
        throw std::runtime_error(name + " has another shape");
      }
      for (int64_t k = 0; k < wanted.num_elements(); ++k) {
        const double steps =
            std::abs(theirs.data<float>()[k] - wanted.data<float>()[k]) / grid.scale;
        ++count.total;
        count.different += steps > 0.5 ? 1 : 0;
        // Written so that NaN is the largest.
        if (!(steps <= count.largest)) count.largest = steps;
      }
    }
  }
  return count;
}

// Largest logit first; the share of samples on which both agree, and the signal-to-noise ratio.
void PrintAgreement(const Tensor& found, const Tensor& wanted) {
  const int64_t count = wanted.dim(0);
  const int64_t classes = wanted.num_elements() / count;
  int64_t agreeing = 0;
  double signal = 0.0;
  double noise = 1e-30;
  for (int64_t i = 0; i < count; ++i) {
    const float* a = found.data<float>() + i * classes;
    const float* b = wanted.data<float>() + i * classes;
    agreeing += std::max_element(a, a + classes) - a == std::max_element(b, b + classes) - b;
    for (int64_t c = 0; c < classes; ++c) {
      signal += static_cast<double>(b[c]) * static_cast<double>(b[c]);
      noise += std::pow(static_cast<double>(a[c]) - static_cast<double>(b[c]), 2.0);
    }
  }
  std::printf("  whole network: same top-1 on %lld of %lld images, SQNR %.1f dB\n",
              static_cast<long long>(agreeing), static_cast<long long>(count),
              10.0 * std::log10(signal / noise));
}

bool CheckNetworks(const std::filesystem::path& root, const std::filesystem::path& models) {
  // A sum that rounds at the border between two integers may go either way.
  constexpr double kMostSteps = 1.01;
  bool passed = true;
  for (const NetworkCase& one : NetworkCases()) {
    if (!one.activation_bits) continue;
    const Network network = MakeNetwork(models, one);
    const std::filesystem::path folder = root / "activations" / one.Name();
    const StepCount count = CompareOperators(network.model, network.images, folder / "dump");
    const bool within = count.largest <= kMostSteps;
    std::printf("%s%s: %lld of %lld activations differ, by %.2f steps at most\n",
                within ? "" : "FAILED ", one.Name().c_str(),
                static_cast<long long>(count.different), static_cast<long long>(count.total),
                count.largest);
    PrintAgreement(ReadNpy(folder / "found.npy"), ReadNpy(folder / "expected.npy"));
    passed = passed && within && count.total > 0;
  }
  return passed;
}

int Run(const std::vector<std::string>& arguments) {
  if (arguments.size() == 2 && arguments[0] == "layers") {
    WriteLayers(arguments[1]);
    return 0;
  }
  if (arguments.size() == 2 && arguments[0] == "lifts") {
    WriteLifts(arguments[1]);
    return 0;
  }
  if (arguments.size() == 3 && arguments[0] == "network") {
    WriteNetwork(arguments[1], arguments[2]);
    return 0;
  }
  if (arguments.size() == 3 && arguments[0] == "networks") {
    WriteNetworks(arguments[1], arguments[2]);
    return 0;
  }
  if (arguments.size() == 3 && arguments[0] == "check") {
    return CheckNetworks(arguments[1], arguments[2]) ? 0 : 1;
  }
  std::fprintf(stderr,
               "usage: onnx_cases layers|lifts FOLDER | network FOLDER MODEL | "
               "networks|check FOLDER MODELS\n");
  return 2;
}

}  // namespace
}  // namespace adaround

int main(int argc, char** argv) {
  try {
    return adaround::Run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
