#include "adaround/io/onnx_import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "adaround/io/onnx_export.h"
#include "io/onnx_reading.h"

namespace adaround {
namespace {

using testing::Body;
using testing::ExpectRefused;
using testing::FloatAttribute;
using testing::FloatTensorProto;
using testing::GraphAttribute;
using testing::IntAttribute;
using testing::IntsAttribute;
using testing::IntTensorProto;
using testing::OnnxBuilder;
using testing::Read;
using testing::ScratchFolder;
using testing::SmallModel;
using testing::StringAttribute;
using testing::TensorAttribute;

TEST(OnnxImport, ReadsGraphInOrder) {
  OnnxBuilder builder = SmallModel();
  builder.graph().mutable_node()->SwapElements(0, 1);
  const OnnxModel model = Read(builder);
  const Graph& graph = model.graph;
  EXPECT_EQ(graph.opset, 17);
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].name, "x");
  EXPECT_EQ(graph.inputs[0].dtype, DType::kFloat32);
  EXPECT_EQ(graph.inputs[0].shape, (Shape{-1, 2}));
  EXPECT_EQ(graph.inputs[0].symbols, (std::vector<std::string>{"N", ""}));
  EXPECT_EQ(graph.outputs, (std::vector<std::string>{"y"}));
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[0].name, "product");
  EXPECT_EQ(graph.nodes[0].op, "MatMul");
  EXPECT_EQ(graph.nodes[1].name, "Relu_0");
  EXPECT_EQ(graph.nodes[1].inputs, (std::vector<std::string>{"h"}));
  EXPECT_EQ(graph.initializers.at("w").data<float>()[1], -2);
  EXPECT_FALSE(model.is_quantized);
  EXPECT_FALSE(model.is_own_export);
}

TEST(OnnxImport, ReadsAttributesOfEveryType) {
  OnnxBuilder builder;
  onnx::AttributeProto floats;
  floats.set_name("floats");
  floats.set_type(onnx::AttributeProto::FLOATS);
  floats.add_floats(0.5F);
  onnx::AttributeProto strings;
  strings.set_name("strings");
  strings.set_type(onnx::AttributeProto::STRINGS);
  strings.add_strings("a");
  strings.add_strings(std::string("b\0", 2));
  onnx::AttributeProto untyped;  // as the first releases wrote them
  untyped.set_name("untyped");
  untyped.add_ints(7);
  onnx::AttributeProto unwritten;  // a zero may be left out
  unwritten.set_name("unwritten");
  unwritten.set_type(onnx::AttributeProto::INT);
  builder.AddNode("Anything", {}, {"y"},
                  {IntAttribute("int", -3), FloatAttribute("float", 0.25F),
                   FloatAttribute("low", -std::numeric_limits<float>::infinity()),
                   StringAttribute("string", "text"), IntsAttribute("ints", {1, -2}),
                   IntsAttribute("none", {}), floats, strings, untyped, unwritten,
                   TensorAttribute("tensor", IntTensorProto("", {2}, {4, 5}))});
  builder.AddOutput("y");
  const OnnxModel model = Read(builder);
  const Node& node = model.graph.nodes.at(0);
  EXPECT_EQ(node.GetInt("int", 0), -3);
  EXPECT_EQ(node.GetFloat("float", 0), 0.25);
  EXPECT_TRUE(std::isinf(node.GetFloat("low", 0)));
  EXPECT_EQ(node.GetString("string", ""), "text");
  EXPECT_EQ(node.GetInts("ints", {}), (std::vector<int64_t>{1, -2}));
  EXPECT_EQ(node.GetInts("none", {9}), std::vector<int64_t>{});
  EXPECT_EQ(node.GetFloats("floats", {}), std::vector<double>{0.5});
  EXPECT_EQ(std::get<std::vector<std::string>>(node.attributes.at("strings")),
            (std::vector<std::string>{"a", std::string("b\0", 2)}));
  EXPECT_EQ(node.GetInts("untyped", {}), std::vector<int64_t>{7});
  EXPECT_EQ(node.GetInt("unwritten", 9), 0);
  EXPECT_EQ(ToInt64Vector(std::get<Tensor>(node.attributes.at("tensor"))),
            (std::vector<int64_t>{4, 5}));
}

