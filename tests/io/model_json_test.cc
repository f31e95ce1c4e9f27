#include "adaround/io/model_json.h"

#include <limits>

#include "adaround/io/model_file.h"
#include "adaround/io/safetensors.h"
#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::WriteBytes;

// A graph that uses every kind of attribute.
Graph ExampleGraph() {
  Graph graph;
  graph.opset = 13;
  GraphInput input;
  input.name = "input";
  input.shape = {-1, 2, 4};
  input.symbols = {"N", "", ""};
  input.preprocess = Preprocess{};
  input.preprocess->scale = 1 / 255.0;
  input.preprocess->mean = {0.1, 0.2};
  input.preprocess->resize = 256;
  input.preprocess->channel_order = "RGB";
  graph.inputs = {input};
  graph.outputs = {"y"};
  Node first;
  first.name = "first/\"quoted\"";
  first.op = "Conv";
  first.inputs = {"input", "w", ""};
  first.outputs = {"x"};
  first.attributes = {{"group", int64_t{1}},
                      {"alpha", 1.0},
                      {"tiny", 9.999999747378752e-06},
                      {"mode", std::string("constant")},
                      {"pads", std::vector<int64_t>{0, 1}},
                      {"scales", std::vector<double>{1.0, 0.1}},
                      {"names", std::vector<std::string>{"a", "b"}},
                      {"value", Tensor::FromVector<int64_t>({2}, {-1, 5})}};
  Node second;
  second.name = "second";
  second.op = "Relu";
  second.inputs = {"x"};
  second.outputs = {"y"};
  graph.nodes = {first, second};
  graph.initializers = {{"w", Tensor::FromVector<float>({2, 1}, {0.5F, -3})}};
  return graph;
}

// The example on disk, its text open to edits.
class ModelFolder {
 public:
  ModelFolder() { WriteModelJson(folder_.path(), ExampleGraph()); }

  std::filesystem::path json() const { return folder_ / "model.json"; }
  std::filesystem::path weights() const { return folder_ / "weights.safetensors"; }
  const std::filesystem::path& path() const { return folder_.path(); }

  // Replaces the first `from`, which must be there.
  void Edit(const std::string& from, const std::string& to) {
    std::string text = ReadBytes(json());
    const size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    WriteBytes(json(), text.replace(at, from.size(), to));
  }

 private:
  ScratchFolder folder_;
};

void ExpectRefused(const std::string& from, const std::string& to,
                   const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  ModelFolder model;
  model.Edit(from, to);
  ExpectError(code, fragments, [&] { ReadModelJson(model.path()); });
}

