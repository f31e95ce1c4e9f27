// The networks of the AdaRound paper, and networks like those that users bring, as PyTorch exports
// them: scripts/build_paper_networks.py makes them, with random weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>

#include "adaround/io/npy.h"
#include "adaround/io/onnx_import.h"
#include "adaround/pipeline/inspect.h"
#include "adaround/pipeline/quantize.h"
#include "graph/passes/fold_batch_norm.h"
#include "support/graph_testing.h"
#include "support/in_memory_source.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

// Largest difference from the outputs in float64, beside the largest of them. PyTorch's own float32
// outputs are up to 7e-5 away from those (the script prints it for each network), in the deepest
// networks; another order of summation may be as far off on the other side.
constexpr double kTolerance = 2e-4;

// What a network consists of, counted by hand from its definition.
struct Expected {
  const char* name;
  int64_t conv = 0;             // Conv and ConvTranspose layers
  int64_t matrix = 0;           // Gemm and MatMul layers
  int64_t norms = 0;            // BatchNormalization nodes in the file
  int64_t kept_norms = 0;       // those that follow no layer
  const char* activation = "";  // the name of the activation that is counted
  int64_t activated = 0;        // layers that it belongs to
};

std::ostream& operator<<(std::ostream& out, const Expected& expected) {
  return out << expected.name;
}

constexpr Expected kNetworks[] = {
    // The paper's. ResNet-18: stem, 8 blocks of 2, 3 projections; the second layer of a block and
    // the projection meet before the Relu.
    {"resnet18", 1 + 16 + 3, 1, 20, 0, "Relu", 1 + 8},
    {"resnet50", 1 + 48 + 4, 1, 0, 0, "Relu", 1 + 32},
    // Stem, a block of 2, 16 blocks of 3, a last 1x1; a block's narrow end has no activation.
    {"mobilenet_v2", 1 + 2 + 48 + 1, 1, 0, 0, "Clip(0, 6)", 1 + 1 + 32 + 1},
    {"mobilenet_v2_batch_norm", 1 + 2 + 48 + 1, 1, 52, 0, "Clip(0, 6)", 1 + 1 + 32 + 1},
    {"inception_v3", 94, 1, 94, 0, "Relu", 94},
    // MobileNetV2 without its last 1x1; a pyramid of 5 branches, three of them separable, and their
    // fusion; a decoder of one layer, two separable ones and the classifier.
    {"deeplab_v3_plus_mobilenet", 51 + 9 + 6, 0, 0, 0, "Relu", 9 + 5},
    // Four bottlenecks; the same without separable layers.
    {"deeplab_v3_plus_resnet", 17 + 6 + 4, 0, 26, 0, "Relu", 9 + 6 + 3},

    // Patch embedding, 4 blocks of 4, head.
    {"vit_opset9", 1, 16 + 1, 0, 0, "Gelu", 4},
    {"vit_opset13", 1, 16 + 1, 0, 0, "Gelu", 4},
    {"vit_opset17", 1, 16 + 1, 0, 0, "Gelu", 4},
    {"vit_unfolded", 1, 16 + 1, 0, 0, "Gelu", 4},
    {"vit_packed_attention", 1, 16 + 1, 0, 0, "Gelu", 4},
    {"vision_transformer", 1, 12 + 1, 0, 0, "Gelu", 3},
    // 4 blocks of 4, one merging of patches, head.
    {"swin", 1, 16 + 1 + 1, 0, 0, "Gelu", 4},
    {"text", 0, 4 + 2 + 1, 0, 0, "Gelu", 1},

    {"unet", 5 + 2, 0, 5, 0, "Relu", 2},
    // PyTorch merges the three behind convolutions itself.
    {"unet_opset10", 5 + 2, 0, 2, 0, "Relu", 2},
    // One of the BatchNormalization nodes follows a MatMul.
    {"mlp", 0, 3, 2, 0, "HardSwish", 1},
    {"mlp_opset14", 0, 3, 2, 0, "HardSwish", 1},
    // The weights are computed from magnitudes and directions.
    {"conv1d", 5, 0, 1, 0, "Relu", 0},
    {"conv3d", 2, 1, 2, 0, "Relu", 1},
    // Its normalization is written as Mul and Add.
    {"frozen_resnet", 1 + 8 + 3, 1, 0, 0, "Relu", 1 + 4},

    {"resnext", 1 + 12 + 4, 1, 0, 0, "Relu", 1 + 8},
    {"squeezenet", 1 + 24 + 1, 0, 0, 0, "Relu", 26},
    // Stem, 58 layers of 2, 3 transitions. Each of the latter two, and the head, start with a
    // normalization of what was concatenated.
    {"densenet121", 1 + 116 + 3, 1, 121, 58 + 3 + 1, "Relu", 1 + 58},
    // Stem and last, 3 units of 5 at stride 2, 13 of 3.
    {"shufflenet_v2", 2 + 15 + 39, 1, 0, 0, "Relu", 2 + 9 + 26},
    // Stem and last, a block of 4, 15 of 5; two layers of each block belong to its gate, of which
    // the first has the activation, as have all but the block's last.
    {"efficientnet_b0", 2 + 4 + 75, 1, 0, 0, "SiLU", 2 + 2 + 45},
    // Stem and last, a block of 2, 14 of 3, 8 gates of 2, two fully connected; 9 blocks have
    // HardSwish.
    {"mobilenet_v3_large", 2 + 2 + 42 + 16, 2, 0, 0, "HardSwish", 2 + 18 + 1},
    {"mobilenet_v3_small", 2 + 2 + 30 + 18, 2, 0, 0, "HardSwish", 2 + 16 + 1},
    // 3 in the stem, 16 blocks of 3, a last 1x1.
    {"mnasnet", 3 + 48 + 1, 1, 0, 0, "Relu", 2 + 32 + 1},
    // Stem, 16 blocks of 3 with a gate of 2, 4 projections.
    {"regnet_y_400mf", 1 + 48 + 32 + 4, 1, 0, 0, "Relu", 1 + 32 + 16},
    {"googlenet", 3 + 54, 1, 0, 0, "Relu", 57},
    // Stem, 3 blocks of one convolution and two matrices, 2 transitions.
    {"convnext", 1 + 3 + 2, 6 + 1, 0, 0, "Gelu", 3},
    // MobileNetV3 without its fully connected layers, and a head of 4.
    {"lraspp_mobilenet_v3", 62 + 4, 0, 0, 0, "Relu", 11 + 8 + 1},
};