TEST(OnnxImport, RefusesAttributes) {
  const auto refuses = [](const onnx::AttributeProto& attribute, const char* fragment,
                          ErrorCode code = ErrorCode::kMalformed) {
    OnnxBuilder builder;
    builder.AddNode("Anything", {}, {"y"}, {attribute});
    builder.AddOutput("y");
    ExpectRefused(builder, code, {"node 'Anything_0' (Anything)", fragment});
  };
  onnx::AttributeProto attribute = IntAttribute("a", 1);
  attribute.set_f(1);
  refuses(attribute, "attribute 'a': has values of two types");
  attribute = IntAttribute("a", 1);
  attribute.set_type(onnx::AttributeProto::FLOAT);
  refuses(attribute, "stated to be FLOAT and has a value of type INT");
  attribute.Clear();
  attribute.set_name("a");
  refuses(attribute, "has neither type nor value");
  attribute.set_type(onnx::AttributeProto::TENSOR);
  refuses(attribute, "has no value");
  attribute = IntAttribute("", 1);
  refuses(attribute, "an attribute has no name");
  attribute = IntAttribute("a", 1);
  attribute.set_ref_attr_name("b");
  refuses(attribute, "of a function");
  refuses(FloatAttribute("a", std::numeric_limits<float>::quiet_NaN()), "is NaN");
  refuses(GraphAttribute("a", Body("x")), "type GRAPH", ErrorCode::kUnsupported);
  refuses(TensorAttribute("a", FloatTensorProto("", {2}, {1})), "attribute 'a': has 1 elements");
  OnnxBuilder twice;
  twice.AddNode("Anything", {}, {"y"}, {IntAttribute("a", 1), IntAttribute("a", 1)});
  twice.AddOutput("y");
  ExpectRefused(twice, ErrorCode::kMalformed, {"attribute 'a': is given twice"});
}

