// Hooks: what readers, observers and the caller see of a tensor.
#include <gtest/gtest.h>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::Floats;
using testing::Op;

Tensor Plus(const Tensor& x, float number) {
  Tensor result = x.Clone();
  for (int64_t i = 0; i < x.num_elements(); ++i) result.mutable_data<float>()[i] += number;
  return result;
}

// x -> Neg -> a -> Neg -> b;  y = a + b, with a shift c added: c - c.
Graph HookGraph() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {1})};
  graph.nodes = {Op("Neg", {"x"}, {"a"}), Op("Neg", {"a"}, {"b"}), Op("Sub", {"a", "c"}, {"y"})};
  graph.outputs = {"b", "y"};
  graph.initializers["c"] = Floats({1}, {100.0F});
  return graph;
}

float First(const TensorMap& values, const std::string& name) {
  return values.at(name).data<float>()[0];
}

TEST(ExecutorHook, EveryReaderObserverAndTheCallerSeeIt) {
  Executor executor(HookGraph());
  executor.SetHook("a", [](const Tensor& value) { return Plus(value, 10.0F); });
  std::map<std::string, float> seen;
  const TensorMap found = executor.Run(
      executor.Plan({"x"}, {"a", "b", "y"}), {{"x", Floats({1}, {3.0F})}},
      [&](const std::string& name, const Tensor& value) { seen[name] = value.data<float>()[0]; });
  // a = -3 + 10, b = -a, y = a - 100.
  EXPECT_EQ(First(found, "a"), 7.0F);
  EXPECT_EQ(First(found, "b"), -7.0F);
  EXPECT_EQ(First(found, "y"), -93.0F);
  EXPECT_EQ(seen, (std::map<std::string, float>{{"x", 3}, {"a", 7}, {"b", -7}, {"y", -93}}));
}

TEST(ExecutorHook, GivenTensorsAreHookedOnceAndTheCallersStayAsTheyAre) {
  Executor executor(HookGraph());
  int calls = 0;
  executor.SetHook("x", [&](const Tensor& value) {
    ++calls;
    return Plus(value, 1.0F);
  });
  const Tensor x = Floats({1}, {3.0F});
  const TensorMap found = executor.Run(executor.Plan({"x"}, {"b", "y"}), {{"x", x}});
  EXPECT_EQ(First(found, "b"), 4.0F);
  EXPECT_EQ(First(found, "y"), -104.0F);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(x.data<float>()[0], 3.0F);
  // In the middle of the graph too, where the maker does not run.
  executor.SetHook("a", [](const Tensor& value) { return Plus(value, 0.5F); });
  const TensorMap middle = executor.Run(executor.Plan({"a"}, {"b"}), {{"a", x}});
  EXPECT_EQ(First(middle, "b"), -3.5F);
  EXPECT_EQ(calls, 1);
}

TEST(ExecutorHook, InitializersAreNotHookedAndALaterHookReplacesTheFirst) {
  Executor executor(HookGraph());
  executor.SetHook("c", [](const Tensor& value) { return Plus(value, 1000.0F); });
  executor.SetHook("y", [](const Tensor& value) { return Plus(value, 1000.0F); });
  executor.SetHook("y", [](const Tensor& value) { return Plus(value, 2.0F); });
  executor.SetHook("no such tensor", [](const Tensor& value) { return Plus(value, 1000.0F); });
  const TensorMap found =
      executor.Run(executor.Plan({"x"}, {"y"}), {{"x", Floats({1}, {3.0F})}});
  EXPECT_EQ(First(found, "y"), -101.0F);
}

TEST(ExecutorHook, AGivenTensorWhoseMakerRunsForAnotherOutputIsHookedOnce) {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {2})};
  graph.nodes = {Op("Split", {"x"}, {"left", "right"}, {{"axis", int64_t{0}}}),
                 Op("Add", {"left", "right"}, {"y"})};
  graph.outputs = {"y"};
  Executor executor(graph);
  executor.SetHook("left", [](const Tensor& value) { return Plus(value, 10.0F); });
  executor.SetHook("right", [](const Tensor& value) { return Plus(value, 100.0F); });
  const TensorMap found =
      executor.Run(executor.Plan({"x", "left"}, {"y"}),
                   {{"x", Floats({2}, {1.0F, 2.0F})}, {"left", Floats({1}, {5.0F})}});
  EXPECT_EQ(First(found, "y"), 117.0F);
}

}  // namespace
}  // namespace adaround
