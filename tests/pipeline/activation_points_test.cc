#include "pipeline/activation_points.h"

#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;
using Names = std::set<std::string>;

// Weights are shapeless here: which tensors get a grid depends on operators and edges alone.
Graph MakeGraph(const std::vector<std::string>& inputs, std::vector<Node> nodes,
                std::vector<std::string> outputs) {
  Graph graph;
  for (const std::string& input : inputs) {
    graph.inputs.push_back(testing::FloatInput(input, {-1, 4, 8, 8}));
  }
  graph.nodes = std::move(nodes);
  graph.outputs = std::move(outputs);
  // Names that start with "w" are weights, those with "c" numbers.
  for (const Node& node : graph.nodes) {
    for (const std::string& input : node.inputs) {
      if (input.starts_with("w.")) graph.initializers[input] = RandomTensor({4, 4, 1, 1}, 1);
      if (input.starts_with("c.")) graph.initializers[input] = Tensor::Scalar(0.5F);
    }
  }
  const auto no_violations = std::vector<std::string>();
  EXPECT_EQ(graph.Validate(), no_violations);
  graph.SortTopologically();
  return graph;
}

TEST(ActivationPoints, ResidualBlock) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("Conv", {"x", "w.1"}, {"conv1"}), Op("Relu", {"conv1"}, {"relu1"}),
                 Op("Conv", {"relu1", "w.2"}, {"conv2"}), Op("Add", {"conv2", "x"}, {"sum"}),
                 Op("Relu", {"sum"}, {"relu2"}), Op("GlobalAveragePool", {"relu2"}, {"pooled"}),
                 Op("Flatten", {"pooled"}, {"flat"}), Op("Gemm", {"flat", "w.3"}, {"logits"})},
                {"logits"});
  EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "relu1", "conv2", "relu2", "pooled"}));
}

TEST(ActivationPoints, InvertedResidualWithClips) {
  const Graph graph = MakeGraph(
      {"x"},
      {Op("Conv", {"x", "w.1"}, {"expand"}), Op("Clip", {"expand", "c.low", "c.high"}, {"clip1"}),
       Op("Conv", {"clip1", "w.2"}, {"depthwise"}),
       Op("Clip", {"depthwise", "c.low", "c.high"}, {"clip2"}),
       Op("Conv", {"clip2", "w.3"}, {"project"}), Op("Add", {"x", "project"}, {"sum"}),
       Op("Conv", {"sum", "w.4"}, {"y"})},
      {"y"});
  EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "clip1", "clip2", "project", "sum"}));
}

TEST(ActivationPoints, SqueezeAndExcitation) {
  for (const bool reduce_mean : {false, true}) {
    const Node pool = reduce_mean
                          ? Op("ReduceMean", {"relu"}, {"pool"}, {{"axes", IntList({2, 3})}})
                          : Op("GlobalAveragePool", {"relu"}, {"pool"});
    const Graph graph = MakeGraph(
        {"x"},
        {Op("Conv", {"x", "w.1"}, {"conv"}), Op("Relu", {"conv"}, {"relu"}), pool,
         Op("Conv", {"pool", "w.2"}, {"squeeze"}), Op("Relu", {"squeeze"}, {"squeeze_relu"}),
         Op("Conv", {"squeeze_relu", "w.3"}, {"excite"}), Op("HardSigmoid", {"excite"}, {"gate"}),
         Op("Mul", {"relu", "gate"}, {"scaled"}), Op("Conv", {"scaled", "w.4"}, {"y"})},
        {"y"});
    EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "relu", "pool", "squeeze_relu", "scaled"}));
  }
}

TEST(ActivationPoints, SwishKeepsItsInsideInFloat) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("Conv", {"x", "w.1"}, {"conv"}), Op("Sigmoid", {"conv"}, {"sigmoid"}),
                 Op("Mul", {"conv", "sigmoid"}, {"swish"}), Op("Conv", {"swish", "w.2"}, {"y"})},
                {"y"});
  EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "swish"}));
}

