#include "adaround/io/onnx_export.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adaround/base/build_info.h"
#include "adaround/io/onnx_import.h"
#include "io/test_files.h"
#include "support/graph_testing.h"
#include "support/layer_cases.h"
#include "support/onnx_message_testing.h"
#include "support/quantized_testing.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::Floats;
using testing::MessageAttribute;
using testing::MessageInitializer;
using testing::MessageIntegers;
using testing::MessageMetadata;
using testing::MessageProducer;
using testing::MessageShape;
using testing::Op;
using testing::ReadMessage;
using testing::ScratchFolder;

constexpr int kInt8Code = 3;
constexpr int kInt32Code = 6;
constexpr int kUInt8Code = 2;
constexpr int kUInt4Code = 21;
constexpr int kInt4Code = 22;

onnx::ModelProto Written(const Graph& graph) {
  const ScratchFolder folder;
  WriteOnnx(folder / "model.onnx", graph);
  return ReadMessage(folder / "model.onnx");
}

onnx::ModelProto Written(const QuantizedModel& model) {
  const ScratchFolder folder;
  WriteQuantizedOnnx(folder / "model.onnx", model);
  return ReadMessage(folder / "model.onnx");
}

Graph ScaledGemm() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 2})};
  graph.inputs[0].symbols[0] = "batch";
  graph.outputs = {"y", "best"};
  graph.nodes = {
      Op("Gemm", {"x", "w"}, {"y"}, {{"alpha", int64_t{2}}, {"transB", int64_t{1}}}),
      Op("ArgMax", {"y"}, {"best"}, {{"axis", int64_t{1}}}),
  };
  graph.initializers["w"] = Floats({3, 2}, {1, 2, 3, 4, 5, 6});
  return graph;
}

// y = x w^T, w [2, 3] with one scale per row.
QuantizedModel TinyModel() {
  QuantizedModel model;
  model.graph.inputs = {testing::FloatInput("x", {-1, 3})};
  model.graph.outputs = {"y"};
  model.graph.nodes = {Op("Gemm", {"x", "w"}, {"y"}, {{"transB", int64_t{1}}})};
  QuantizedTensor& weight = model.weights["w"];
  weight.shape = {2, 3};
  weight.grid = MakeGrid(4, true, Granularity::kPerChannel, 0);
  weight.grid.scale = {0.5F, 0.25F};
  weight.grid.zero_point = {0, 0};
  weight.integers = {-8, 7, 1, 0, -1, 2};
  return model;
}

