// What the exporter writes, the reader reads and the executor runs: the same outputs as before.
#include <gtest/gtest.h>

#include <cstring>
#include <variant>

#include "adaround/io/model_file.h"
#include "adaround/io/onnx_export.h"
#include "io/test_files.h"
#include "support/layer_cases.h"
#include "support/quantized_testing.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::RandomTensor;
using testing::ScratchFolder;

// The products run in another order where a MatMul has become a Gemm.
constexpr double kTolerance = 1e-5;

QdqModel WrittenAndRead(const QuantizedModel& model) {
  const ScratchFolder folder;
  WriteQuantizedOnnx(folder / "model.onnx", model);
  const ModelFile file = ReadModelFile(folder / "model.onnx");
  EXPECT_TRUE(std::holds_alternative<QdqModel>(file));
  return std::get<QdqModel>(file);
}

TEST(OnnxReread, FloatModelsStayWhatTheyAre) {
  Graph graph = testing::SmallConvNet();
  Preprocess preprocess;
  preprocess.scale = 1.0 / 255;
  preprocess.mean = {0.1, 0.2, 0.3};
  preprocess.crop = 8;
  preprocess.channel_order = "RGB";
  graph.inputs[0].preprocess = preprocess;
  const ScratchFolder folder;
  WriteOnnx(folder / "model.onnx", graph);
  const Graph read = ReadFloatModel(folder / "model.onnx");
  EXPECT_EQ(read.opset, graph.opset);
  EXPECT_EQ(read.inputs[0].shape, graph.inputs[0].shape);
  ASSERT_TRUE(read.inputs[0].preprocess);
  EXPECT_EQ(read.inputs[0].preprocess->scale, preprocess.scale);
  EXPECT_EQ(read.inputs[0].preprocess->mean, preprocess.mean);
  EXPECT_EQ(read.inputs[0].preprocess->crop, preprocess.crop);
  EXPECT_EQ(read.inputs[0].preprocess->channel_order, preprocess.channel_order);
  ASSERT_EQ(read.nodes.size(), graph.nodes.size());
  const TensorMap given = {{graph.inputs[0].name, RandomTensor({1, 3, 8, 8}, 1)}};
  const std::string& output = graph.outputs[0];
  const Tensor wanted = testing::RunGraph(graph, given, {output}).at(output);
  const Tensor found = testing::RunGraph(read, given, {output}).at(output);
  ASSERT_EQ(found.shape(), wanted.shape());
  EXPECT_EQ(std::memcmp(found.raw(), wanted.raw(), wanted.num_bytes()), 0);
}

TEST(OnnxReread, QuantizedLayersOfEveryKindOnEveryGrid) {
  for (const testing::LayerCase& layer : testing::LayerCases()) {
    for (const testing::GridChoice& choice : testing::GridChoices()) {
      SCOPED_TRACE(layer.name + " " + testing::GridName(choice));
      const QuantizedModel model = testing::LayerModel(layer, choice, true);
      const Tensor x = testing::SampleOf(RandomTensor(layer.input, 3), 0);
      const Tensor wanted = testing::RunQuantized(model, x, {"y"}).at("y");
      const TensorMap found = testing::RunGraph(WrittenAndRead(model).graph, {{"x", x}}, {"y"});
      EXPECT_LT(testing::RelativeDifference(found.at("y"), wanted), kTolerance);
    }
  }
}

TEST(OnnxReread, NetworkWithQuantizedActivations) {
  const Tensor samples = RandomTensor({4, 3, 8, 8}, 4);
  for (const testing::GridChoice& choice :
       {testing::GridChoice{4, true, Granularity::kPerChannel, 0},
        testing::GridChoice{8, true, Granularity::kPerTensor, 0}}) {
    SCOPED_TRACE(testing::GridName(choice));
    QuantizedModel model =
        testing::QuantizeToNearest(testing::SmallConvNet(), samples, choice, 8);
    model.provenance = {{"method", "nearest"}, {"model_sha256", "0123"}};
    const std::string output = model.graph.outputs[0];
    const QdqModel read = WrittenAndRead(model);
    EXPECT_EQ(read.provenance, model.provenance);
    // Biases, too, are sums of floats in another order: an activation half-way between two
    // integers may fall to the other side, one step of the last grid.
    const double step = model.activations.at(output).scale;
    for (int64_t i = 0; i < samples.dim(0); ++i) {
      const Tensor x = testing::SampleOf(samples, i);
      const Tensor wanted = testing::RunQuantized(model, x, {output}).at(output);
      const Tensor found =
          testing::RunGraph(read.graph, {{model.graph.inputs[0].name, x}}, {output}).at(output);
      ASSERT_EQ(found.shape(), wanted.shape());
      for (int64_t k = 0; k < wanted.num_elements(); ++k) {
        EXPECT_NEAR(found.data<float>()[k], wanted.data<float>()[k], 1.01 * step);
      }
    }
  }
}

}  // namespace
}  // namespace adaround