TEST(ActivationPoints, Attention) {
  const Attribute heads = IntList({0, 2, 1, 3});
  const Graph graph = MakeGraph(
      {"x"},
      {Op("MatMul", {"x", "w.q"}, {"q"}), Op("Add", {"q", "w.q_bias"}, {"q_sum"}),
       Op("MatMul", {"x", "w.k"}, {"k"}), Op("MatMul", {"x", "w.v"}, {"v"}),
       Op("Reshape", {"q_sum", "w.shape"}, {"q_heads"}),
       Op("Transpose", {"q_heads"}, {"q_moved"}, {{"perm", heads}}),
       Op("Reshape", {"k", "w.shape"}, {"k_heads"}),
       Op("Transpose", {"k_heads"}, {"k_moved"}, {{"perm", IntList({0, 2, 3, 1})}}),
       Op("Reshape", {"v", "w.shape"}, {"v_heads"}),
       Op("Transpose", {"v_heads"}, {"v_moved"}, {{"perm", heads}}),
       Op("MatMul", {"q_moved", "k_moved"}, {"scores"}),
       Op("Div", {"scores", "c.root"}, {"scaled"}), Op("Softmax", {"scaled"}, {"weights"}),
       Op("MatMul", {"weights", "v_moved"}, {"mixed"}),
       Op("Transpose", {"mixed"}, {"mixed_moved"}, {{"perm", heads}}),
       Op("Reshape", {"mixed_moved", "w.shape"}, {"mixed_flat"}),
       Op("MatMul", {"mixed_flat", "w.o"}, {"projected"}),
       Op("Add", {"projected", "w.o_bias"}, {"projected_sum"}),
       Op("Add", {"x", "projected_sum"}, {"y"})},
      {"y"});
  EXPECT_EQ(FindActivationPoints(graph),
            (Names{"x", "q_sum", "k", "v", "weights", "mixed", "projected_sum"}));
}

TEST(ActivationPoints, ConcatQuantizesWhatItJoins) {
  const Graph graph =
      MakeGraph({"a", "b"},
                {Op("Conv", {"a", "w.1"}, {"conv"}), Op("Relu", {"conv"}, {"relu"}),
                 Op("Concat", {"relu", "b", "w.constant"}, {"joined"}, {{"axis", int64_t{1}}}),
                 Op("Conv", {"joined", "w.2"}, {"y"})},
                {"y"});
  EXPECT_EQ(FindActivationPoints(graph), (Names{"a", "b", "relu", "joined"}));
}

// x -> (x - mean) / sqrt(mean((x - mean)^2) + epsilon) * gamma + beta
std::vector<Node> LayerNormSteps(const std::string& x, const std::string& y) {
  const std::map<std::string, Attribute> last = {{"axes", IntList({-1})}};
  return {Op("ReduceMean", {x}, {"mean"}, last),
          Op("Sub", {x, "mean"}, {"centred"}),
          Op("Pow", {"centred", "c.two"}, {"squares"}),
          Op("ReduceMean", {"squares"}, {"variance"}, last),
          Op("Add", {"variance", "c.epsilon"}, {"above_zero"}),
          Op("Sqrt", {"above_zero"}, {"deviation"}),
          Op("Div", {"centred", "deviation"}, {"normal"}),
          Op("Mul", {"normal", "c.gamma"}, {"scaled"}),
          Op("Add", {"scaled", "c.beta"}, {y})};
}

TEST(ActivationPoints, ALayerNormalizationWrittenOutStaysInFloatInside) {
  std::vector<Node> nodes = LayerNormSteps("x", "normalized");
  nodes.push_back(Op("MatMul", {"normalized", "w.1"}, {"y"}));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x"}, nodes, {"y"})), Names{"normalized"});
  // From opset 18 on the axes are an input.
  for (Node& node : nodes) {
    if (node.op != "ReduceMean") continue;
    node.attributes.clear();
    node.inputs.push_back("w.axes");
  }
  Graph graph = MakeGraph({"x"}, nodes, {"y"});
  graph.opset = 18;
  graph.initializers["w.axes"] = Tensor::FromVector<int64_t>({1}, {-1});
  EXPECT_EQ(FindActivationPoints(graph), Names{"normalized"});
}

