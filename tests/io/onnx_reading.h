// What the tests of the ONNX reader share.
#pragma once

#include <string>
#include <vector>

#include "adaround/io/onnx_import.h"
#include "io/test_files.h"
#include "support/onnx_testing.h"

namespace adaround::testing {

// y = Relu(MatMul(x, w)), x [N, 2].
inline OnnxBuilder SmallModel(int64_t opset = 17) {
  OnnxBuilder builder(opset);
  builder.AddInput("x", {-1, 2});
  builder.AddInitializer(FloatTensorProto("w", {2, 1}, {1, -2}));
  builder.AddNode("MatMul", {"x", "w"}, {"h"})->set_name("product");
  builder.AddNode("Relu", {"h"}, {"y"});
  builder.AddOutput("y");
  return builder;
}

inline OnnxModel Read(const OnnxBuilder& builder) {
  const ScratchFolder folder;
  return ReadOnnxModel(builder.Write(folder / "m.onnx"));
}

inline void ExpectRefused(const OnnxBuilder& builder, ErrorCode code,
                          const std::vector<std::string>& fragments) {
  std::vector<std::string> all = fragments;
  all.emplace_back("m.onnx");
  ExpectError(code, all, [&] { Read(builder); });
}

// A body that reads `outer`, a tensor of the graph around it.
inline onnx::GraphProto Body(const std::string& outer) {
  onnx::GraphProto body;
  onnx::NodeProto* node = body.add_node();
  node->set_op_type("Relu");
  node->add_input(outer);
  node->add_output("inner");
  body.add_output()->set_name("inner");
  return body;
}

}  // namespace adaround::testing