TEST(OnnxImport, BodiesAreDroppedAndTheirNodesKept) {
  OnnxBuilder builder;
  builder.AddInput("x", {-1, 2});
  builder.AddInput("condition", {}, onnx_type::kBool);
  builder.AddNode("Abs", {"x"}, {"outer"});
  builder.AddNode("If", {"condition"}, {"y"},
                  {GraphAttribute("then_branch", Body("outer")),
                   GraphAttribute("else_branch", Body("nowhere"))});
  builder.AddOutput("y");
  const Graph graph = Read(builder).graph;
  ASSERT_EQ(graph.nodes.size(), 2u);
  EXPECT_EQ(graph.nodes[1].op, "If");
  ASSERT_EQ(graph.nodes[1].attributes.size(), 1u);
  EXPECT_EQ(graph.nodes[1].GetString(kUnreadAttributes, ""), "then_branch else_branch");
  EXPECT_EQ(graph.inputs[1].shape, Shape{});
  // A file with an If that has no body would be another model.
  const ScratchFolder folder;
  const std::filesystem::path path = folder / "if.onnx";
  try {
    WriteOnnx(path, graph);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(error.what()).find("(If: then_branch else_branch)"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(OnnxImport, BodiesNestedTooDeepAreRefused) {
  onnx::GraphProto body = Body("x");
  for (int i = 0; i < 25; ++i) {
    onnx::GraphProto outer;
    onnx::NodeProto* node = outer.add_node();
    node->set_op_type("If");
    node->add_output("inner");
    *node->add_attribute() = GraphAttribute("then_branch", std::move(body));
    outer.add_output()->set_name("inner");
    body = std::move(outer);
  }
  OnnxBuilder builder;
  builder.graph() = std::move(body);
  ExpectRefused(builder, ErrorCode::kUnsupported, {"nested deeper than 64"});
}

TEST(OnnxImport, OtherDomainsAreNamed) {
  OnnxBuilder builder = SmallModel();
  builder.AddNode("Gelu", {"h"}, {"z"}, {GraphAttribute("body", Body("h"))})
      ->set_domain("com.example");
  builder.AddNode("Scaler", {"h"}, {"v"})->set_domain("ai.onnx.ml");
  builder.AddNode("Abs", {"h"}, {"u"})->set_domain("ai.onnx");
  onnx::OperatorSetIdProto* other = builder.proto().add_opset_import();
  other->set_domain("com.example");
  other->set_version(99);
  const Graph graph = Read(builder).graph;
  ASSERT_EQ(graph.nodes.size(), 5u);
  EXPECT_EQ(graph.nodes[2].op, "com.example::Gelu");
  EXPECT_EQ(graph.nodes[2].name, "com.example::Gelu_2");
  EXPECT_EQ(graph.nodes[3].op, "ai.onnx.ml::Scaler");
  EXPECT_EQ(graph.nodes[4].op, "Abs");
}

TEST(OnnxImport, NodeNamesBecomeUnique) {
  OnnxBuilder builder;
  builder.AddInput("x", {1});
  const std::vector<std::string> names = {"", "Abs_0", "same", "same", "same_2", "same"};
  for (size_t i = 0; i < names.size(); ++i) {
    builder.AddNode("Abs", {"x"}, {"y" + std::to_string(i)})->set_name(names[i]);
  }
  builder.AddOutput("y0");
  std::vector<std::string> found;
  for (const Node& node : Read(builder).graph.nodes) found.push_back(node.name);
  EXPECT_EQ(found,
            (std::vector<std::string>{"Abs_0_2", "Abs_0", "same", "same_3", "same_2", "same_4"}));
}

TEST(OnnxImport, ConstantNodesBecomeInitializers) {
  OnnxBuilder builder(21, 10);
  onnx::AttributeProto floats;
  floats.set_name("value_floats");
  floats.set_type(onnx::AttributeProto::FLOATS);
  floats.add_floats(0.5F);
  builder.AddNode("Constant", {}, {"a"},
                  {TensorAttribute("value", FloatTensorProto("", {1}, {3}))});
  builder.AddNode("Constant", {}, {"b"}, {FloatAttribute("value_float", 2.5F)});
  builder.AddNode("Constant", {}, {"c"}, {IntAttribute("value_int", -4)});
  builder.AddNode("Constant", {}, {"d"}, {IntsAttribute("value_ints", {5, 6})});
  builder.AddNode("Constant", {}, {"e"}, {floats});
  builder.AddNode(
      "Constant", {}, {"f"},
      {TensorAttribute("value", testing::RawTensorProto("", onnx_type::kInt4, {3}, "\x8F\x07"))});
  builder.AddOutput("a");
  const Graph graph = Read(builder).graph;
  EXPECT_TRUE(graph.nodes.empty());
  EXPECT_EQ(graph.initializers.at("a").data<float>()[0], 3);
  EXPECT_EQ(graph.initializers.at("b").shape(), Shape{});
  EXPECT_EQ(graph.initializers.at("b").data<float>()[0], 2.5F);
  EXPECT_EQ(graph.initializers.at("c").data<int64_t>()[0], -4);
  EXPECT_EQ(ToInt64Vector(graph.initializers.at("d")), (std::vector<int64_t>{5, 6}));
  EXPECT_EQ(graph.initializers.at("e").data<float>()[0], 0.5F);
  EXPECT_EQ(ToInt64Vector(graph.initializers.at("f")), (std::vector<int64_t>{-1, -8, 7}));
}

TEST(OnnxImport, RefusesConstants) {
  const auto refuses = [](const std::vector<onnx::AttributeProto>& attributes, ErrorCode code,
                          const char* fragment) {
    OnnxBuilder builder;
    builder.AddNode("Constant", {}, {"y"}, attributes);
    builder.AddOutput("y");
    ExpectRefused(builder, code, {"node 'Constant_0'", fragment});
  };
  onnx::AttributeProto sparse;
  sparse.set_name("sparse_value");
  sparse.set_type(onnx::AttributeProto::SPARSE_TENSOR);
  sparse.mutable_sparse_tensor();
  refuses({sparse}, ErrorCode::kUnsupported, "SPARSE_TENSOR");
  refuses({StringAttribute("value_string", "a")}, ErrorCode::kUnsupported,
          "'value_string' is not supported");
  refuses({}, ErrorCode::kMalformed, "one attribute");
  refuses({IntAttribute("value_int", 1), FloatAttribute("value_float", 1)}, ErrorCode::kMalformed,
          "one attribute");
  OnnxBuilder twice = SmallModel();
  twice.AddNode("Constant", {}, {"w"}, {IntAttribute("value_int", 1)});
  ExpectRefused(twice, ErrorCode::kMalformed, {"'w' is defined twice"});
}

TEST(OnnxImport, InputsOfOldModelsThatAreInitializersAreNone) {
  OnnxBuilder builder = SmallModel(8);
  builder.proto().set_ir_version(3);
  builder.AddInput("w", {2, 1});
  const Graph graph = Read(builder).graph;
  ASSERT_EQ(graph.inputs.size(), 1u);
  EXPECT_EQ(graph.inputs[0].name, "x");
  EXPECT_TRUE(graph.initializers.contains("w"));
}

TEST(OnnxImport, ReadsInputsOfEveryKind) {
  OnnxBuilder builder;
  builder.AddInput("scalar", {});
  builder.AddInput("half", {1, -1}, onnx_type::kFloat16);
  builder.AddInput("double", {3}, onnx_type::kDouble);
  builder.AddInput("bytes", {3}, onnx_type::kUInt8);
  onnx::ValueInfoProto* unnamed = builder.AddInput("unnamed", {});
  for (int i = 0; i < 2; ++i) {
    unnamed->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim();
  }
  unnamed->mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(-1);
  builder.AddNode("Any", {"scalar", "half", "double", "bytes", "unnamed"}, {"y"});
  builder.AddOutput("y");
  const std::vector<GraphInput> inputs = Read(builder).graph.inputs;
  ASSERT_EQ(inputs.size(), 5u);
  EXPECT_EQ(inputs[0].shape, Shape{});
  EXPECT_EQ(inputs[1].dtype, DType::kFloat32);
  EXPECT_EQ(inputs[1].shape, (Shape{1, -1}));
  EXPECT_EQ(inputs[2].dtype, DType::kFloat32);
  EXPECT_EQ(inputs[3].dtype, DType::kUInt8);
  EXPECT_EQ(inputs[4].shape, (Shape{-1, -1, -1}));
  EXPECT_EQ(inputs[4].symbols, (std::vector<std::string>{"N", "dim_1", "dim_2"}));
}

TEST(OnnxImport, InputWithoutShapeHasTheRankThatItsReaderWants) {
  const auto with_reader = [](const auto& add_reader) {
    OnnxBuilder builder;
    builder.AddInput("x", {})->mutable_type()->mutable_tensor_type()->clear_shape();
    add_reader(builder);
    builder.AddOutput("y");
    return builder;
  };
  EXPECT_EQ(Read(with_reader([](OnnxBuilder& builder) {
              builder.AddInitializer(FloatTensorProto("w", {1, 1, 1, 1}, {1}));
              builder.AddNode("Conv", {"x", "w"}, {"y"});
            }))
                .graph.inputs[0]
                .shape,
            (Shape{-1, -1, -1, -1}));
  EXPECT_EQ(Read(with_reader([](OnnxBuilder& builder) {
              builder.AddNode("MaxPool", {"x"}, {"y"}, {IntsAttribute("kernel_shape", {2})});
            }))
                .graph.inputs[0]
                .shape,
            (Shape{-1, -1, -1}));
  ExpectRefused(with_reader([](OnnxBuilder& builder) { builder.AddNode("Relu", {"x"}, {"y"}); }),
                ErrorCode::kUnsupported, {"graph input 'x' has no shape"});
}

TEST(OnnxImport, RefusesInputs) {
  const auto refuses = [](const auto& change, ErrorCode code, const char* fragment) {
    OnnxBuilder builder = SmallModel();
    change(*builder.graph().mutable_input(0));
    ExpectRefused(builder, code, {fragment});
  };
  using Value = onnx::ValueInfoProto;
  refuses([](Value& value) { value.clear_type(); }, ErrorCode::kUnsupported,
          "graph input 'x': is no tensor");
  refuses([](Value& value) { value.mutable_type()->mutable_sequence_type(); },
          ErrorCode::kUnsupported, "is no tensor");
  refuses(
      [](Value& value) {
        value.mutable_type()->mutable_tensor_type()->set_elem_type(onnx_type::kString);
      },
      ErrorCode::kUnsupported, "graph input 'x': has strings");
  refuses(
      [](Value& value) {
        value.mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(1)->set_dim_value(
            -2);
      },
      ErrorCode::kMalformed, "negative extent -2");
  refuses(
      [](Value& value) {
        for (int i = 0; i < 7; ++i) {
          value.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim();
        }
      },
      ErrorCode::kUnsupported, "9 dimensions, at most 8");
  refuses(
      [](Value& value) {
        for (int i = 0; i < 2; ++i) {
          value.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(
              int64_t{1} << 42);
        }
      },
      ErrorCode::kMalformed, "its size overflows");
  refuses([](Value& value) { value.set_name(""); }, ErrorCode::kMalformed, "no name");
}

TEST(OnnxImport, OtherFloatsBecomeFloat32AlsoInCasts) {
  OnnxBuilder builder = SmallModel();
  builder.AddNode("Cast", {"h"}, {"half"}, {IntAttribute("to", onnx_type::kFloat16)});
  builder.AddNode("Cast", {"h"}, {"whole"}, {IntAttribute("to", onnx_type::kInt64)});
  const Graph graph = Read(builder).graph;
  EXPECT_EQ(graph.nodes[2].GetInt("to", 0), onnx_type::kFloat);
  EXPECT_EQ(graph.nodes[3].GetInt("to", 0), onnx_type::kInt64);
}

TEST(OnnxImport, QuantizeLinearKeepsFourBitRange) {
  OnnxBuilder builder(21, 10);
  builder.AddInput("x", {-1, 2});
  builder.AddInitializer(FloatTensorProto("scale", {}, {0.5}));
  builder.AddInitializer(
      testing::RawTensorProto("zero", onnx_type::kInt4, {}, std::string("\0", 1)));
  builder.AddNode("QuantizeLinear", {"x", "scale", "zero"}, {"y"});
  builder.AddOutput("y");
  const OnnxModel model = Read(builder);
  EXPECT_TRUE(model.is_quantized);
  EXPECT_EQ(model.graph.nodes[0].GetInt("output_dtype", 0), onnx_type::kInt4);
  EXPECT_EQ(model.graph.initializers.at("zero").dtype(), DType::kInt8);
}

TEST(OnnxImport, TellsQuantizedModels) {
  const auto is_quantized = [](const std::string& op, const std::string& domain) {
    OnnxBuilder builder = SmallModel();
    builder.AddNode(op, {"h"}, {"z"})->set_domain(domain);
    return Read(builder).is_quantized;
  };
  for (const char* op : {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear",
                         "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}) {
    EXPECT_TRUE(is_quantized(op, "")) << op;
  }
  for (const char* op : {"QLinearAdd", "QuantizeLinear", "DequantizeLinear", "QGemm", "QAttention",
                         "MatMulNBits", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"}) {
    EXPECT_TRUE(is_quantized(op, "com.microsoft")) << op;
  }
  EXPECT_FALSE(is_quantized("Relu", ""));
  EXPECT_FALSE(is_quantized("Gelu", "com.microsoft"));
  OnnxBuilder inside = SmallModel();
  onnx::GraphProto body = Body("h");
  body.mutable_node(0)->set_op_type("DequantizeLinear");
  inside.AddNode("If", {"h"}, {"z"}, {GraphAttribute("then_branch", body)});
  EXPECT_TRUE(Read(inside).is_quantized);
}

TEST(OnnxImport, ReadsMetadata) {
  OnnxBuilder builder = SmallModel();
  const auto add = [&](const std::string& key, const std::string& value) {
    onnx::StringStringEntryProto* entry = builder.proto().add_metadata_props();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("author", "somebody");
  add("adaround.export", "qdq");
  add("adaround.preprocess",
      R"({"x": {"scale": 0.5, "mean": [1, 2], "std": [3], "resize": 256, "crop": 224,
                "interpolation": "bilinear", "channel_order": "BGR"}})");
  const OnnxModel model = Read(builder);
  EXPECT_TRUE(model.is_own_export);
  EXPECT_EQ(model.metadata.at("author"), "somebody");
  const Preprocess& preprocess = model.graph.inputs[0].preprocess.value();
  EXPECT_EQ(preprocess.scale, 0.5);
  EXPECT_EQ(preprocess.mean, (std::vector<double>{1, 2}));
  EXPECT_EQ(preprocess.std, std::vector<double>{3});
  EXPECT_EQ(preprocess.resize, 256);
  EXPECT_EQ(preprocess.crop, 224);
  EXPECT_EQ(preprocess.interpolation, "bilinear");
  EXPECT_EQ(preprocess.channel_order, "BGR");
}

TEST(OnnxImport, RefusesMetadata) {
  const auto refuses = [](const std::string& preprocess, const char* fragment) {
    OnnxBuilder builder = SmallModel();
    onnx::StringStringEntryProto* entry = builder.proto().add_metadata_props();
    entry->set_key("adaround.preprocess");
    entry->set_value(preprocess);
    ExpectRefused(builder, ErrorCode::kMalformed, {"metadata 'adaround.preprocess'", fragment});
  };
  refuses("{", "end of input");
  refuses("[]", "expected an object");
  refuses(R"({"v": {}})", "no input 'v'");
  refuses(R"({"x": {"men": [0]}})", "did you mean 'mean'");
  refuses(R"({"x": {"mean": [0, 0, 0]}})", "3 values, wanted 1 or one per channel (2)");
  OnnxBuilder twice = SmallModel();
  for (int i = 0; i < 2; ++i) twice.proto().add_metadata_props()->set_key("a");
  ExpectRefused(twice, ErrorCode::kMalformed, {"the key 'a' twice"});
}

}  // namespace
}  // namespace adaround