// x -> (x - mean over space) / sqrt(variance + epsilon), then what is given.
Graph InstanceNormGraph(std::vector<Node> behind) {
  const std::map<std::string, Attribute> space = {{"axes", IntList({2, 3})}};
  std::vector<Node> nodes = {Op("Conv", {"x", "w.1"}, {"z"}),
                             Op("ReduceMean", {"z"}, {"mean"}, space),
                             Op("Sub", {"z", "mean"}, {"centred"}),
                             Op("Mul", {"centred", "centred"}, {"squares"}),
                             Op("ReduceMean", {"squares"}, {"variance"}, space),
                             Op("Add", {"variance", "c.epsilon"}, {"above_zero"}),
                             Op("Sqrt", {"above_zero"}, {"deviation"}),
                             Op("Div", {"centred", "deviation"}, {"normal"}),
                             Op("Mul", {"normal", "c.gamma"}, {"scaled"}),
                             Op("Add", {"scaled", "c.beta"}, {"normalized"})};
  for (Node& node : behind) nodes.push_back(std::move(node));
  return MakeGraph({"x"}, std::move(nodes), {"y"});
}

TEST(ActivationPoints, AnInstanceNormalizationWrittenOutStaysInFloatInside) {
  EXPECT_EQ(FindActivationPoints(InstanceNormGraph({Op("Conv", {"normalized", "w.2"}, {"y"})})),
            (Names{"x", "normalized"}));
  // A mean of the result that a layer reads, with a function written out between them, is a pool.
  EXPECT_EQ(FindActivationPoints(InstanceNormGraph(
                {Op("ReduceMean", {"normalized"}, {"pool"}, {{"axes", IntList({2, 3})}}),
                 Op("Add", {"pool", "c.three"}, {"moved"}),
                 Op("Clip", {"moved", "c.low", "c.high"}, {"clipped"}),
                 Op("Mul", {"pool", "clipped"}, {"swish"}), Op("Conv", {"swish", "w.2"}, {"y"})})),
            (Names{"x", "normalized", "swish"}));
}

TEST(ActivationPoints, WhatShapesAloneMakeStaysExact) {
  // A size doubled in float, as exporters of opsets 9 to 11 write Upsample.
  const std::map<std::string, Attribute> linear = {{"mode", std::string("linear")}};
  const std::map<std::string, Attribute> to_float = {{"to", int64_t{1}}};
  const std::map<std::string, Attribute> first_axis = {{"axis", int64_t{0}}};
  const std::vector<Node> scales = {
      Op("Shape", {"x"}, {"shape"}), Op("Cast", {"shape"}, {"sizes"}, to_float),
      Op("Mul", {"sizes", "c.factor"}, {"larger"}), Op("Add", {"larger", "sizes"}, {"sum"}),
      Op("Concat", {"sum", "larger"}, {"scales"}, first_axis)};
  std::vector<Node> nodes = scales;
  nodes.push_back(Op("Relu", {"x"}, {"r"}));
  nodes.push_back(Op("Resize", {"r", "", "scales"}, {"m"}, linear));
  nodes.push_back(Op("Conv", {"m", "w.1"}, {"y"}));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x"}, nodes, {"y"})), (Names{"r", "m"}));
  // Added or joined they are constants, whose sum with a layer's result is that of a bias.
  nodes = scales;
  nodes.push_back(Op("Conv", {"x", "w.1"}, {"z"}));
  nodes.push_back(Op("Add", {"z", "scales"}, {"biased"}));
  nodes.push_back(Op("Concat", {"biased", "scales"}, {"y"}, first_axis));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x"}, nodes, {"y"})), (Names{"x", "biased"}));
}