fs::path FolderOf(const std::string& name) {
  return fs::path(ADAROUND_PAPER_NETWORKS) / name;
}

#define SKIP_WHERE_ABSENT(folder)                                                   \
  if (!fs::exists(folder)) {                                                        \
    GTEST_SKIP() << (folder)                                                        \
                 << " is not there: scripts/build_paper_networks.py makes it with " \
                    "Debian's python3-torchvision";                                 \
  }

// One sample at a time, as the pipeline does.
Tensor RunSamples(const Graph& graph, const Tensor& inputs, const Shape& wanted_shape) {
  const Executor executor(graph);
  const testing::InMemorySource source(inputs);
  const std::string& input = graph.inputs.at(0).name;
  const std::string& output = graph.outputs.at(0);
  const ExecutionPlan plan = executor.Plan({input}, {output});
  Tensor found(DType::kFloat32, wanted_shape);
  Shape sample_shape = wanted_shape;
  sample_shape[0] = 1;
  const int64_t count = NumElements(sample_shape);
  for (int64_t sample = 0; sample < wanted_shape[0]; ++sample) {
    const Tensor one = executor.Run(plan, {{input, source.ReadSamples(sample, 1)}}).at(output);
    EXPECT_EQ(one.shape(), sample_shape);
    if (one.shape() != sample_shape) return Tensor::Zeros(DType::kFloat32, {0});
    std::copy_n(one.data<float>(), count, found.mutable_data<float>() + sample * count);
  }
  return found;
}

class PaperNetworks : public ::testing::TestWithParam<Expected> {};

