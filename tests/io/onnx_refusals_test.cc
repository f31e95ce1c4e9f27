// Versions, graphs, texts and whole files that the ONNX reader refuses.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <functional>

#include "adaround/io/onnx_import.h"
#include "io/onnx_reading.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using testing::Body;
using testing::ExpectError;
using testing::ExpectRefused;
using testing::FloatTensorProto;
using testing::GraphAttribute;
using testing::IntAttribute;
using testing::IntTensorProto;
using testing::OnnxBuilder;
using testing::Read;
using testing::ReadBytes;
using testing::ScratchFolder;
using testing::SmallModel;
using testing::StringAttribute;
using testing::TensorAttribute;
using testing::WriteBytes;

TEST(OnnxRefusals, RefusesVersions) {
  const auto refuses = [](const auto& change, ErrorCode code, const char* fragment) {
    OnnxBuilder builder = SmallModel();
    change(builder.proto());
    ExpectRefused(builder, code, {fragment});
  };
  using Model = onnx::ModelProto;
  for (const int64_t opset : {1, 5, 22, 999}) {
    const std::string found = "opset is " + std::to_string(opset) + ", supported are 6 to 21";
    refuses([&](Model& model) { model.mutable_opset_import(0)->set_version(opset); },
            ErrorCode::kUnsupported, found.c_str());
  }
  refuses([](Model& model) { model.set_ir_version(14); }, ErrorCode::kUnsupported,
          "has IR version 14, this program reads up to 13");
  refuses([](Model& model) { model.clear_ir_version(); }, ErrorCode::kMalformed,
          "states no IR version");
  refuses([](Model& model) { model.clear_opset_import(); }, ErrorCode::kMalformed,
          "names no opset");
  refuses([](Model& model) { model.mutable_opset_import(0)->set_domain("com.example"); },
          ErrorCode::kMalformed, "names no opset");
  refuses(
      [](Model& model) {
        model.add_opset_import()->set_domain("ai.onnx");
        model.mutable_opset_import(1)->set_version(12);
      },
      ErrorCode::kMalformed, "imports the opsets 17 and 12");
  refuses([](Model& model) { model.clear_graph(); }, ErrorCode::kMalformed, "holds no graph");
  refuses([](Model& model) { model.mutable_graph()->clear_output(); }, ErrorCode::kMalformed,
          "the graph has no output");
  for (const int64_t opset : {6, 21}) {
    EXPECT_EQ(Read(SmallModel(opset)).graph.opset, opset);
  }
}

TEST(OnnxRefusals, RefusesFunctionsAndSparseInitializers) {
  OnnxBuilder functions = SmallModel();
  onnx::FunctionProto* function = functions.proto().add_functions();
  function->set_domain("local");
  function->set_name("Twice\x1b");
  // It calls itself.
  function->add_node()->set_op_type("Twice\x1b");
  ExpectRefused(functions, ErrorCode::kUnsupported, {"'local::Twice\\x1b'", "inline them"});
  OnnxBuilder sparse = SmallModel();
  sparse.graph().add_sparse_initializer()->mutable_values()->set_name("s");
  ExpectRefused(sparse, ErrorCode::kUnsupported, {"initializer 's' is sparse"});
}

