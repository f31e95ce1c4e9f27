// What is wrong with a node is said by the node's name and the file that it was read from.
#include <gtest/gtest.h>

#include "adaround/base/error.h"
#include "adaround/runtime/executor.h"
#include "support/error_testing.h"
#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::ExpectErrorWith;
using testing::Floats;
using testing::Op;

Graph GraphOf(Node node) {
  Graph graph;
  graph.source = "net.onnx";
  graph.inputs = {{"x", DType::kFloat32, {-1, 4}, {"N", ""}, {}}};
  graph.outputs = node.outputs;
  node.name = "stem";
  graph.nodes = {std::move(node)};
  graph.initializers["five"] = Floats({5}, {1, 2, 3, 4, 5});
  return graph;
}

void RunOn(const Graph& graph, const Tensor& x) {
  const Executor executor(graph);
  executor.Run(executor.Plan({"x"}, {"y"}), {{"x", x}});
}

TEST(ExecutorErrors, NameFileAndNode) {
  const Tensor x = Floats({1, 4}, {1, 2, 3, 4});
  ExpectErrorWith(ErrorCode::kMalformed, {"net.onnx: node 'stem' (Add): "},
              [&] { RunOn(GraphOf(Op("Add", {"x", "five"}, {"y"})), x); });
  ExpectErrorWith(ErrorCode::kMalformed, {"net.onnx: node 'stem' (Gemm): ", "transB"}, [&] {
    RunOn(GraphOf(Op("Gemm", {"x", "five"}, {"y"}, {{"transB", std::string("yes")}})), x);
  });
  ExpectErrorWith(ErrorCode::kUnsupported, {"net.onnx: no kernel", "node 'stem' (Clap)"},
              [&] { RunOn(GraphOf(Op("Clap", {"x"}, {"y"})), x); });
}

TEST(ExecutorErrors, OfAGraphThatNoFileHoldsNameTheNodeAlone) {
  Graph graph = GraphOf(Op("Clap", {"x"}, {"y"}));
  graph.source.clear();
  try {
    RunOn(graph, Floats({1, 4}, {1, 2, 3, 4}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("no kernel at opset")) << error.what();
  }
}

}  // namespace
}  // namespace adaround