TEST(ActivationPoints, CoordinatesStayExact) {
  const std::map<std::string, Attribute> last_axis = {{"axis", int64_t{-1}}};
  const std::vector<Node> flow = {Op("Conv", {"x", "w.1"}, {"flow"}),
                                  Op("Split", {"flow"}, {"dx", "dy"}),
                                  Op("Add", {"dx", "start"}, {"column"}),
                                  Op("Concat", {"column", "dy"}, {"grid"}, last_axis),
                                  Op("GridSample", {"x", "grid"}, {"warped"}),
                                  Op("Conv", {"warped", "w.2"}, {"y"})};
  // The layer that predicts them is one like any other.
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x", "start"}, flow, {"y"})), (Names{"x", "warped"}));
  // Where others read them too, they are values.
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x", "start"}, flow, {"y", "grid"})),
            (Names{"x", "warped", "flow", "start", "column"}));
  // A transform's product with coordinates; with a weight it is a layer.
  for (const bool is_layer : {false, true}) {
    const Graph graph =
        MakeGraph({"x", "base"},
                  {Op("Conv", {"x", "w.1"}, {"theta"}),
                   Op("MatMul", {"base", is_layer ? "w.theta" : "theta"}, {"grid"}),
                   Op("GridSample", {"x", "grid"}, {"warped"}), Op("Relu", {"theta"}, {"other"}),
                   Op("Conv", {"warped", "w.2"}, {"y"})},
                  {"y", "other"});
    const Names wanted = is_layer ? Names{"x", "warped", "base"} : Names{"x", "warped"};
    EXPECT_EQ(FindActivationPoints(graph), wanted);
  }
}

TEST(ActivationPoints, ASumAroundANormalizedBranchIsQuantized) {
  std::vector<Node> nodes = {Op("MatMul", {"input", "w.0"}, {"x"})};
  for (Node& node : LayerNormSteps("x", "normalized")) nodes.push_back(std::move(node));
  nodes.push_back(Op("MatMul", {"normalized", "w.1"}, {"branch"}));
  nodes.push_back(Op("Add", {"x", "branch"}, {"y"}));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"input"}, nodes, {"y"})),
            (Names{"input", "normalized", "x", "branch"}));
}

TEST(ActivationPoints, GelusWrittenOutStayInFloatInside) {
  const Graph exact =
      MakeGraph({"x"},
                {Op("MatMul", {"x", "w.1"}, {"z"}), Op("Div", {"z", "c.root"}, {"z_scaled"}),
                 Op("Erf", {"z_scaled"}, {"erf"}), Op("Add", {"erf", "c.one"}, {"erf_sum"}),
                 Op("Mul", {"z", "erf_sum"}, {"product"}),
                 Op("Mul", {"product", "c.half"}, {"gelu"}), Op("MatMul", {"gelu", "w.2"}, {"y"})},
                {"y"});
  EXPECT_EQ(FindActivationPoints(exact), (Names{"x", "gelu"}));
  // z / 2 * (1 + tanh(a (z + b z^3)))
  const Graph tanh = MakeGraph(
      {"x"},
      {Op("MatMul", {"x", "w.1"}, {"z"}), Op("Pow", {"z", "c.three"}, {"cube"}),
       Op("Mul", {"cube", "c.b"}, {"cube_scaled"}), Op("Add", {"z", "cube_scaled"}, {"inner"}),
       Op("Mul", {"inner", "c.a"}, {"inner_scaled"}), Op("Tanh", {"inner_scaled"}, {"tanh"}),
       Op("Add", {"tanh", "c.one"}, {"tanh_sum"}), Op("Mul", {"z", "tanh_sum"}, {"product"}),
       Op("Mul", {"product", "c.half"}, {"gelu"}), Op("MatMul", {"gelu", "w.2"}, {"y"})},
      {"y"});
  EXPECT_EQ(FindActivationPoints(tanh), (Names{"x", "gelu"}));
}

