// Every operator's derivative against central differences of its forward kernel.
#include <gtest/gtest.h>

#include "gradient_testing.h"

namespace adaround {
namespace {

using testing::AllDifferent;
using testing::AwayFrom;
using testing::DifferenceCheck;
using testing::ExpectNodeDerivatives;
using testing::Floats;
using testing::Int64s;
using testing::IntList;
using testing::NodeCase;
using testing::RandomTensor;

// Linear in each input: a large step makes float32's noise small, and there is nothing else.
constexpr DifferenceCheck kLinear{.step = 0.5, .tolerance = 1e-4};

TEST(Gradient, ConvByInputWeightAndBias) {
  const Tensor bias = RandomTensor({6}, 3);
  const auto check = [&](const Shape& x, const Shape& w,
                         std::map<std::string, Attribute> attributes) {
    SCOPED_TRACE(ShapeToString(x) + " " + ShapeToString(w));
    ExpectNodeDerivatives({.op = "Conv",
                           .inputs = {RandomTensor(x, 1), RandomTensor(w, 2), bias},
                           .wrt = {0, 1, 2},
                           .attributes = std::move(attributes)},
                          kLinear);
  };
  check({1, 4, 7}, {6, 4, 3}, {});
  check({1, 4, 5, 6}, {6, 4, 3, 2}, {{"pads", IntList({1, 0, 2, 1})}});
  check({1, 3, 9, 9}, {6, 3, 3, 3},
        {{"strides", IntList({2, 3})}, {"pads", IntList({1, 1, 1, 1})}});
  check({1, 2, 4, 5, 4}, {6, 2, 2, 3, 2}, {{"strides", IntList({1, 2, 1})}});
  check({1, 4, 9, 8}, {6, 2, 3, 3}, {{"group", int64_t{2}}, {"dilations", IntList({2, 1})}});
  check({1, 6, 7, 7}, {6, 1, 3, 3}, {{"group", int64_t{6}}, {"pads", IntList({1, 1, 1, 1})}});
  check({1, 6, 8, 8}, {6, 1, 3, 3},
        {{"group", int64_t{6}},
         {"auto_pad", std::string("SAME_UPPER")},
         {"strides", IntList({2, 2})}});
  check({1, 40, 3, 3}, {6, 40, 1, 1}, {});
  check({1, 17, 1, 1}, {6, 17, 1, 1}, {});
}

TEST(Gradient, WideConvUsesWholeBlocks) {
  ExpectNodeDerivatives(
      {.op = "Conv",
       .inputs = {RandomTensor({1, 32, 6, 6}, 1), RandomTensor({48, 32, 3, 3}, 2)},
       .wrt = {0, 1},
       .attributes = {{"pads", IntList({1, 1, 1, 1})}}},
      kLinear);
  ExpectNodeDerivatives({.op = "Conv",
                         .inputs = {RandomTensor({1, 32, 9, 9}, 1), RandomTensor({32, 1, 3, 3}, 2)},
                         .wrt = {0, 1},
                         .attributes = {{"group", int64_t{32}}, {"strides", IntList({2, 2})}}},
                        kLinear);
}

TEST(Gradient, ConvTransposeByInputWeightAndBias) {
  const auto check = [&](const Shape& x, const Shape& w, int64_t channels,
                         std::map<std::string, Attribute> attributes) {
    SCOPED_TRACE(ShapeToString(x) + " " + ShapeToString(w));
    ExpectNodeDerivatives(
        {.op = "ConvTranspose",
         .inputs = {RandomTensor(x, 1), RandomTensor(w, 2), RandomTensor({channels}, 3)},
         .wrt = {0, 1, 2},
         .attributes = std::move(attributes)},
        kLinear);
  };
  check({1, 3, 5}, {3, 4, 3}, 4, {{"strides", IntList({2})}});
  check({1, 3, 4, 5}, {3, 4, 3, 2}, 4,
        {{"strides", IntList({2, 2})},
         {"pads", IntList({1, 0, 1, 1})},
         {"output_padding", IntList({1, 0})}});
  check({1, 6, 4, 4}, {6, 2, 3, 3}, 4, {{"group", int64_t{2}}, {"dilations", IntList({1, 2})}});
  check({1, 2, 3, 3, 3}, {2, 3, 2, 2, 2}, 3, {});
}

TEST(Gradient, Gemm) {
  for (const int64_t transpose_a : {0, 1}) {
    for (const int64_t transpose_b : {0, 1}) {
      for (const Shape& c : {Shape{4}, Shape{3, 4}, Shape{3, 1}, Shape{}}) {
        ExpectNodeDerivatives({.op = "Gemm",
                               .inputs = {RandomTensor(transpose_a ? Shape{5, 3} : Shape{3, 5}, 1),
                                          RandomTensor(transpose_b ? Shape{4, 5} : Shape{5, 4}, 2),
                                          RandomTensor(c, 3)},
                               .wrt = {0, 1, 2},
                               .attributes = {{"transA", transpose_a},
                                              {"transB", transpose_b},
                                              {"alpha", 0.7},
                                              {"beta", 1.3}}},
                              kLinear);
      }
    }
  }
  ExpectNodeDerivatives(
      {.op = "Gemm", .inputs = {RandomTensor({1, 5}, 1), RandomTensor({5, 4}, 2)}, .wrt = {0, 1}},
      kLinear);
}

TEST(Gradient, MatMulOfVectorsMatricesAndBatches) {
  const std::pair<Shape, Shape> cases[] = {
      {{3, 4}, {4, 2}},
      {{4}, {4, 2}},
      {{3, 4}, {4}},
      {{4}, {4}},
      {{2, 3, 4}, {4, 2}},
      {{2, 3, 4}, {2, 4, 5}},
      {{2, 1, 3, 4}, {5, 4, 2}},
      {{3, 4}, {2, 4, 2}},
  };
  for (const auto& [a, b] : cases) {
    SCOPED_TRACE(ShapeToString(a) + " " + ShapeToString(b));
    ExpectNodeDerivatives({.op = "MatMul",
                           .inputs = {RandomTensor(a, 1), RandomTensor(b, 2)},
                           .wrt = {0, 1},
                           .num_given = 2},
                          kLinear);
  }
}

TEST(Gradient, ArithmeticUnderBroadcasting) {
  const std::pair<Shape, Shape> cases[] = {
      {{2, 3, 4}, {2, 3, 4}}, {{2, 3, 4}, {4}}, {{2, 3, 4}, {3, 1}},
      {{3, 1}, {2, 1, 4}},    {{2, 3}, {}},     {{}, {2, 3}},
  };
  for (const std::string op : {"Add", "Sub", "Mul", "Div", "Pow"}) {
    for (const auto& [a, b] : cases) {
      SCOPED_TRACE(ShapeToString(a) + " " + ShapeToString(b));
      // Divisors and bases of powers stay away from zero.
      ExpectNodeDerivatives(
          {.op = op,
           .inputs = {RandomTensor(a, 1, 0.5F, 2.0F), RandomTensor(b, 2, 0.5F, 2.0F)},
           .wrt = op == "Pow" ? std::vector<size_t>{0} : std::vector<size_t>{0, 1}});
    }
  }
  for (const std::string op : {"Sum", "Mean"}) {
    ExpectNodeDerivatives(
        {.op = op,
         .inputs = {RandomTensor({2, 3}, 1), RandomTensor({3}, 2), RandomTensor({2, 1}, 3)},
         .wrt = {0, 1, 2}},
        kLinear);
  }
}

TEST(Gradient, ArithmeticBeforeOpset7) {
  for (const std::string op : {"Add", "Sub", "Mul", "Div"}) {
    ExpectNodeDerivatives(
        {.op = op,
         .inputs = {RandomTensor({1, 3, 2, 4}, 1, 0.5F, 2.0F), RandomTensor({3}, 2, 0.5F, 2.0F)},
         .wrt = {0, 1},
         .attributes = {{"broadcast", int64_t{1}}, {"axis", int64_t{1}}},
         .opset = 6});
  }
  ExpectNodeDerivatives(
      {.op = "PRelu",
       .inputs = {AwayFrom({0.0F}, 0.05F, RandomTensor({1, 3, 4}, 1)), RandomTensor({3}, 2)},
       .wrt = {0, 1},
       .opset = 6});
}

TEST(Gradient, MinAndMaxChooseTheirInput) {
  const Tensor all = AllDifferent({2, 3, 4}, 1);
  for (const std::string op : {"Min", "Max"}) {
    ExpectNodeDerivatives(
        {.op = op,
         .inputs = {all, Floats({3, 1}, {-0.21F, 0.03F, 0.32F}), Floats({}, {0.12F})},
         .wrt = {0, 1, 2}});
  }
}

TEST(Gradient, EqualInputsOfMinAndMaxShare) {
  // Half of each side's derivative, which is what a central difference sees at a tie of two.
  for (const std::string op : {"Min", "Max"}) {
    ExpectNodeDerivatives({.op = op,
                           .inputs = {Floats({2}, {0.5F, -1.0F}), Floats({2}, {0.5F, -1.0F})},
                           .wrt = {0, 1}});
  }
}

TEST(Gradient, ElementFunctions) {
  struct Row {
    const char* op;
    float low, high;
    std::vector<float> kinks;
    int64_t opset = 18;
    std::map<std::string, Attribute> attributes = {};
  };
  const std::vector<Row> rows = {
      {"Abs", -2, 2, {0}},
      {"Celu", -2, 2, {0}, 18, {{"alpha", 1.5}}},
      {"Cos", -3, 3, {}},
      {"Elu", -2, 2, {0}, 18, {{"alpha", 0.7}}},
      {"Erf", -2, 2, {}},
      {"Exp", -2, 1, {}},
      {"Gelu", -3, 3, {}, 20},
      {"Gelu", -3, 3, {}, 20, {{"approximate", std::string("tanh")}}},
      {"HardSigmoid", -4, 4, {-2.5F, 2.5F}},
      {"HardSwish", -5, 5, {-3, 3}},
      {"LeakyRelu", -2, 2, {0}, 18, {{"alpha", 0.1}}},
      {"Log", 0.5, 3, {}},
      {"Mish", -3, 3, {}},
      {"Neg", -2, 2, {}},
      {"Reciprocal", 0.7F, 3, {}},
      {"Relu", -2, 2, {0}},
      {"Selu", -2, 2, {0}},
      {"Sigmoid", -4, 4, {}},
      {"Sin", -3, 3, {}},
      {"Softplus", -4, 4, {}},
      {"Softsign", -2, 2, {0}},
      {"Sqrt", 0.5F, 3, {}},
      {"Tanh", -2, 2, {}},
      {"Clip", -2, 2, {-0.5F, 1}, 6, {{"min", -0.5}, {"max", 1.0}}},
  };
  for (const Row& row : rows) {
    ExpectNodeDerivatives(
        {.op = row.op,
         .inputs = {AwayFrom(row.kinks, 0.05F, RandomTensor({2, 15}, 7, row.low, row.high))},
         .attributes = row.attributes,
         .opset = row.opset});
  }
  const Tensor x = AwayFrom({0.0F, 6.0F}, 0.05F, RandomTensor({3, 8}, 8, -4.0F, 10.0F));
  ExpectNodeDerivatives({.op = "Clip", .inputs = {x, Floats({}, {0.0F}), Floats({}, {6.0F})}});
  ExpectNodeDerivatives(
      {.op = "PRelu", .inputs = {x.Reshaped({1, 3, 8}), RandomTensor({3, 1}, 9)}, .wrt = {0, 1}});
  ExpectNodeDerivatives(
      {.op = "Pow", .inputs = {RandomTensor({9}, 10, -2.0F, 2.0F), Floats({}, {2.0F})}});
  ExpectNodeDerivatives(
      {.op = "Pow", .inputs = {RandomTensor({9}, 10, -2.0F, 2.0F), Tensor::Scalar<int64_t>(3)}});
}

TEST(Gradient, KinksTakeTheFlatOrLowerSide) {
  const auto derivative_at = [](const std::string& op, float x,
                                std::map<std::string, Attribute> attributes = {}) {
    Graph graph;
    graph.opset = op == "Clip" ? 6 : 18;
    graph.inputs = {testing::FloatInput("x", {1})};
    graph.outputs = {"y"};
    graph.nodes = {testing::Op(op, {"x"}, {"y"}, std::move(attributes))};
    const Executor executor(graph);
    const Differentiator differentiator(executor, {{"x"}, {"y"}, {"x"}});
    const auto tape = differentiator.Forward({{"x", Floats({1}, {x})}});
    return differentiator.Backward(tape, {{"y", Floats({1}, {1.0F})}}).at("x").data<float>()[0];
  };
  EXPECT_EQ(derivative_at("Relu", 0.0F), 0.0F);
  EXPECT_EQ(derivative_at("Abs", 0.0F), 0.0F);
  EXPECT_EQ(derivative_at("Clip", 6.0F, {{"min", 0.0}, {"max", 6.0}}), 0.0F);
  EXPECT_EQ(derivative_at("Clip", 0.0F, {{"min", 0.0}, {"max", 6.0}}), 0.0F);
  EXPECT_EQ(derivative_at("LeakyRelu", 0.0F, {{"alpha", 0.25}}), 0.25F);
}

TEST(Gradient, Softmaxes) {
  for (const std::string op : {"Softmax", "LogSoftmax"}) {
    for (const int64_t opset : {11, 13}) {
      for (const int64_t axis : {0, 1, -1}) {
        ExpectNodeDerivatives({.op = op,
                               .inputs = {RandomTensor({2, 3, 4}, 1, -2.0F, 2.0F)},
                               .attributes = {{"axis", axis}},
                               .opset = opset});
      }
    }
  }
}

TEST(Gradient, Normalizations) {
  ExpectNodeDerivatives(
      {.op = "BatchNormalization",
       .inputs = {RandomTensor({1, 3, 4, 2}, 1), RandomTensor({3}, 2), RandomTensor({3}, 3),
                  RandomTensor({3}, 4), RandomTensor({3}, 5, 0.5F, 2.0F)},
       .wrt = {0, 1, 2, 3, 4}});
  ExpectNodeDerivatives(
      {.op = "BatchNormalization",
       .inputs = {RandomTensor({1, 3, 4}, 1), RandomTensor({3}, 2), RandomTensor({3}, 3),
                  RandomTensor({3}, 4), RandomTensor({3}, 5, 0.5F, 2.0F)}});
  for (const int64_t axis : {1, -1}) {
    const Shape slice = axis == 1 ? Shape{3, 5} : Shape{5};
    ExpectNodeDerivatives({.op = "LayerNormalization",
                           .inputs = {RandomTensor({2, 3, 5}, 1, -2.0F, 2.0F),
                                      RandomTensor(slice, 2), RandomTensor(slice, 3)},
                           .wrt = {0, 1, 2},
                           .attributes = {{"axis", axis}},
                           .opset = 17});
  }
  ExpectNodeDerivatives({.op = "LayerNormalization",
                         .inputs = {RandomTensor({2, 6}, 1, -2.0F, 2.0F), RandomTensor({1}, 2)},
                         .wrt = {0, 1},
                         .opset = 17});
  ExpectNodeDerivatives({.op = "InstanceNormalization",
                         .inputs = {RandomTensor({1, 3, 4, 3}, 1, -2.0F, 2.0F),
                                    RandomTensor({3}, 2), RandomTensor({3}, 3)},
                         .wrt = {0, 1, 2}});
  for (const int64_t size : {1, 2, 3, 5}) {
    ExpectNodeDerivatives(
        {.op = "LRN",
         .inputs = {RandomTensor({1, 4, 2, 3}, 1, -2.0F, 2.0F)},
         .attributes = {{"size", size}, {"alpha", 0.5}, {"beta", 0.6}, {"bias", 1.5}}});
  }
}

TEST(Gradient, Poolings) {
  const Attribute kernel = IntList({3, 2});
  const std::vector<std::map<std::string, Attribute>> cases = {
      {{"kernel_shape", kernel}},
      {{"kernel_shape", kernel}, {"strides", IntList({2, 2})}, {"pads", IntList({1, 0, 1, 1})}},
      {{"kernel_shape", kernel}, {"strides", IntList({2, 2})}, {"ceil_mode", int64_t{1}}},
      {{"kernel_shape", kernel}, {"dilations", IntList({2, 1})}},
      {{"kernel_shape", kernel}, {"auto_pad", std::string("SAME_LOWER")}},
  };
  for (auto attributes : cases) {
    const Tensor x = AllDifferent({1, 2, 6, 5}, 1);
    ExpectNodeDerivatives({.op = "MaxPool", .inputs = {x}, .attributes = attributes});
    for (const int64_t include : {0, 1}) {
      attributes["count_include_pad"] = include;
      ExpectNodeDerivatives(
          {.op = "AveragePool", .inputs = {x}, .attributes = attributes, .opset = 19}, kLinear);
    }
  }
  ExpectNodeDerivatives({.op = "MaxPool",
                         .inputs = {AllDifferent({1, 2, 7}, 2)},
                         .attributes = {{"kernel_shape", IntList({3})}}});
  ExpectNodeDerivatives({.op = "AveragePool",
                         .inputs = {RandomTensor({1, 2, 3, 4, 3}, 2)},
                         .attributes = {{"kernel_shape", IntList({2, 2, 2})}}},
                        kLinear);
  ExpectNodeDerivatives({.op = "GlobalAveragePool", .inputs = {RandomTensor({1, 3, 4, 5}, 1)}},
                        kLinear);
  ExpectNodeDerivatives({.op = "GlobalMaxPool", .inputs = {AllDifferent({1, 3, 4, 5}, 1)}});
}

TEST(Gradient, FirstOfEqualElementsIsTheMaximum) {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {1, 1, 4})};
  graph.outputs = {"y"};
  graph.nodes = {testing::Op("MaxPool", {"x"}, {"y"}, {{"kernel_shape", IntList({4})}})};
  const Executor executor(graph);
  const Differentiator differentiator(executor, {{"x"}, {"y"}, {"x"}});
  const auto tape = differentiator.Forward({{"x", Floats({1, 1, 4}, {1, 2, 2, 0})}});
  const Tensor found = differentiator.Backward(tape, {{"y", Floats({1, 1, 1}, {3})}}).at("x");
  EXPECT_EQ(testing::RelativeDifference(found, Floats({1, 1, 4}, {0, 3, 0, 0})), 0.0);
}