TEST(OnnxRefusals, RefusesBrokenGraphs) {
  const auto refuses = [](const auto& change, const std::vector<std::string>& fragments) {
    OnnxBuilder builder = SmallModel();
    change(builder);
    ExpectRefused(builder, ErrorCode::kMalformed, fragments);
  };
  refuses([](OnnxBuilder& b) { b.graph().mutable_node(0)->set_input(1, "v"); },
          {"node 'product' (MatMul) reads tensor 'v'"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_node(0)->set_input(0, "y"); }, {"form a cycle"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_node(1)->set_output(0, "h"); },
          {"'h' is defined twice", "node 'Relu_1'"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_node(1)->set_output(0, "w"); },
          {"'w' is defined twice"});
  refuses([](OnnxBuilder& b) { b.AddInput("x", {1}); }, {"'x' is defined twice"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_output(0)->set_name("z"); }, {"output 'z'"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_output(0)->set_name(""); },
          {"a graph output has no name"});
  refuses([](OnnxBuilder& b) { b.AddInitializer(FloatTensorProto("w", {}, {1})); },
          {"initializer 'w': is given twice"});
  refuses([](OnnxBuilder& b) { b.AddInitializer(FloatTensorProto("", {}, {1})); },
          {"an initializer has no name"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_node(0)->set_op_type(""); },
          {"node 'product' names no operator"});
  refuses([](OnnxBuilder& b) { b.graph().mutable_initializer(0)->set_dims(0, 3); },
          {"initializer 'w': has 2 elements", "[3, 1]"});
}

TEST(OnnxRefusals, NamesArePrintedEscaped) {
  OnnxBuilder builder = SmallModel();
  builder.graph().mutable_node(0)->set_name("\x1b[31m");
  builder.graph().mutable_node(0)->set_input(1, std::string("a\0b", 3));
  ExpectRefused(builder, ErrorCode::kMalformed, {"'\\x1b[31m'", "'a\\x00b'"});
}

TEST(OnnxRefusals, RefusesTextsThatAreNotUtf8) {
  const auto refuses = [](const std::function<void(OnnxBuilder&, const std::string&)>& change,
                          const std::vector<std::string>& fragments) {
    OnnxBuilder good = SmallModel();
    change(good, "na\xC3\xAFve");
    Read(good);
    OnnxBuilder bad = SmallModel();
    change(bad, "na\xEFve");
    std::vector<std::string> all = fragments;
    all.insert(all.end(), {"'na\\xefve'", "is not UTF-8"});
    ExpectRefused(bad, ErrorCode::kMalformed, all);
  };
  using Text = const std::string&;
  const auto node = [](OnnxBuilder& b) { return b.graph().mutable_node(1); };
  refuses([&](OnnxBuilder& b, Text text) { node(b)->set_name(text); }, {"node 1: its name"});
  refuses([&](OnnxBuilder& b, Text text) { node(b)->set_op_type(text); }, {"node 1", "operator"});
  refuses([&](OnnxBuilder& b, Text text) { node(b)->set_domain(text); }, {"node 1", "domain"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        b.graph().mutable_input(0)->set_name(text);
        b.graph().mutable_node(0)->set_input(0, text);
      },
      {"the name of a graph input"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        b.graph().mutable_initializer(0)->set_name(text);
        b.graph().mutable_node(0)->set_input(1, text);
      },
      {"the name of an initializer"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        b.graph().mutable_node(0)->set_output(0, text);
        node(b)->set_input(0, text);
      },
      {"node 0: the name of an output"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        node(b)->set_output(0, text);
        b.graph().mutable_output(0)->set_name(text);
      },
      {"the name of a graph output"});
  refuses([&](OnnxBuilder& b, Text text) { *node(b)->add_attribute() = IntAttribute(text, 1); },
          {"node 1: the name of an attribute"});
  refuses(
      [&](OnnxBuilder& b, Text text) { *node(b)->add_attribute() = StringAttribute("a", text); },
      {"node 1: the value of an attribute"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        onnx::AttributeProto* list = node(b)->add_attribute();
        list->set_name("a");
        list->set_type(onnx::AttributeProto::STRINGS);
        list->add_strings(text);
      },
      {"node 1: a value of an attribute"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        b.graph()
            .mutable_input(0)
            ->mutable_type()
            ->mutable_tensor_type()
            ->mutable_shape()
            ->mutable_dim(0)
            ->set_dim_param(text);
      },
      {"an extent of a graph input"});
  refuses([&](OnnxBuilder& b, Text text) { b.proto().add_metadata_props()->set_key(text); },
          {"a key of metadata_props"});
  refuses(
      [&](OnnxBuilder& b, Text text) {
        b.proto().add_metadata_props()->set_value(text);
        b.proto().mutable_metadata_props(0)->set_key("a");
      },
      {"a value of metadata_props"});
}