TEST_P(PaperNetworks, ReproduceTheirOutputs) {
  const fs::path folder = FolderOf(GetParam().name);
  SKIP_WHERE_ABSENT(folder);
  Graph graph = ReadOnnxModel(folder / "model.onnx").graph;
  const Tensor inputs = ReadNpy(folder / "sample_input.npy");
  const Tensor wanted = ReadNpy(folder / "sample_output.npy");
  EXPECT_LT(testing::RelativeDifference(RunSamples(graph, inputs, wanted.shape()), wanted),
            kTolerance)
      << "as read";

  FoldConstants(graph);
  FoldBatchNorm(graph);
  EXPECT_LT(testing::RelativeDifference(RunSamples(graph, inputs, wanted.shape()), wanted),
            kTolerance)
      << "constants and BatchNormalization folded";
}

TEST_P(PaperNetworks, ShowTheirLayers) {
  const Expected& expected = GetParam();
  const fs::path folder = FolderOf(expected.name);
  SKIP_WHERE_ABSENT(folder);
  const Graph graph = ReadOnnxModel(folder / "model.onnx").graph;
  ASSERT_EQ(graph.inputs.size(), 1U);
  EXPECT_EQ(graph.inputs[0].shape.at(0), -1);
  EXPECT_EQ(graph.inputs[0].symbols.at(0), "N");

  const Inspection inspection = InspectModel(graph);
  EXPECT_EQ(inspection.run_failure, "");
  int64_t conv = 0, matrix = 0, activated = 0;
  for (const InspectedLayer& layer : inspection.layers) {
    EXPECT_EQ(layer.left_because, "") << layer.name;
    (layer.op == "Conv" || layer.op == "ConvTranspose" ? conv : matrix) += 1;
    activated += layer.activation == expected.activation ? 1 : 0;
  }
  EXPECT_EQ(conv, expected.conv);
  EXPECT_EQ(matrix, expected.matrix);
  EXPECT_EQ(activated, expected.activated) << "layers with " << expected.activation;
  const auto norms = inspection.ops.find("BatchNormalization");
  EXPECT_EQ(norms == inspection.ops.end() ? 0 : norms->second, expected.norms);
  EXPECT_EQ(inspection.num_folded_batch_norms, expected.norms - expected.kept_norms);
}

INSTANTIATE_TEST_SUITE_P(PyTorch, PaperNetworks, ::testing::ValuesIn(kNetworks),
                         [](const auto& parameter) { return std::string(parameter.param.name); });

// Whole runs, with a search that is too short to be good: of a network of depthwise convolutions,
// of a transformer, and of transposed convolutions.
class QuantizedPaperNetworks : public ::testing::TestWithParam<const char*> {};

TEST_P(QuantizedPaperNetworks, NoLayerIsWorseThanNearest) {
  const fs::path folder = FolderOf(GetParam());
  SKIP_WHERE_ABSENT(folder);
  const auto* expected = std::find_if(
      std::begin(kNetworks), std::end(kNetworks),
      [&](const Expected& network) { return std::string(network.name) == GetParam(); });
  ASSERT_NE(expected, std::end(kNetworks));
  Graph graph = ReadOnnxModel(folder / "model.onnx").graph;
  const CalibrationSet samples(testing::GivenList(testing::Given(
                                   graph.inputs.at(0).name, ReadNpy(folder / "sample_input.npy"))),
                               graph);
  QuantizeOptions options;
  ApplyPreset("fast", options);
  options.rounding.adaround.iterations = 20;
  options.search_columns = 256;
  options.held_out_columns = 64;
  const QuantizeResult result = QuantizeModel(std::move(graph), samples, options);

  EXPECT_EQ(static_cast<int64_t>(result.layers.size()), expected->conv + expected->matrix);
  EXPECT_TRUE(result.left.empty());
  int64_t better = 0;
  for (const LayerReport& layer : result.layers) {
    EXPECT_TRUE(std::isfinite(layer.error)) << layer.name;
    // A layer that fell back to nearest has the very same error.
    EXPECT_LE(layer.error, layer.nearest_error) << layer.name;
    better += layer.error < layer.nearest_error ? 1 : 0;
  }
  EXPECT_GT(2 * better, static_cast<int64_t>(result.layers.size()))
      << "a search that finds nothing in most layers does not search";
}

INSTANTIATE_TEST_SUITE_P(PyTorch, QuantizedPaperNetworks,
                         ::testing::Values("mobilenet_v2_batch_norm", "vit_opset17", "text", "unet",
                                           "mlp"),
                         [](const auto& parameter) { return std::string(parameter.param); });

}  // namespace
}  // namespace adaround