TEST(Gradient, Reductions) {
  for (const std::string op : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"}) {
    for (const int64_t keep : {0, 1}) {
      const Tensor x = AllDifferent({2, 3, 4}, 1);
      const DifferenceCheck check =
          op == "ReduceMax" || op == "ReduceMin" ? DifferenceCheck{} : kLinear;
      ExpectNodeDerivatives({.op = op,
                             .inputs = {x},
                             .attributes = {{"keepdims", keep}, {"axes", IntList({0, -1})}},
                             .opset = 11},
                            check);
      ExpectNodeDerivatives(
          {.op = op, .inputs = {x, Int64s({1})}, .attributes = {{"keepdims", keep}}, .opset = 18},
          check);
      ExpectNodeDerivatives(
          {.op = op, .inputs = {x}, .attributes = {{"keepdims", keep}}, .opset = 18}, check);
    }
    ExpectNodeDerivatives({.op = op,
                           .inputs = {AllDifferent({2, 3}, 1)},
                           .attributes = {{"noop_with_empty_axes", int64_t{1}}},
                           .opset = 18});
  }
}

TEST(Gradient, Movements) {
  const Tensor x = RandomTensor({2, 3, 4}, 1);
  const auto check = [](NodeCase node_case) { ExpectNodeDerivatives(node_case, kLinear); };
  check({.op = "Concat",
         .inputs = {x, RandomTensor({2, 1, 4}, 2), RandomTensor({2, 2, 4}, 3)},
         .wrt = {0, 1, 2},
         .attributes = {{"axis", int64_t{1}}}});
  check({.op = "DepthToSpace",
         .inputs = {RandomTensor({1, 8, 2, 3}, 1)},
         .attributes = {{"blocksize", int64_t{2}}}});
  check({.op = "SpaceToDepth",
         .inputs = {RandomTensor({1, 2, 4, 6}, 1)},
         .attributes = {{"blocksize", int64_t{2}}}});
  check({.op = "Expand", .inputs = {RandomTensor({3, 1}, 1), Int64s({2, 3, 4})}});
  check({.op = "Tile", .inputs = {RandomTensor({2, 3}, 1), Int64s({2, 3})}});
  check({.op = "Flatten", .inputs = {x}});
  check({.op = "Identity", .inputs = {x}});
  check({.op = "Dropout", .inputs = {x}});
  check({.op = "Cast", .inputs = {x}, .attributes = {{"to", int64_t{1}}}});
  check({.op = "Reshape", .inputs = {x, Int64s({4, -1})}});
  check({.op = "Squeeze", .inputs = {RandomTensor({2, 1, 3}, 1), Int64s({1})}});
  check({.op = "Unsqueeze", .inputs = {x, Int64s({0, 2})}});
  check({.op = "Unsqueeze", .inputs = {x}, .attributes = {{"axes", IntList({1})}}, .opset = 11});
  // Repeated and negative indices.
  for (const int64_t axis : {0, 1, 2}) {
    check({.op = "Gather", .inputs = {x, Int64s({1, 0, 1, -1})}, .attributes = {{"axis", axis}}});
  }
  check({.op = "Slice",
         .inputs = {x, Int64s({1, 3}), Int64s({3, -5}), Int64s({1, 2}), Int64s({1, -2})}});
  check({.op = "Slice",
         .inputs = {x},
         .attributes = {{"starts", IntList({1})}, {"ends", IntList({3})}, {"axes", IntList({2})}},
         .opset = 9});
  check({.op = "Split",
         .inputs = {x, Int64s({1, 3})},
         .attributes = {{"axis", int64_t{2}}},
         .num_outputs = 2});
  check({.op = "Split",
         .inputs = {x},
         .attributes = {{"axis", int64_t{2}}},
         .opset = 11,
         .num_outputs = 2});
  check({.op = "Transpose", .inputs = {x}, .attributes = {{"perm", IntList({2, 0, 1})}}});
  check({.op = "Pad", .inputs = {x, Int64s({0, 1, -1, 1, 0, 2}), Floats({}, {5.0F})}});
  check({.op = "Pad", .inputs = {x, Int64s({1, 2}), Floats({}, {5.0F}), Int64s({1})}, .opset = 18});
  check({.op = "Pad",
         .inputs = {x},
         .attributes = {{"pads", IntList({0, 1, 0, 1, 0, 2})}, {"value", 3.0}},
         .opset = 9});
  Tensor condition(DType::kBool, {3, 1});
  for (int64_t i = 0; i < 3; ++i) condition.mutable_data<bool>()[i] = i != 1;
  check({.op = "Where",
         .inputs = {condition, x, RandomTensor({4}, 2)},
         .wrt = {1, 2},
         .num_given = 3});
}