TEST(WriteOnnx, HoldsTheGraph) {
  const onnx::ModelProto model = Written(ScaledGemm());
  EXPECT_EQ(model.producer_name(), "adaround");
  EXPECT_EQ(model.producer_version(), Version());
  ASSERT_EQ(model.opset_import_size(), 1);
  EXPECT_EQ(model.opset_import(0).domain(), "");
  EXPECT_EQ(model.opset_import(0).version(), 13);

  ASSERT_EQ(model.graph().input_size(), 1);
  const auto& input = model.graph().input(0).type().tensor_type();
  EXPECT_EQ(input.elem_type(), onnx::TensorProto::FLOAT);
  ASSERT_EQ(input.shape().dim_size(), 2);
  EXPECT_EQ(input.shape().dim(0).dim_param(), "batch");
  EXPECT_EQ(input.shape().dim(1).dim_value(), 2);

  ASSERT_EQ(model.graph().output_size(), 2);
  EXPECT_EQ(model.graph().output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
  EXPECT_EQ(model.graph().output(1).type().tensor_type().elem_type(), onnx::TensorProto::INT64);
  EXPECT_EQ(model.graph().output(1).type().tensor_type().shape().dim_size(), 2);

  const onnx::TensorProto& weight = MessageInitializer(model, "w");
  EXPECT_EQ(MessageShape(weight), (Shape{3, 2}));
  ASSERT_EQ(weight.raw_data().size(), 24U);
  float last = 0.0F;
  std::memcpy(&last, weight.raw_data().data() + 20, sizeof last);
  EXPECT_EQ(last, 6.0F);
}

TEST(WriteOnnx, WholeNumbersInFloatAttributesAreFloats) {
  const onnx::ModelProto model = Written(ScaledGemm());
  const onnx::NodeProto& gemm = MessageProducer(model, "y");
  EXPECT_EQ(gemm.op_type(), "Gemm");
  ASSERT_NE(MessageAttribute(gemm, "alpha"), nullptr);
  EXPECT_EQ(MessageAttribute(gemm, "alpha")->type(), onnx::AttributeProto::FLOAT);
  EXPECT_EQ(MessageAttribute(gemm, "alpha")->f(), 2.0F);
  EXPECT_EQ(MessageAttribute(gemm, "transB")->type(), onnx::AttributeProto::INT);
}

// ONNX's table of releases; before version 4 initializers had to be inputs too.
TEST(WriteOnnx, IrVersionComesWithTheOpset) {
  const std::map<int64_t, int64_t> wanted = {{7, 4},  {9, 4},  {10, 5}, {11, 6},
                                             {13, 7}, {17, 8}, {19, 9}, {21, 10}};
  for (const auto& [opset, version] : wanted) {
    Graph graph = ScaledGemm();
    graph.opset = opset;
    EXPECT_EQ(Written(graph).ir_version(), version) << opset;
  }
}

TEST(WriteOnnx, PreprocessIsMetadata) {
  Graph graph = ScaledGemm();
  EXPECT_EQ(Written(graph).metadata_props_size(), 0);
  Preprocess preprocess;
  preprocess.scale = 0.5;
  preprocess.mean = {1.0, 2.0};
  preprocess.resize = 8;
  graph.inputs[0].preprocess = preprocess;
  const auto json = nlohmann::json::parse(MessageMetadata(Written(graph), "adaround.preprocess"));
  const auto wanted = nlohmann::json::parse(
      R"({"x": {"scale": 0.5, "mean": [1.0, 2.0], "std": [1.0], "resize": 8}})");
  EXPECT_EQ(json, wanted);
}

TEST(WriteOnnx, PreprocessOfChannelsLastIsReadBack) {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 8, 8, 3})};
  graph.inputs[0].preprocess.emplace();
  graph.inputs[0].preprocess->mean = {1.0, 2.0, 3.0};
  graph.nodes = {Op("Relu", {"x"}, {"y"})};
  graph.outputs = {"y"};
  const ScratchFolder folder;
  WriteOnnx(folder / "m.onnx", graph);
  const Graph read = ReadOnnxModel(folder / "m.onnx").graph;
  ASSERT_TRUE(read.inputs[0].preprocess.has_value());
  EXPECT_EQ(read.inputs[0].preprocess->mean, (std::vector<double>{1.0, 2.0, 3.0}));
  // Eight rows are not eight channels.
  graph.inputs[0].preprocess->mean.assign(8, 0.0);
  WriteOnnx(folder / "m.onnx", graph);
  ExpectError(ErrorCode::kMalformed, {"8 values, wanted 1 or one per channel (3)"},
              [&] { ReadOnnxModel(folder / "m.onnx"); });
}

TEST(WriteOnnx, AttributesOfOtherDomainsKeepTheirTypes) {
  Graph graph = ScaledGemm();
  graph.nodes[1].op = "com.example::Best";
  graph.nodes[1].attributes = {{"bias", int64_t{1}},
                               {"scale", 2.0},
                               {"scales", testing::IntList({3, 4})},
                               {"value_floats", std::vector<double>{5.0}}};
  const onnx::ModelProto model = Written(graph);
  const onnx::NodeProto& node = MessageProducer(model, "best");
  EXPECT_EQ(MessageAttribute(node, "bias")->type(), onnx::AttributeProto::INT);
  EXPECT_EQ(MessageAttribute(node, "bias")->i(), 1);
  EXPECT_EQ(MessageAttribute(node, "scale")->type(), onnx::AttributeProto::FLOAT);
  EXPECT_EQ(MessageAttribute(node, "scales")->type(), onnx::AttributeProto::INTS);
  EXPECT_EQ(MessageAttribute(node, "scales")->ints(1), 4);
  EXPECT_EQ(MessageAttribute(node, "value_floats")->type(), onnx::AttributeProto::FLOATS);
}

TEST(WriteOnnx, OtherDomainsKeepTheirNames) {
  Graph graph = ScaledGemm();
  graph.nodes[1].op = "com.example::Best";
  const onnx::ModelProto model = Written(graph);
  EXPECT_EQ(MessageProducer(model, "best").domain(), "com.example");
  EXPECT_EQ(MessageProducer(model, "best").op_type(), "Best");
  ASSERT_EQ(model.opset_import_size(), 2);
  EXPECT_EQ(model.opset_import(1).domain(), "com.example");
}