TEST(ActivationPoints, OperatorsThatMoveValuesAreTracedThrough) {
  const Attribute spatial = IntList({2, 2});
  const std::vector<Node> moving = {
      Op("DepthToSpace", {"r"}, {"m"}, {{"blocksize", int64_t{2}}}),
      Op("Dropout", {"r"}, {"m"}),
      Op("Expand", {"r", "w.shape"}, {"m"}),
      Op("Flatten", {"r"}, {"m"}),
      Op("Gather", {"r", "w.indices"}, {"m"}),
      Op("GlobalMaxPool", {"r"}, {"m"}),
      Op("Identity", {"r"}, {"m"}),
      Op("MaxPool", {"r"}, {"m"}, {{"kernel_shape", spatial}}),
      Op("Pad", {"r", "w.pads"}, {"m"}),
      Op("Pad", {"r", "w.pads"}, {"m"}, {{"mode", std::string("reflect")}}),
      Op("Reshape", {"r", "w.shape"}, {"m"}),
      Op("Resize", {"r", "", "w.scales"}, {"m"}),
      Op("Slice", {"r", "w.begin", "w.end"}, {"m"}),
      Op("SpaceToDepth", {"r"}, {"m"}, {{"blocksize", int64_t{2}}}),
      Op("Split", {"r"}, {"other", "m"}),
      Op("Squeeze", {"r"}, {"m"}),
      Op("Tile", {"r", "w.repeats"}, {"m"}),
      Op("Transpose", {"r"}, {"m"}),
      Op("Unsqueeze", {"r"}, {"m"})};
  for (const Node& node : moving) {
    const Graph graph =
        MakeGraph({"x"}, {Op("Relu", {"x"}, {"r"}), node, Op("Conv", {"m", "w.1"}, {"y"})}, {"y"});
    EXPECT_EQ(FindActivationPoints(graph), Names{"r"}) << node.op;
    EXPECT_EQ(ActivationSource(graph, graph.Producers(), "m"), "r") << node.op;
  }
}

TEST(ActivationPoints, OperatorsThatMakeNewValuesAreNot) {
  const auto points = [](const Node& node) {
    return FindActivationPoints(
        MakeGraph({"x"}, {Op("Relu", {"x"}, {"r"}), node, Op("Conv", {"m", "w.1"}, {"y"})}, {"y"}));
  };
  EXPECT_EQ(points(Op("Resize", {"r", "", "w.scales"}, {"m"}, {{"mode", std::string("linear")}})),
            (Names{"r", "m"}));
  EXPECT_EQ(points(Op("AveragePool", {"r"}, {"m"}, {{"kernel_shape", IntList({2, 2})}})),
            (Names{"r", "m"}));
  // Padding with 0.5 ("c."): the number need not lie on the grid.
  EXPECT_EQ(points(Op("Pad", {"r", "w.pads", "c.fill"}, {"m"})), Names{"m"});
  EXPECT_EQ(points(Op("Pad", {"r"}, {"m"}, {{"value", 0.5}})), Names{"m"});
  EXPECT_EQ(points(Op("Sigmoid", {"r"}, {"m"})), Names{"m"});
}

TEST(ActivationPoints, IndicesOfAPoolAreNotItsValues) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("MaxPool", {"x"}, {"m", "indices"}, {{"kernel_shape", IntList({2, 2})}}),
                 Op("Cast", {"indices"}, {"numbers"}, {{"to", int64_t{1}}}),
                 Op("Identity", {"indices"}, {"same"}), Op("Conv", {"m", "w.1"}, {"y"})},
                {"y", "numbers", "same"});
  EXPECT_EQ(FindActivationPoints(graph), Names{"x"});
  EXPECT_EQ(ActivationSource(graph, graph.Producers(), "same"), "indices");
}

TEST(ActivationPoints, NodesWithoutInputsOrOutputsPass) {
  Graph graph =
      MakeGraph({"x"}, {Op("Conv", {"r", "w.1"}, {"y"}), Op("Identity", {}, {"r"})}, {"y"});
  Node silent = Op("Relu", {"x"}, {"unused"});
  silent.outputs.clear();
  graph.nodes.push_back(silent);
  EXPECT_EQ(FindActivationPoints(graph), Names{"r"});
}