TEST(Gradient, Resizes) {
  const Tensor x = RandomTensor({1, 2, 4, 5}, 1);
  for (const char* mode : {"nearest", "linear", "cubic"}) {
    for (const char* coordinates :
         {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"}) {
      for (const std::vector<int64_t>& sizes :
           {std::vector<int64_t>{1, 2, 7, 9}, {1, 2, 3, 2}, {1, 2, 4, 1}}) {
        SCOPED_TRACE(std::string(mode) + " " + coordinates);
        Graph graph;
        graph.inputs = {testing::FloatInput("x", x.shape())};
        graph.outputs = {"y"};
        graph.nodes = {testing::Op("Resize", {"x", "", "", "sizes"}, {"y"},
                                   {{"mode", std::string(mode)},
                                    {"coordinate_transformation_mode", std::string(coordinates)}})};
        graph.initializers["sizes"] = Int64s(sizes);
        testing::ExpectDerivatives(graph, {{"x", x}}, {"y"}, {"x"}, kLinear);
      }
    }
  }
  const Tensor scales = Floats({4}, {1, 1, 2, 0.6F});
  for (const char* mode : {"nearest", "linear"}) {
    ExpectNodeDerivatives({.op = "Resize",
                           .inputs = {x, scales},
                           .attributes = {{"mode", std::string(mode)}},
                           .opset = 10},
                          kLinear);
    ExpectNodeDerivatives({.op = "Upsample",
                           .inputs = {x, Floats({4}, {1, 1, 2, 3})},
                           .attributes = {{"mode", std::string(mode)}},
                           .opset = 9},
                          kLinear);
    ExpectNodeDerivatives(
        {.op = "Upsample",
         .inputs = {x},
         .attributes = {{"mode", std::string(mode)}, {"scales", std::vector<double>{1, 1, 2, 3}}},
         .opset = 8},
        kLinear);
  }
}

}  // namespace
}  // namespace adaround