TEST(WriteOnnx, SameGraphSameBytes) {
  const ScratchFolder folder;
  WriteOnnx(folder / "a.onnx", ScaledGemm());
  WriteOnnx(folder / "b.onnx", ScaledGemm());
  EXPECT_EQ(testing::ReadBytes(folder / "a.onnx"), testing::ReadBytes(folder / "b.onnx"));
  WriteQuantizedOnnx(folder / "a.onnx", TinyModel());
  WriteQuantizedOnnx(folder / "b.onnx", TinyModel());
  EXPECT_EQ(testing::ReadBytes(folder / "a.onnx"), testing::ReadBytes(folder / "b.onnx"));
}

TEST(WriteOnnx, RefusesWhatOneMessageCannotHold) {
  const ScratchFolder folder;
  Graph graph = ScaledGemm();
  // Never touched, so it takes no memory.
  graph.initializers["w"] = Tensor(DType::kUInt8, {int64_t{1} << 31});
  ExpectError(ErrorCode::kUnsupported, {"model.onnx", "2 GiB"},
              [&] { WriteOnnx(folder / "model.onnx", graph); });
  EXPECT_FALSE(std::filesystem::exists(folder / "model.onnx"));
}

// Whoever reads the graph asks such an attribute for nothing, so that only the writer meets it.
TEST(WriteOnnx, NamesTheFileAndTheAttributeOfAnotherType) {
  const ScratchFolder folder;
  Graph graph = ScaledGemm();
  graph.nodes.push_back({"cast", "Cast", {"x"}, {"unread"}, {{"to", 1.5}}});
  ExpectError(ErrorCode::kMalformed, {"model.onnx", "'cast'", "'to'"},
              [&] { WriteOnnx(folder / "model.onnx", graph); });
  EXPECT_FALSE(std::filesystem::exists(folder / "model.onnx"));
}

TEST(WriteOnnx, NamesAFileThatCannotBeWritten) {
  const ScratchFolder folder;
  ExpectError(ErrorCode::kIo, {"missing/model.onnx"},
              [&] { WriteOnnx(folder / "missing/model.onnx", ScaledGemm()); });
}

TEST(WriteQuantizedOnnx, FourBitsAreNibbles) {
  const onnx::ModelProto model = Written(TinyModel());
  EXPECT_EQ(model.opset_import(0).version(), 21);
  EXPECT_EQ(model.ir_version(), 10);
  const onnx::NodeProto& dequantize = MessageProducer(model, "w");
  EXPECT_EQ(dequantize.op_type(), "DequantizeLinear");
  ASSERT_EQ(dequantize.input_size(), 3);
  EXPECT_EQ(MessageAttribute(dequantize, "axis")->i(), 0);
  const onnx::TensorProto& integers = MessageInitializer(model, dequantize.input(0));
  EXPECT_EQ(integers.data_type(), kInt4Code);
  EXPECT_EQ(MessageShape(integers), (Shape{2, 3}));
  // -8, 7 | 1, 0 | -1, 2: the first of two in the low nibble.
  EXPECT_EQ(integers.raw_data(), std::string("\x78\x01\x2F", 3));
  EXPECT_EQ(MessageInitializer(model, dequantize.input(1)).raw_data(),
            std::string("\0\0\0\x3F\0\0\x80\x3E", 8));
  EXPECT_EQ(MessageInitializer(model, dequantize.input(2)).raw_data(), std::string(1, '\0'));
  EXPECT_EQ(MessageProducer(model, "y").input(1), "w");
}

TEST(WriteQuantizedOnnx, TypeFollowsBitsAndSign) {
  for (const int bit_width : {2, 3, 4, 5, 6, 7, 8}) {
    for (const bool symmetric : {true, false}) {
      QuantizedModel model = TinyModel();
      model.weights["w"] = testing::RandomQuantizedTensor(
          {2, 3}, {0, 1}, {bit_width, symmetric, Granularity::kPerTensor, 0}, 3);
      const onnx::ModelProto message = Written(model);
      const onnx::NodeProto& dequantize = MessageProducer(message, "w");
      const int narrow = symmetric ? kInt4Code : kUInt4Code;
      const int wide = symmetric ? kInt8Code : kUInt8Code;
      const onnx::TensorProto& integers = MessageInitializer(message, dequantize.input(0));
      EXPECT_EQ(integers.data_type(), bit_width <= 4 ? narrow : wide);
      EXPECT_EQ(message.opset_import(0).version(), bit_width <= 4 ? 21 : 13);
      const std::vector<int16_t>& stored = model.weights["w"].integers;
      EXPECT_EQ(MessageIntegers(integers), std::vector<int64_t>(stored.begin(), stored.end()));
      EXPECT_EQ(MessageInitializer(message, dequantize.input(1)).dims_size(), 0);
    }
  }
}

