#include "runtime/differentiator.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "adaround/io/npy.h"
#include "base/parallel_for.h"
#include "gradient_testing.h"
#include "support/error_testing.h"

namespace adaround {
namespace {

using testing::DifferenceCheck;
using testing::ExpectDerivatives;
using testing::ExpectErrorWith;
using testing::FloatInput;
using testing::Floats;
using testing::Int64s;
using testing::IntList;
using testing::Op;
using testing::RandomTensor;

Graph MakeGraph(const Shape& input, std::vector<Node> nodes,
                std::map<std::string, Tensor> constants) {
  Graph graph;
  graph.inputs = {FloatInput("x", input)};
  graph.outputs = {nodes.back().outputs.front()};
  graph.nodes = std::move(nodes);
  graph.initializers = std::move(constants);
  return graph;
}

// Two layers, a residual, a smooth activation.
Graph TwoLayers() {
  return MakeGraph({1, 4},
                   {Op("Gemm", {"x", "w1", "b1"}, {"z1"}), Op("Tanh", {"z1"}, {"a"}),
                    Op("Add", {"a", "x"}, {"r"}), Op("Gemm", {"r", "w2"}, {"z2"}),
                    Op("Mul", {"z2", "z1"}, {"y"})},
                   {{"w1", RandomTensor({4, 4}, 1)},
                    {"b1", RandomTensor({4}, 2)},
                    {"w2", RandomTensor({4, 4}, 3)}});
}

TEST(Differentiator, SumsOverAllPathsOfANetwork) {
  ExpectDerivatives(TwoLayers(), {{"x", RandomTensor({1, 4}, 4)}}, {"y"}, {"x", "w1", "b1", "w2"});
}

TEST(Differentiator, SeveralOutputsCountTogether) {
  ExpectDerivatives(TwoLayers(), {{"x", RandomTensor({1, 4}, 4)}}, {"y", "z1"}, {"x", "w1"});
}

TEST(Differentiator, AWeightOfTwoLayersGetsBothDerivatives) {
  const Graph graph = MakeGraph({1, 4},
                                {Op("MatMul", {"x", "w"}, {"h"}), Op("Sigmoid", {"h"}, {"s"}),
                                 Op("MatMul", {"s", "w"}, {"y"})},
                                {{"w", RandomTensor({4, 4}, 1)}});
  ExpectDerivatives(graph, {{"x", RandomTensor({1, 4}, 4)}}, {"y"}, {"w"});
}

TEST(Differentiator, DerivativeByAnActivationContinuesUpwards) {
  const Graph graph = TwoLayers();
  const Executor executor(graph);
  const TensorMap given = {{"x", RandomTensor({1, 4}, 4)}};
  const Differentiator both(executor, {{"x"}, {"y"}, {"a", "w1"}});
  const Tensor ones = Floats({1, 4}, {1, 1, 1, 1});
  const TensorMap found = both.Backward(both.Forward(given), {{"y", ones}});
  // By `a` alone: only what lies behind it is differentiated.
  const Differentiator alone(executor, {{"x"}, {"y"}, {"a"}});
  EXPECT_LT(alone.nodes().size(), both.nodes().size());
  const TensorMap behind = alone.Backward(alone.Forward(given), {{"y", ones}});
  EXPECT_EQ(testing::RelativeDifference(found.at("a"), behind.at("a")), 0.0);
  // As a leaf, against differences: z1 is given too, so that `a` is the only path.
  const TensorMap activations = testing::RunGraph(graph, given, {"a", "z1"});
  ExpectDerivatives(
      graph, {{"x", given.at("x")}, {"a", activations.at("a")}, {"z1", activations.at("z1")}},
      {"y"}, {"a"});
}

TEST(Differentiator, OneForwardPassServesManyBackwardPasses) {
  const Graph graph = TwoLayers();
  const Executor executor(graph);
  const Differentiator differentiator(executor, {{"x"}, {"y"}, {"w1"}});
  const auto tape = differentiator.Forward({{"x", RandomTensor({1, 4}, 4)}});
  // The derivative is linear in what it starts from.
  const auto by = [&](std::vector<float> gradient) {
    return differentiator.Backward(tape, {{"y", Floats({1, 4}, gradient)}}).at("w1");
  };
  const Tensor first = by({1, 0, 0, 0});
  const Tensor second = by({0, 0, 2, 0});
  const Tensor together = by({1, 0, 2, 0});
  Tensor sum(DType::kFloat32, first.shape());
  for (int64_t i = 0; i < sum.num_elements(); ++i) {
    sum.mutable_data<float>()[i] = first.data<float>()[i] + second.data<float>()[i];
  }
  EXPECT_LT(testing::RelativeDifference(together, sum), 1e-6);  // float32's rounding
}

TEST(Differentiator, ConcurrentPassesEqualSingleOnes) {
  const Graph graph = TwoLayers();
  const Executor executor(graph);
  const Differentiator differentiator(executor, {{"x"}, {"y"}, {"w1", "x"}});
  const auto derivatives = [&](int64_t i) {
    const auto seed = static_cast<uint32_t>(50 + i);
    const auto tape = differentiator.Forward({{"x", RandomTensor({1, 4}, seed)}});
    return differentiator.Backward(tape, {{"y", RandomTensor({1, 4}, seed + 100)}});
  };
  std::vector<TensorMap> found(16);
  ParallelFor(16, 2, [&](int64_t i) { found[static_cast<size_t>(i)] = derivatives(i); });
  for (int64_t i = 0; i < 16; ++i) {
    for (const auto& [name, tensor] : derivatives(i)) {
      EXPECT_EQ(testing::RelativeDifference(found[static_cast<size_t>(i)].at(name), tensor), 0.0);
    }
  }
}

TEST(Differentiator, KeepsNoActivationsThatLinearPathsDoNotNeed) {
  const Graph graph =
      MakeGraph({1, 3, 6, 6},
                {Op("Conv", {"x", "w1"}, {"c1"}), Op("Conv", {"c1", "w2"}, {"c2"}),
                 Op("GlobalAveragePool", {"c2"}, {"y"})},
                {{"w1", RandomTensor({4, 3, 1, 1}, 1)}, {"w2", RandomTensor({4, 4, 3, 3}, 2)}});
  const Executor executor(graph);
  const TensorMap given = {{"x", RandomTensor({1, 3, 6, 6}, 3)}};
  // By the first weight: its input is needed, and nothing behind it.
  const Differentiator by_weight(executor, {{"x"}, {"y"}, {"w1"}});
  EXPECT_EQ(by_weight.Forward(given).num_bytes(), given.at("x").num_bytes());
  const Differentiator by_input(executor, {{"x"}, {"y"}, {"x"}});
  EXPECT_EQ(by_input.Forward(given).num_bytes(), 0U);
}

TEST(Differentiator, SetInitializerShowsInBothDirections) {
  Graph graph = TwoLayers();
  Executor executor(graph);
  const Differentiator differentiator(executor, {{"x"}, {"y"}, {"x"}});
  const Tensor ones = Floats({1, 4}, {1, 1, 1, 1});
  const TensorMap given = {{"x", RandomTensor({1, 4}, 4)}};
  executor.SetInitializer("w2", RandomTensor({4, 4}, 77));
  graph.initializers["w2"] = RandomTensor({4, 4}, 77);
  const Executor other(graph);
  const Differentiator fresh(other, {{"x"}, {"y"}, {"x"}});
  EXPECT_EQ(testing::RelativeDifference(
                differentiator.Backward(differentiator.Forward(given), {{"y", ones}}).at("x"),
                fresh.Backward(fresh.Forward(given), {{"y", ones}}).at("x")),
            0.0);
}

TEST(Differentiator, HooksAreStraightThroughOrAsTheyAreTold) {
  const Graph graph =
      MakeGraph({1, 3}, {Op("Mul", {"x", "two"}, {"h"}), Op("Mul", {"h", "h"}, {"y"})},
                {{"two", Floats({}, {2})}});
  Executor executor(graph);
  // h is rounded to whole numbers within -3 ... 3.
  executor.SetHook("h", [](const Tensor& value) {
    Tensor rounded(DType::kFloat32, value.shape());
    for (int64_t i = 0; i < value.num_elements(); ++i) {
      rounded.mutable_data<float>()[i] =
          std::clamp(std::round(value.data<float>()[i]), -3.0F, 3.0F);
    }
    return rounded;
  });
  const TensorMap given = {{"x", Floats({1, 3}, {0.6F, -0.9F, 4.0F})}};
  const TensorMap ones = {{"y", Floats({1, 3}, {1, 1, 1})}};
  Differentiator differentiator(executor, {{"x"}, {"y"}, {"x"}});
  // y = round(2 x)^2, and the derivative takes round for the identity: 2 * round(2 x) * 2.
  EXPECT_EQ(testing::RelativeDifference(
                differentiator.Backward(differentiator.Forward(given), ones).at("x"),
                Floats({1, 3}, {4, -8, 12})),
            0.0);
  differentiator.SetGradientHook("h", [](const Tensor& value, const Tensor& gradient) {
    Tensor clipped = gradient.Clone();
    for (int64_t i = 0; i < value.num_elements(); ++i) {
      if (std::abs(value.data<float>()[i]) > 3.0F) clipped.mutable_data<float>()[i] = 0.0F;
    }
    return clipped;
  });
  EXPECT_EQ(testing::RelativeDifference(
                differentiator.Backward(differentiator.Forward(given), ones).at("x"),
                Floats({1, 3}, {4, -8, 0})),
            0.0);
}

TEST(Differentiator, ListsEveryNodeWithoutADerivative) {
  const Graph graph = MakeGraph(
      {1, 4}, {Op("Floor", {"x"}, {"a"}), Op("Round", {"a"}, {"b"}), Op("Relu", {"b"}, {"y"})}, {});
  const Executor executor(graph);
  ExpectErrorWith(ErrorCode::kUnsupported, {"'a' (Floor)", "'b' (Round)"}, [&] {
    Differentiator(executor, {{"x"}, {"y"}, {"x"}});
  });
}

TEST(Differentiator, NodesBesideThePathNeedNoDerivative) {
  // Floor lies before the weight, Round leads nowhere but into a shape.
  const Graph graph = MakeGraph(
      {1, 4},
      {Op("Floor", {"x"}, {"a"}), Op("MatMul", {"a", "w"}, {"h"}), Op("Round", {"h"}, {"r"}),
       Op("Shape", {"r"}, {"s"}), Op("Reshape", {"h", "s"}, {"y"})},
      {{"w", RandomTensor({4, 2}, 1)}});
  ExpectDerivatives(graph, {{"x", RandomTensor({1, 4}, 2, -3.0F, 3.0F)}}, {"y"}, {"w"},
                    {.step = 0.5, .tolerance = 1e-4});
}

TEST(Differentiator, ParametersThatDependAreRefused) {
  const Graph graph = MakeGraph({1, 4},
                                {Op("ReduceMax", {"x"}, {"m"}, {{"keepdims", int64_t{0}}}),
                                 Op("Clip", {"x", "", "m"}, {"y"})},
                                {});
  const Executor executor(graph);
  ExpectErrorWith(ErrorCode::kUnsupported, {"'y' (Clip) by its input 2"}, [&] {
    Differentiator(executor, {{"x"}, {"y"}, {"x"}});
  });
}

TEST(Differentiator, GivenTensorsCutThePath) {
  const Graph graph = TwoLayers();
  const Executor executor(graph);
  ExpectErrorWith(ErrorCode::kInvalidArgument, {"'z2'", "does not depend on", "'w1'"}, [&] {
    Differentiator(executor, {{"x", "r"}, {"z2"}, {"w1", "w2"}});
  });
}

TEST(Differentiator, IntegersAreNotDifferentiated) {
  const Graph graph = MakeGraph({1, 4},
                                {Op("Cast", {"x"}, {"i"}, {{"to", int64_t{7}}}),
                                 Op("Cast", {"i"}, {"y"}, {{"to", int64_t{1}}})},
                                {});
  const Executor executor(graph);
  ExpectErrorWith(ErrorCode::kUnsupported, {"'i' (Cast)", "int64"}, [&] {
    Differentiator(executor, {{"x"}, {"y"}, {"x"}});
  });
}

TEST(Differentiator, AttentionBlock) {
  const Shape input = {1, 5, 8};
  std::vector<Node> nodes;
  for (const std::string name : {"q", "k", "v"}) {
    nodes.push_back(Op("MatMul", {"x", "w" + name}, {name + "0"}));
    nodes.push_back(Op("Reshape", {name + "0", "heads"}, {name + "1"}));
    nodes.push_back(Op("Transpose", {name + "1"}, {name + "2"},
                       {{"perm", name == "k" ? IntList({0, 2, 3, 1}) : IntList({0, 2, 1, 3})}}));
  }
  nodes.push_back(Op("MatMul", {"q2", "k2"}, {"scores"}));
  nodes.push_back(Op("Mul", {"scores", "factor"}, {"scaled"}));
  nodes.push_back(Op("Softmax", {"scaled"}, {"attention"}));
  nodes.push_back(Op("MatMul", {"attention", "v2"}, {"mixed"}));
  nodes.push_back(Op("Transpose", {"mixed"}, {"back"}, {{"perm", IntList({0, 2, 1, 3})}}));
  nodes.push_back(Op("Reshape", {"back", "flat"}, {"joined"}));
  nodes.push_back(Op("Add", {"joined", "x"}, {"residual"}));
  nodes.push_back(Op("LayerNormalization", {"residual", "gamma", "beta"}, {"normal"}));
  nodes.push_back(Op("Gelu", {"normal"}, {"y"}));
  Graph graph = MakeGraph(input, nodes,
                          {{"wq", RandomTensor({8, 8}, 1)},
                           {"wk", RandomTensor({8, 8}, 2)},
                           {"wv", RandomTensor({8, 8}, 3)},
                           {"heads", Int64s({1, 5, 2, 4})},
                           {"flat", Int64s({1, 5, 8})},
                           {"factor", Floats({}, {0.5F})},
                           {"gamma", RandomTensor({8}, 4, 0.5F, 1.5F)},
                           {"beta", RandomTensor({8}, 5)}});
  graph.opset = 20;
  ExpectDerivatives(graph, {{"x", RandomTensor(input, 6)}}, {"y"}, {"x", "wq", "wk", "wv", "gamma"},
                    // Third derivatives of the softmax's scores are large.
                    {.step = 4e-3, .tolerance = 5e-3, .max_elements = 20});
}

// The derivative of one logit by the network's input, along random directions: sums over all
// elements, so that errors of single kinks (ReLUs that switch within the step) stay small.
void ExpectInputDerivative(const std::filesystem::path& folder, double tolerance) {
  SCOPED_TRACE(folder.string());
  const Graph graph = ReadFloatModel(folder / "model.json");
  const std::string& input = graph.inputs.at(0).name;
  const std::string& output = graph.outputs.at(0);
  const Tensor samples = ReadNpy(folder / "sample_input.npy");
  Shape shape = samples.shape();
  shape[0] = 1;
  const Tensor x = Tensor::FromVector<float>(
      shape, std::vector<float>(samples.data<float>(), samples.data<float>() + NumElements(shape)));
  const Executor executor(graph);
  const Differentiator differentiator(executor, {{input}, {output}, {input}});
  const auto tape = differentiator.Forward({{input, x}});
  const Tensor& logits = tape.output(output);
  const ExecutionPlan plan = executor.Plan({input}, {output});
  for (const int64_t label : {int64_t{0}, logits.num_elements() / 2}) {
    Tensor one = Tensor::Zeros(DType::kFloat32, logits.shape());
    one.mutable_data<float>()[label] = 1.0F;
    const Tensor gradient = differentiator.Backward(tape, {{output, one}}).at(input);
    double norm = 0.0;
    for (int64_t i = 0; i < gradient.num_elements(); ++i) {
      norm += std::pow(static_cast<double>(gradient.data<float>()[i]), 2);
    }
    norm = std::sqrt(norm);
    // Along the gradient itself, where the change of the logit is largest: it must be its norm.
    const double step = 1e-3;
    const auto logit_at = [&](double distance) {
      Tensor moved(DType::kFloat32, x.shape());
      for (int64_t i = 0; i < x.num_elements(); ++i) {
        moved.mutable_data<float>()[i] =
            static_cast<float>(static_cast<double>(x.data<float>()[i]) +
                               distance * static_cast<double>(gradient.data<float>()[i]) / norm);
      }
      return static_cast<double>(
          executor.Run(plan, {{input, moved}}).at(output).data<float>()[label]);
    };
    EXPECT_NEAR((logit_at(step) - logit_at(-step)) / (2 * step), norm, tolerance * norm) << label;
  }
}

TEST(Differentiator, ShippedNetworksByTheirInput) {
  ExpectInputDerivative(std::filesystem::path(ADAROUND_MODELS) / "fashion_resnet", 0.02);
  ExpectInputDerivative(std::filesystem::path(ADAROUND_MODELS) / "fashion_mobilenet", 0.02);
}

class EvalDerivatives : public ::testing::TestWithParam<const char*> {};

TEST_P(EvalDerivatives, OfALogitByTheInput) {
  const std::filesystem::path folder = std::filesystem::path(ADAROUND_EVAL) / GetParam();
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectInputDerivative(folder, 0.05);
}

INSTANTIATE_TEST_SUITE_P(Networks, EvalDerivatives,
                         ::testing::Values("cifar10_resnet20", "imagenet_mobilenetv1_025",
                                           "imagenet_mobilenetv2"),
                         [](const auto& network) { return std::string(network.param); });

}  // namespace
}  // namespace adaround
