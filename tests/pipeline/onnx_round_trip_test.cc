// What the ONNX writers write, read back by the ONNX reader.
#include <gtest/gtest.h>

#include "adaround/io/model_file.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"
#include "io/test_files.h"
#include "support/layer_cases.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ScratchFolder;

TEST(OnnxRoundTrip, FloatGraphs) {
  const ScratchFolder folder;
  Graph graph = testing::SmallConvNet();
  graph.inputs[0].symbols[0] = "batch";
  graph.inputs[0].preprocess = Preprocess{};
  graph.inputs[0].preprocess->mean = {0.25, 0.5, 0.75};
  graph.inputs[0].preprocess->channel_order = "BGR";
  WriteOnnx(folder / "model.onnx", graph);
  const OnnxModel read = ReadOnnxModel(folder / "model.onnx");
  EXPECT_FALSE(read.is_quantized);
  EXPECT_EQ(read.graph.opset, graph.opset);
  ASSERT_EQ(read.graph.inputs.size(), 1U);
  EXPECT_EQ(read.graph.inputs[0].shape, graph.inputs[0].shape);
  EXPECT_EQ(read.graph.inputs[0].symbols, graph.inputs[0].symbols);
  ASSERT_TRUE(read.graph.inputs[0].preprocess.has_value());
  EXPECT_EQ(read.graph.inputs[0].preprocess->mean, graph.inputs[0].preprocess->mean);
  EXPECT_EQ(read.graph.inputs[0].preprocess->channel_order, "BGR");
  EXPECT_EQ(read.graph.outputs, graph.outputs);
  ASSERT_EQ(read.graph.nodes.size(), graph.nodes.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    EXPECT_EQ(read.graph.nodes[i].op, graph.nodes[i].op);
    EXPECT_EQ(read.graph.nodes[i].inputs, graph.nodes[i].inputs);
    EXPECT_EQ(read.graph.nodes[i].outputs, graph.nodes[i].outputs);
    EXPECT_EQ(read.graph.nodes[i].attributes.size(), graph.nodes[i].attributes.size());
  }
  const TensorMap given = {{"input", testing::RandomTensor({1, 3, 8, 8}, 3)}};
  const Tensor wanted = testing::RunGraph(graph, given, {"logits"}).at("logits");
  const Tensor found = testing::RunGraph(read.graph, given, {"logits"}).at("logits");
  EXPECT_EQ(testing::RelativeDifference(found, wanted), 0.0);
}

TEST(OnnxRoundTrip, QuantizedLayersRunAsTheyAre) {
  const ScratchFolder folder;
  for (const testing::LayerCase& layer : testing::LayerCases()) {
    for (const testing::GridChoice& choice : testing::GridChoices()) {
      if (choice.bit_width != 4 && choice.bit_width != 8) continue;
      SCOPED_TRACE(layer.name + " " + testing::GridName(choice));
      QuantizedModel model = testing::LayerModel(layer, choice, true);
      model.activations["x"] = {8, 0.0078125F, 128};
      model.activations["y"] = {6, 0.125F, 30};
      model.provenance = {{"method", "nearest"}};
      WriteQuantizedOnnx(folder / "model.onnx", model);
      const ModelFile file = ReadModelFile(folder / "model.onnx");
      const QdqModel* read = std::get_if<QdqModel>(&file);
      ASSERT_NE(read, nullptr);
      EXPECT_EQ(read->provenance, model.provenance);
      const Tensor x = testing::SampleOf(testing::RandomTensor(layer.input, 3), 0);
      const Tensor wanted = testing::RunQuantized(model, x, {"y"}).at("y");
      const Tensor found = testing::RunGraph(read->graph, {{"x", x}}, {"y"}).at("y");
      // A sum on the border between two integers may go either way: one step of 63.
      EXPECT_LT(testing::RelativeDifference(found, wanted), 0.05);
      int64_t different = 0;
      ASSERT_EQ(found.shape(), wanted.shape());
      for (int64_t i = 0; i < found.num_elements(); ++i) {
        different += std::abs(found.data<float>()[i] - wanted.data<float>()[i]) > 1e-4F ? 1 : 0;
      }
      EXPECT_LE(different, 1);
    }
  }
}

}  // namespace
}  // namespace adaround