// Every way of storing a layer, dequantized by the letter of ONNX's definition.
TEST(WriteQuantizedOnnx, MeansTheModel) {
  for (const testing::LayerCase& layer : testing::LayerCases()) {
    for (const testing::GridChoice& choice : testing::GridChoices()) {
      if (choice.bit_width != 3 && choice.bit_width != 7) continue;
      SCOPED_TRACE(layer.name + " " + testing::GridName(choice));
      const QuantizedModel model = testing::LayerModel(layer, choice, choice.symmetric);
      const Graph exported = testing::DequantizedGraph(Written(model));
      ASSERT_EQ(exported.Validate(), std::vector<std::string>());
      const Tensor x = testing::RandomTensor(layer.input, 3);
      const Tensor wanted = testing::RunGraph(model.Dequantized(), {{"x", x}}, {"y"}).at("y");
      const Tensor found = testing::RunGraph(exported, {{"x", x}}, {"y"}).at("y");
      EXPECT_LT(testing::RelativeDifference(found, wanted), 1e-5);
    }
  }
}

TEST(WriteQuantizedOnnx, SharedWeightsAndClashingNamesAreRenamed) {
  const QuantizedModel model = testing::SharedWeightModel();
  const Graph exported = testing::DequantizedGraph(Written(model));
  ASSERT_EQ(exported.Validate(), std::vector<std::string>());
  const Tensor x = testing::RandomTensor({3, 16}, 4);
  const Tensor wanted = testing::RunGraph(model.Dequantized(), {{"x", x}}, {"y"}).at("y");
  const Tensor found = testing::RunGraph(exported, {{"x", x}}, {"y"}).at("y");
  EXPECT_LT(testing::RelativeDifference(found, wanted), 1e-5);
}

// The matrix products that runtimes would run on rounded inputs.
TEST(WriteQuantizedOnnx, ProductsAreTransposedGemms) {
  for (const testing::LayerCase& layer : testing::LayerCases()) {
    if (layer.op != "MatMul" && layer.op != "Gemm") continue;
    SCOPED_TRACE(layer.name);
    const onnx::ModelProto model =
        Written(testing::LayerModel(layer, {4, true, Granularity::kPerGroup, 16}, true));
    int num_products = 0;
    for (const onnx::NodeProto& node : model.graph().node()) {
      EXPECT_NE(node.op_type(), "MatMul");
      EXPECT_NE(node.op_type(), "Add");
      if (node.op_type() != "Gemm") continue;
      ++num_products;
      ASSERT_NE(MessageAttribute(node, "transB"), nullptr);
      EXPECT_EQ(MessageAttribute(node, "transB")->i(), 1);
      EXPECT_EQ(node.input_size(), 3);
    }
    EXPECT_EQ(num_products, 1);
  }
}

TEST(WriteQuantizedOnnx, ActivationsAreQuantizedAndDequantized) {
  QuantizedModel model = TinyModel();
  model.activations["x"] = {8, 0.5F, 128};
  model.activations["y"] = {6, 0.25F, 10};
  const onnx::ModelProto message = Written(model);
  // The network's input keeps its name, its reader sees the dequantized value.
  const onnx::NodeProto& gemm = MessageProducer(message, "y_float");
  EXPECT_EQ(gemm.op_type(), "Gemm");
  const onnx::NodeProto& x_dequantize = MessageProducer(message, gemm.input(0));
  EXPECT_EQ(x_dequantize.op_type(), "DequantizeLinear");
  const onnx::NodeProto& x_quantize = MessageProducer(message, x_dequantize.input(0));
  EXPECT_EQ(x_quantize.op_type(), "QuantizeLinear");
  EXPECT_EQ(x_quantize.input(0), "x");
  const onnx::TensorProto& zero_point = MessageInitializer(message, x_quantize.input(2));
  EXPECT_EQ(zero_point.data_type(), kUInt8Code);
  EXPECT_EQ(MessageIntegers(zero_point), (std::vector<int64_t>{128}));
  EXPECT_EQ(x_dequantize.input(1), x_quantize.input(1));
  EXPECT_EQ(x_dequantize.input(2), x_quantize.input(2));

  // 6 bits: clipped to 0.25 * (0 - 10) ... 0.25 * (63 - 10) first; the output keeps its name.
  const onnx::NodeProto& y_dequantize = MessageProducer(message, "y");
  EXPECT_EQ(y_dequantize.op_type(), "DequantizeLinear");
  const onnx::NodeProto& y_quantize = MessageProducer(message, y_dequantize.input(0));
  const onnx::NodeProto& clip = MessageProducer(message, y_quantize.input(0));
  EXPECT_EQ(clip.op_type(), "Clip");
  EXPECT_EQ(clip.input(0), "y_float");
  const auto bound = [&](int index) {
    return testing::MessageTensor(MessageInitializer(message, clip.input(index))).data<float>()[0];
  };
  EXPECT_EQ(bound(1), -2.5F);
  EXPECT_EQ(bound(2), 13.25F);
  ASSERT_EQ(message.graph().output_size(), 1);
  EXPECT_EQ(message.graph().output(0).name(), "y");
  EXPECT_EQ(message.graph().output(0).type().tensor_type().elem_type(), onnx::TensorProto::FLOAT);
}