TEST(ActivationPoints, PaddingWithZeroMovesValues) {
  Graph graph = MakeGraph({"x"},
                          {Op("Relu", {"x"}, {"r"}), Op("Pad", {"r", "w.pads", "c.fill"}, {"m"}),
                           Op("Conv", {"m", "w.1"}, {"y"})},
                          {"y"});
  graph.initializers["c.fill"] = Tensor::Scalar(0.0F);
  EXPECT_EQ(FindActivationPoints(graph), Names{"r"});
}

TEST(ActivationPoints, LongChainsEndAtTheirSource) {
  std::vector<Node> nodes = {Op("Conv", {"x", "w.1"}, {"conv"}),
                             Op("MaxPool", {"conv"}, {"t0"}, {{"kernel_shape", IntList({2, 2})}})};
  for (int i = 0; i < 3000; ++i) {
    nodes.push_back(Op("Identity", {"t" + std::to_string(i)}, {"t" + std::to_string(i + 1)}));
  }
  nodes.push_back(Op("Conv", {"t3000", "w.2"}, {"y"}));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x"}, nodes, {"y"})), (Names{"x", "conv"}));
}

TEST(ActivationPoints, WhatManyStepsShareIsLookedAtOnce) {
  // Every Mul reads its predecessor twice: paths double at each step.
  std::vector<Node> nodes = {Op("Relu", {"x"}, {"t0"})};
  for (int i = 0; i < 200; ++i) {
    const std::string from = "t" + std::to_string(i);
    nodes.push_back(Op("Mul", {from, from}, {"t" + std::to_string(i + 1)}));
  }
  nodes.push_back(Op("Add", {"t0", "t200"}, {"sum"}));
  nodes.push_back(Op("Conv", {"sum", "w.1"}, {"y"}));
  EXPECT_EQ(FindActivationPoints(MakeGraph({"x"}, nodes, {"y"})), Names{"sum"});
}

TEST(ActivationPoints, OutputsAreQuantizedWhereSomethingReadsThem) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("Conv", {"x", "w.1"}, {"first"}), Op("Conv", {"first", "w.2"}, {"second"}),
                 Op("Relu", {"second"}, {"y"})},
                {"first", "second", "y"});
  // "second" has a reader, but none that computes with integers.
  EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "first"}));
}

TEST(ActivationPoints, WhatOnlyFloatLayersReadStaysInFloat) {
  Graph graph = MakeGraph({"x"},
                          {Op("Conv", {"x", "w.1"}, {"a"}), Op("Conv", {"a", "w.2"}, {"b"}),
                           Op("Conv", {"b", "w.3"}, {"c"}), Op("Conv", {"b", "w.4"}, {"d"})},
                          {"c", "d"});
  for (Node& node : graph.nodes) node.name = "makes " + node.outputs[0];
  EXPECT_EQ(FindActivationPoints(graph, {"makes b", "makes c"}), (Names{"x", "b"}));
  EXPECT_EQ(FindActivationPoints(graph, {"makes c", "makes d"}), (Names{"x", "a"}));
}

TEST(ActivationPoints, ConstantsAreNoActivations) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("Gather", {"w.table", "x"}, {"embedded"}),
                 Op("MatMul", {"w.left", "embedded"}, {"mixed"}),
                 Op("Add", {"mixed", "w.position"}, {"sum"}), Op("Sub", {"sum", "c.mean"}, {"y"})},
                {"y"});
  EXPECT_EQ(FindActivationPoints(graph), Names{"embedded"});
}

TEST(ActivationPoints, BoundsPerChannelStayWithTheirConvolution) {
  const Graph graph =
      MakeGraph({"x"},
                {Op("Conv", {"x", "w.1"}, {"conv"}), Op("Relu", {"conv"}, {"relu"}),
                 Op("Min", {"relu", "w.bounds"}, {"bounded"}),
                 Op("Conv", {"bounded", "w.2"}, {"y"})},
                {"y"});
  EXPECT_EQ(FindActivationPoints(graph), (Names{"x", "bounded"}));
}

}  // namespace
}  // namespace adaround