TEST(OnnxRefusals, RefusesWhatIsNoOnnxFile) {
  const ScratchFolder folder;
  const auto refuses = [&](const std::string& bytes, const std::vector<std::string>& fragments) {
    ExpectError(ErrorCode::kMalformed, fragments,
                [&] { ReadOnnxModel(WriteBytes(folder / "m.onnx", bytes)); });
  };
  refuses("", {"m.onnx", "is empty"});
  refuses("{\"format\": 1}", {"is no ONNX model: it looks like JSON text"});
  refuses("PK\x03\x04...", {"it looks like a zip archive"});
  refuses("<!DOCTYPE html>", {"it looks like a web page"});
  refuses("\x89PNG\r\n\x1a\n", {"a PNG image"});
  refuses("version https://git-lfs.github.com/spec/v1\n", {"Git-LFS pointer"});
  refuses("Hello", {"is no ONNX model"});
  // Begins like one.
  refuses("\x08\x08 and then something else", {"m.onnx, byte ", "it is no ONNX model, or damaged"});
  ExpectError(ErrorCode::kMalformed, {"is a folder"}, [&] { ReadOnnxModel(folder.path()); });
  ExpectError(ErrorCode::kMalformed, {"No such file"}, [&] { ReadOnnxModel(folder / "none"); });
  ASSERT_EQ(mkfifo((folder / "pipe.onnx").c_str(), 0600), 0);
  ExpectError(ErrorCode::kMalformed, {"FIFO"}, [&] { ReadOnnxModel(folder / "pipe.onnx"); });
}

TEST(OnnxRefusals, RefusesFilesBeyondTwoGiB) {
  const ScratchFolder folder;
  const fs::path path = SmallModel().Write(folder / "m.onnx");
  // A hole: it takes no space.
  fs::resize_file(path, (uint64_t{1} << 31));
  ExpectError(ErrorCode::kUnsupported, {"has 2147483648 bytes", "external data"},
              [&] { ReadOnnxModel(path); });
}

TEST(OnnxRefusals, NoDamageCrashesOrPrints) {
  OnnxBuilder builder = SmallModel();
  builder.AddNode("Constant", {}, {"c"}, {TensorAttribute("value", IntTensorProto("", {1}, {4}))});
  builder.AddNode("If", {"x"}, {"z"}, {GraphAttribute("then_branch", Body("h"))});
  builder.proto().add_metadata_props()->set_key("k");
  const ScratchFolder folder;
  const fs::path path = builder.Write(folder / "m.onnx");
  const std::string bytes = ReadBytes(path);
  ::testing::internal::CaptureStderr();
  const int accepted =
      testing::ReadDamaged(path, bytes, bytes.size(), [&] { ReadOnnxModel(path); });
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  // Protobuf has no end mark: without its last fields, the metadata, the model is still whole.
  EXPECT_LE(accepted, 1);
}

TEST(OnnxRefusals, SegmentsAndStringsAreRefusedByName) {
  OnnxBuilder segment = SmallModel();
  segment.graph().mutable_initializer(0)->mutable_segment()->set_end(1);
  ExpectRefused(segment, ErrorCode::kMalformed, {"initializer 'w'", "segment"});
  OnnxBuilder text = SmallModel();
  onnx::TensorProto tensor;
  tensor.set_name("labels");
  tensor.set_data_type(onnx_type::kString);
  tensor.add_dims(1);
  tensor.add_string_data("cat");
  text.AddInitializer(tensor);
  ExpectRefused(text, ErrorCode::kUnsupported, {"initializer 'labels'", "strings"});
}

}  // namespace
}  // namespace adaround