TEST(WriteQuantizedOnnx, BiasesAreDequantizedIntegers) {
  QuantizedModel model = TinyModel();
  model.graph.nodes[0].inputs.push_back("b");
  model.biases["b"] = {{100'000, -3}, {0.5F, 0.125F}};
  const onnx::ModelProto message = Written(model);
  const onnx::NodeProto& dequantize = MessageProducer(message, "b");
  const onnx::TensorProto& integers = MessageInitializer(message, dequantize.input(0));
  EXPECT_EQ(integers.data_type(), kInt32Code);
  EXPECT_EQ(MessageIntegers(integers), (std::vector<int64_t>{100'000, -3}));
  const Tensor values = testing::NaiveDequantize(message, dequantize);
  EXPECT_EQ(values.data<float>()[0], 50'000.0F);
  EXPECT_EQ(values.data<float>()[1], -0.375F);
}

TEST(WriteQuantizedOnnx, SaysWhereItComesFrom) {
  QuantizedModel model = TinyModel();
  model.provenance = {{"method", "nearest"}, {"version", "1"}};
  const onnx::ModelProto message = Written(model);
  EXPECT_EQ(MessageMetadata(message, "adaround.export"), "qdq");
  EXPECT_EQ(nlohmann::json::parse(MessageMetadata(message, "adaround.provenance")),
            nlohmann::json::parse(R"({"method": "nearest", "version": "1"})"));
}

TEST(WriteQuantizedOnnx, OlderGraphsAreLifted) {
  QuantizedModel model = TinyModel();
  model.graph.opset = 10;
  model.graph.outputs = {"z"};
  model.graph.nodes.push_back(Op("Clip", {"y"}, {"z"}, {{"min", -1.0}, {"max", 1.0}}));
  const onnx::ModelProto message = Written(model);
  EXPECT_EQ(message.opset_import(0).version(), 21);
  EXPECT_EQ(MessageProducer(message, "z").input_size(), 3);
}

TEST(WriteQuantizedOnnx, RefusesWhatIsNotSound) {
  const ScratchFolder folder;
  const auto write = [&](const QuantizedModel& model) {
    WriteQuantizedOnnx(folder / "model.onnx", model);
  };
  QuantizedModel model = TinyModel();
  model.weights["w"].integers[0] = 9;
  ExpectError(ErrorCode::kInvalidArgument, {"'w'", "9"}, [&] { write(model); });
  model = TinyModel();
  model.activations["nowhere"] = {8, 1.0F, 0};
  ExpectError(ErrorCode::kInvalidArgument, {"model.onnx", "'nowhere'"}, [&] { write(model); });
  model = TinyModel();
  model.activations["x"] = {8, 1.0F, 0};
  model.graph.outputs.emplace_back("x");
  ExpectError(ErrorCode::kUnsupported, {"'x'", "outputs"}, [&] { write(model); });
  model = TinyModel();
  model.biases["w2"] = {{1, 2, 3}, {1.0F, 1.0F}};
  ExpectError(ErrorCode::kInvalidArgument, {"'w2'", "2 scales"}, [&] { write(model); });
  EXPECT_FALSE(std::filesystem::exists(folder / "model.onnx"));
}

}  // namespace
}  // namespace adaround
