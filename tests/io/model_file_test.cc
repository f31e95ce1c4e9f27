#include "adaround/io/model_file.h"

#include <gtest/gtest.h>

#include "adaround/io/model_json.h"
#include "adaround/io/sha256.h"
#include "io/test_files.h"
#include "support/graph_testing.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using testing::ExpectError;
using testing::OnnxBuilder;
using testing::ScratchFolder;
using testing::WriteBytes;

Graph TinyGraph() {
  Graph graph;
  graph.inputs = {testing::FloatInput("x", {-1, 2})};
  graph.nodes = {testing::Op("MatMul", {"x", "w"}, {"y"})};
  graph.initializers["w"] = testing::Floats({2, 1}, {1, 2});
  graph.outputs = {"y"};
  return graph;
}

OnnxBuilder TinyOnnx(const char* op = "MatMul") {
  OnnxBuilder builder;
  builder.AddInput("x", {-1, 2});
  builder.AddInitializer(testing::FloatTensorProto("w", {2, 1}, {1, 2}));
  builder.AddNode(op, {"x", "w"}, {"y"});
  builder.AddOutput("y");
  return builder;
}

void AddMetadata(OnnxBuilder& builder, const std::string& key, const std::string& value) {
  onnx::StringStringEntryProto* entry = builder.proto().add_metadata_props();
  entry->set_key(key);
  entry->set_value(value);
}

TEST(ModelFile, ReadsEitherFormat) {
  const ScratchFolder folder;
  WriteModelJson(folder / "json", TinyGraph());
  TinyOnnx().Write(folder / "m.onnx");
  TinyOnnx().Write(folder / "M.ONNX");
  TinyOnnx().Write(folder / "without_extension");
  fs::copy(folder / "json/model.json", folder / "json/renamed");
  for (const char* name :
       {"json", "json/model.json", "json/renamed", "m.onnx", "M.ONNX", "without_extension"}) {
    SCOPED_TRACE(name);
    const ModelFile file = ReadModelFile(folder / name);
    ASSERT_TRUE(std::holds_alternative<Graph>(file));
    EXPECT_EQ(std::get<Graph>(file).nodes.at(0).op, "MatMul");
    EXPECT_EQ(ReadFloatModel(folder / name).initializers.at("w").data<float>()[1], 2);
  }
}

TEST(ModelFile, ContentsThatBelieTheExtensionAreRefused) {
  const ScratchFolder folder;
  WriteModelJson(folder / "json", TinyGraph());
  fs::copy(folder / "json/model.json", folder / "json/model.onnx");
  TinyOnnx().Write(folder / "m.json");
  ExpectError(ErrorCode::kMalformed, {"model.onnx: is no ONNX model", "JSON text"},
              [&] { ReadModelFile(folder / "json/model.onnx"); });
  ExpectError(ErrorCode::kMalformed, {"m.json"}, [&] { ReadModelFile(folder / "m.json"); });
  ExpectError(ErrorCode::kMalformed, {"none", "No such file"},
              [&] { ReadModelFile(folder / "none"); });
}

TEST(ModelFile, RefusesModelsThatOthersQuantized) {
  const ScratchFolder folder;
  const fs::path path = TinyOnnx("QLinearMatMul").Write(folder / "m.onnx");
  ExpectError(ErrorCode::kUnsupported, {"m.onnx: is already quantized", "float model"},
              [&] { ReadModelFile(path); });
  ExpectError(ErrorCode::kUnsupported, {"m.onnx: is already quantized"},
              [&] { ReadFloatModel(path); });
}

TEST(ModelFile, OwnExportsRunAsTheyAre) {
  const ScratchFolder folder;
  OnnxBuilder builder = TinyOnnx("DequantizeLinear");
  AddMetadata(builder, "adaround.export", "qdq");
  AddMetadata(builder, "adaround.provenance", R"({"method": "adaround", "model_sha256": "ab"})");
  const fs::path path = builder.Write(folder / "m.onnx");
  const ModelFile file = ReadModelFile(path);
  ASSERT_TRUE(std::holds_alternative<QdqModel>(file));
  EXPECT_EQ(std::get<QdqModel>(file).graph.nodes.at(0).op, "DequantizeLinear");
  EXPECT_EQ(std::get<QdqModel>(file).provenance,
            (std::map<std::string, std::string>{{"method", "adaround"}, {"model_sha256", "ab"}}));
  ExpectError(ErrorCode::kUnsupported, {"is already quantized"}, [&] { ReadFloatModel(path); });
}

TEST(ModelFile, RefusesDamagedProvenance) {
  for (const char* provenance : {"[]", "{", R"({"method": 1})", R"({"a": "1", "a": "2"})"}) {
    const ScratchFolder folder;
    OnnxBuilder builder = TinyOnnx();
    AddMetadata(builder, "adaround.export", "qdq");
    AddMetadata(builder, "adaround.provenance", provenance);
    ExpectError(ErrorCode::kMalformed, {"m.onnx: metadata 'adaround.provenance'"},
                [&] { ReadModelFile(builder.Write(folder / "m.onnx")); });
  }
}

TEST(ModelFile, DigestIsThatOfAllFiles) {
  const ScratchFolder folder;
  WriteModelJson(folder / "json", TinyGraph());
  const std::string digest = ModelDigest(folder / "json");
  EXPECT_EQ(digest, Sha256OfBytes(Sha256OfFile(folder / "json/model.json") +
                                  Sha256OfFile(folder / "json/weights.safetensors")));
  EXPECT_EQ(ModelDigest(folder / "json/model.json"), digest);
  // One file: what sha256sum prints.
  const fs::path path = TinyOnnx().Write(folder / "m.onnx");
  EXPECT_EQ(ModelDigest(path), Sha256OfFile(path));
}

TEST(ModelFile, DigestOpensNothingOutsideTheFolder) {
  const ScratchFolder folder;
  WriteModelJson(folder / "json", TinyGraph());
  std::string text = testing::ReadBytes(folder / "json/model.json");
  text.replace(text.find("weights.safetensors"), 19, "../weights.safetenso");
  WriteBytes(folder / "json/model.json", text);
  ExpectError(ErrorCode::kMalformed, {"weights", "'..'"}, [&] { ModelDigest(folder / "json"); });
}

}  // namespace
}  // namespace adaround