TEST(ModelJson, RoundTripKeepsEverything) {
  const ModelFolder model;
  const Graph graph = ReadModelJson(model.path());
  const Graph wanted = ExampleGraph();
  ASSERT_EQ(graph.nodes.size(), 2u);
  const Node& node = graph.nodes[0];
  EXPECT_EQ(node.name, wanted.nodes[0].name);
  EXPECT_EQ(node.inputs, wanted.nodes[0].inputs);
  EXPECT_EQ(node.GetInt("group", 0), 1);
  EXPECT_TRUE(std::holds_alternative<double>(node.attributes.at("alpha")));
  EXPECT_EQ(node.GetFloat("tiny", 0), 9.999999747378752e-06);
  EXPECT_EQ(node.GetString("mode", ""), "constant");
  EXPECT_EQ(node.GetInts("pads", {}), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(node.GetFloats("scales", {}), (std::vector<double>{1.0, 0.1}));
  EXPECT_EQ(std::get<std::vector<std::string>>(node.attributes.at("names")).size(), 2u);
  EXPECT_EQ(ToInt64Vector(std::get<Tensor>(node.attributes.at("value"))),
            (std::vector<int64_t>{-1, 5}));
  EXPECT_EQ(graph.inputs[0].shape, wanted.inputs[0].shape);
  EXPECT_EQ(graph.inputs[0].symbols, wanted.inputs[0].symbols);
  EXPECT_EQ(graph.inputs[0].preprocess->mean, wanted.inputs[0].preprocess->mean);
  EXPECT_EQ(graph.inputs[0].preprocess->resize, 256);
  // The attribute's tensor is no initializer.
  ASSERT_EQ(graph.initializers.size(), 1u);
  EXPECT_EQ(graph.initializers.at("w").data<float>()[1], -3);
}

TEST(ModelJson, SameGraphSameBytes) {
  const ModelFolder first;
  const ScratchFolder second;
  WriteModelJson(second / "new", ReadModelJson(first.json()));
  EXPECT_EQ(ReadBytes(second / "new/model.json"), ReadBytes(first.json()));
  EXPECT_EQ(ReadBytes(second / "new/weights.safetensors"), ReadBytes(first.weights()));
}

TEST(ModelJson, SortsNodesAndWidensHalves) {
  ModelFolder model;
  Graph graph = ExampleGraph();
  std::swap(graph.nodes[0], graph.nodes[1]);
  Tensor half(DType::kFloat16, {2, 1});
  const uint16_t bits[] = {0x3C00, 0xC000};  // 1, -2
  std::copy_n(reinterpret_cast<const uint8_t*>(bits), 4, half.mutable_raw());
  graph.initializers["w"] = half;
  WriteModelJson(model.path(), graph);
  const Graph read = ReadModelJson(model.path());
  EXPECT_EQ(read.nodes[0].op, "Conv");
  EXPECT_EQ(read.initializers.at("w").data<float>()[1], -2);
}

TEST(ModelJson, NoDamageCrashes) {
  ModelFolder model;
  const std::string bytes = ReadBytes(model.json());
  EXPECT_LE(ReadDamaged(model.json(), bytes, bytes.size(), [&] { ReadModelFile(model.path()); }),
            1);  // without the last newline it is still whole
}

TEST(ModelJson, RefusesOtherFormatsAndVersions) {
  ExpectRefused("\"adaround-model\"", "\"onnx\"", {"format: is 'onnx', must be 'adaround-model'"});
  ExpectRefused("\"version\": 1", "\"version\": 2", {"version: is 2", "newer adaround"},
                ErrorCode::kUnsupported);
  ExpectRefused("\"format\"", "\"formal\"", {"the key 'format' is missing"});
  ExpectRefused("\"opset\": 13", "\"opset\": 5", {"opset: is 5, supported are 6 to 21"},
                ErrorCode::kUnsupported);
  ExpectRefused("\"opset\": 13", "\"opset\": 22", {"opset: is 22"}, ErrorCode::kUnsupported);
  const ScratchFolder folder;
  WriteBytes(folder / "model.onnx", "PK\x03\x04");
  ExpectError(ErrorCode::kMalformed, {"no model.json: it looks like a zip archive"},
              [&] { ReadModelJson(folder / "model.onnx"); });
}

TEST(ModelJson, RefusesUnknownKeysWithASuggestion) {
  ExpectRefused("\"outputs\"", "\"output\"", {"unknown key 'output'; did you mean 'outputs'?"});
  ExpectRefused("\"op\"", "\"opp\"", {"nodes[0]: unknown key 'opp'; did you mean 'op'?"});
  ExpectRefused("\"resize\"", "\"resise\"",
                {"inputs[0].preprocess: unknown key 'resise'; did you mean 'resize'?"});
  ExpectRefused("\"float32\"", "\"float23\"", {"unknown dtype 'float23'; did you mean 'float32'?"});
  ExpectRefused("\"RGB\"", "\"RBG\"", {"channel_order: unknown value 'RBG'"});
}

TEST(ModelJson, RefusesWrongTypes) {
  ExpectRefused("\"group\": 1", "\"group\": true", {"nodes[0].attributes.group", "true and false"});
  ExpectRefused("\"group\": 1", "\"group\": {\"tensor\": \"none\"}",
                {"attributes.group.tensor", "no tensor 'none'"});
  ExpectRefused("\"constant\"", "[1, \"a\"]", {"mixes strings"});
  ExpectRefused("\"second\"", "\"\"", {"nodes[1].name: is empty"});
  ExpectRefused("\"second\"", "\"first/\\\"quoted\\\"\"", {"a second node is called"});
}

TEST(ModelJson, RefusesBadInputs) {
  ExpectRefused("\"N\"", "-1", {"inputs[0].shape[0]: is negative"});
  ExpectRefused("\"N\"", "0", {"inputs[0].shape[0]: is 0"});
  ExpectRefused("\"N\"", "\"\"", {"inputs[0].shape[0]: is empty"});
  ExpectRefused("\"N\"", "1,1,1,1,1,1,1", {"9 dimensions, at most 8"});
  ExpectRefused("\"N\"", "1099511627776,1099511627776", {"its size overflows"});
}

TEST(ModelJson, RefusesBadPreprocessing) {
  ExpectRefused("\"resize\": 256", "\"resize\": 0", {"preprocess.resize: is 0"});
  ExpectRefused("\"std\": [\n     1.0", "\"std\": [\n     0.0", {"std: holds 0"});
  ExpectRefused("0.1,", "0.1, 0.15,", {"mean: has 3 values, wanted 1 or one per channel (2)"});
  ExpectRefused("0.1,", "\"a\",", {"mean[0]: expected a number"});
  ExpectRefused("\"scale\": 0.00", "\"scale\": 0, \"crop\": 0.00", {"scale: is 0"});
}

TEST(ModelJson, RefusesBrokenGraphs) {
  ExpectRefused("\"w\"", "\"v\"", {"model.json", "reads tensor 'v'"});
  ExpectRefused("\"outputs\": [\n  \"y\"", "\"outputs\": [\n  \"z\"", {"output 'z'"});
  ExpectRefused("\"inputs\": [\n    \"x\"", "\"inputs\": [\n    \"y\"", {"cycle"});
  ExpectRefused("\"outputs\": [\n    \"x\"", "\"outputs\": [\n    \"w\"", {"'w' is defined twice"});
}

TEST(ModelJson, RefusesWeightsOutsideTheFolder) {
  const std::string name = "\"weights.safetensors\"";
  ExpectRefused(name, "\"../weights.safetensors\"", {"model.json: weights", "'..'"});
  ExpectRefused(name, "\"/tmp/weights.safetensors\"", {"is absolute"});
  ExpectRefused(name, "\"a\\u0000b\"", {"control character"});
  ExpectRefused(name, "\"none.safetensors\"", {"none.safetensors", "No such file"},
                ErrorCode::kMalformed);
  const ScratchFolder outside;
  ModelFolder model;
  std::filesystem::rename(model.weights(), outside / "w");
  std::filesystem::create_symlink(outside / "w", model.weights());
  ExpectError(ErrorCode::kMalformed, {"symbolic link"}, [&] { ReadModelJson(model.path()); });
}

TEST(ModelJson, RefusesWeightsThatAreNotFinite) {
  ModelFolder model;
  Graph graph = ExampleGraph();
  graph.initializers.at("w").mutable_data<float>()[1] = std::numeric_limits<float>::infinity();
  WriteModelJson(model.path(), graph);
  ExpectError(ErrorCode::kMalformed, {"weights.safetensors: tensor 'w'", "[1, 0] is infinity"},
              [&] { ReadModelJson(model.path()); });
}

// A megabyte of text about one large tensor must not become a thousand tensors in memory.
TEST(ModelJson, AttributesThatNameOneEntryShareItsElements) {
  ModelFolder model;
  const std::string entry = R"({"tensor": "w"})";
  model.Edit("\"alpha\": 1.0", "\"alpha\": " + entry + ", \"beta\": " + entry);
  const Graph graph = ReadModelJson(model.path());
  const std::map<std::string, Attribute>& attributes = graph.nodes[0].attributes;
  const auto& alpha = std::get<Tensor>(attributes.at("alpha"));
  EXPECT_EQ(alpha.data<float>()[1], -3);
  EXPECT_EQ(alpha.raw(), std::get<Tensor>(attributes.at("beta")).raw());
}

TEST(ModelJson, ManyViolationsStayReadable) {
  ModelFolder model;
  Graph graph = ExampleGraph();
  for (int i = 0; i < 1000; ++i) {
    graph.nodes[1].name = "n" + std::to_string(i);
    graph.nodes[1].inputs = {"missing"};
    graph.nodes[1].outputs = {"o" + std::to_string(i)};
    graph.nodes.push_back(graph.nodes[1]);
  }
  graph.nodes[1].name = "last";
  graph.nodes[1].outputs = {"y"};
  WriteModelJson(model.path(), graph);
  ExpectError(ErrorCode::kMalformed, {"and 991 more"}, [&] { ReadModelJson(model.path()); });
}

TEST(ModelJson, WriterRefusesWhatJsonCannotHold) {
  const ScratchFolder folder;
  Graph graph = ExampleGraph();
  graph.nodes[0].attributes["alpha"] = std::numeric_limits<double>::quiet_NaN();
  ExpectError(ErrorCode::kInvalidArgument, {"attribute 'alpha'", "NaN"},
              [&] { WriteModelJson(folder.path(), graph); });
  graph = ExampleGraph();
  graph.nodes[0].name = "\xFF";
  ExpectError(ErrorCode::kInvalidArgument, {"UTF-8"},
              [&] { WriteModelJson(folder.path(), graph); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace adaround
