#include "adaround/io/quantized_model_io.h"

#include <cmath>
#include <limits>

#include "adaround/io/model_file.h"
#include "adaround/io/model_json.h"
#include "adaround/io/safetensors.h"
#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::WriteBytes;

QuantizedTensor MakeTensor(int bit_width, bool symmetric, Granularity granularity, Shape shape,
                           ChannelLayout layout) {
  QuantizedTensor tensor;
  tensor.shape = std::move(shape);
  tensor.layout = layout;
  tensor.grid = MakeGrid(bit_width, symmetric, granularity, 2);
  const int64_t num_scales =
      tensor.grid.NumScales(layout.NumRows(tensor.shape), layout.RowLength(tensor.shape));
  for (int64_t i = 0; i < num_scales; ++i) {
    tensor.grid.scale.push_back(0.1F + 1e-7F * static_cast<float>(i));
    tensor.grid.zero_point.push_back(symmetric ? 0 : static_cast<int32_t>(i % 3));
  }
  const int levels = tensor.grid.q_max - tensor.grid.q_min + 1;
  for (int64_t i = 0; i < NumElements(tensor.shape); ++i) {
    tensor.integers.push_back(static_cast<int16_t>(tensor.grid.q_min + (5 * i) % levels));
  }
  return tensor;
}

QuantizedModel ExampleModel(const std::map<std::string, QuantizedTensor>& weights) {
  QuantizedModel model;
  GraphInput input;
  input.name = "input";
  input.shape = {-1, 3};
  input.symbols = {"N", ""};
  model.graph.inputs = {input};
  std::string previous = "input";
  for (const auto& [name, tensor] : weights) {
    Node node;
    node.name = "node of " + name;
    node.op = "Gemm";
    node.inputs = {previous, name, "bias"};
    node.outputs = {"out of " + name};
    previous = node.outputs[0];
    model.graph.nodes.push_back(node);
  }
  model.graph.outputs = {previous};
  model.graph.initializers = {{"bias", Tensor::FromVector<float>({2}, {0.5F, 1})}};
  model.weights = weights;
  model.provenance = {{"method", "adaround"}, {"seed", "42"}};
  return model;
}

QuantizedModel SmallModel() {
  return ExampleModel(
      {{"w", MakeTensor(3, false, Granularity::kPerChannel, {2, 3}, ChannelLayout{0, 1})}});
}

TEST(QuantizedModelIo, RoundTripOfEveryGridKeepsAllExactly) {
  const ScratchFolder folder;
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    std::map<std::string, QuantizedTensor> weights;
    for (const bool symmetric : {false, true}) {
      for (const Granularity granularity :
           {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kPerGroup}) {
        const std::string name = std::to_string(weights.size());
        weights[name] = MakeTensor(bit_width, symmetric, granularity, {3, 5}, ChannelLayout{0, 1});
      }
    }
    weights["transposed"] =
        MakeTensor(bit_width, true, Granularity::kPerChannel, {4, 3, 1, 1}, ChannelLayout{1, 2});
    const QuantizedModel model = ExampleModel(weights);
    WriteQuantizedModel(folder.path(), model);
    const QuantizedModel read = ReadQuantizedModel(folder.path());
    EXPECT_EQ(read.provenance, model.provenance);
    EXPECT_EQ(read.graph.initializers.size(), 1u);
    ASSERT_EQ(read.weights.size(), weights.size());
    for (const auto& [name, tensor] : weights) {
      const QuantizedTensor& found = read.weights.at(name);
      EXPECT_EQ(found.shape, tensor.shape);
      EXPECT_EQ(found.layout.axis, tensor.layout.axis);
      EXPECT_EQ(found.layout.groups, tensor.layout.groups);
      EXPECT_EQ(found.grid.bit_width, bit_width);
      EXPECT_EQ(found.grid.q_min, tensor.grid.q_min);
      EXPECT_EQ(found.grid.q_max, tensor.grid.q_max);
      EXPECT_EQ(found.grid.granularity, tensor.grid.granularity);
      EXPECT_EQ(found.grid.group_size, tensor.grid.group_size);
      EXPECT_EQ(found.grid.scale, tensor.grid.scale);
      EXPECT_EQ(found.grid.zero_point, tensor.grid.zero_point);
      EXPECT_EQ(found.integers, tensor.integers);
    }
  }
}

TEST(QuantizedModelIo, SameModelSameBytes) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder / "a", SmallModel());
  WriteQuantizedModel(folder / "b", ReadQuantizedModel(folder / "a"));
  for (const char* file : {"model.json", "weights.safetensors"}) {
    EXPECT_EQ(ReadBytes(folder / "a" / file), ReadBytes(folder / "b" / file));
  }
}

TEST(QuantizedModelIo, EntriesAvoidNamesThatAreTaken) {
  const ScratchFolder folder;
  QuantizedModel model = SmallModel();
  model.graph.initializers["w.scale"] = Tensor::Scalar<float>(7);
  WriteQuantizedModel(folder.path(), model);
  const QuantizedModel read = ReadQuantizedModel(folder.path());
  EXPECT_EQ(read.graph.initializers.at("w.scale").data<float>()[0], 7);
  EXPECT_EQ(read.weights.at("w").grid.scale, model.weights.at("w").grid.scale);
}

TEST(QuantizedModelIo, EachReaderKnowsTheOtherKind) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder / "q", SmallModel());
  WriteModelJson(folder / "f", SmallModel().Dequantized());
  ExpectError(ErrorCode::kUnsupported, {"already quantized"}, [&] { ReadModelJson(folder / "q"); });
  ExpectError(ErrorCode::kUnsupported, {"is a float model"},
              [&] { ReadQuantizedModel(folder / "f"); });
  EXPECT_TRUE(std::holds_alternative<QuantizedModel>(ReadModelFile(folder / "q")));
  EXPECT_TRUE(std::holds_alternative<Graph>(ReadModelFile(folder / "f/model.json")));
}

TEST(QuantizedModelIo, NoDamageCrashes) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), SmallModel());
  const auto read = [&] { ReadModelFile(folder.path()); };
  for (const char* file : {"model.json", "weights.safetensors"}) {
    const std::string bytes = ReadBytes(folder / file);
    EXPECT_LE(ReadDamaged(folder / file, bytes, bytes.size(), read), 1);
    WriteBytes(folder / file, bytes);
  }
}

void ExpectRefused(const std::string& from, const std::string& to,
                   const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), SmallModel());
  std::string text = ReadBytes(folder / "model.json");
  const size_t at = text.find(from, text.find("\"quantization\""));
  ASSERT_NE(at, std::string::npos) << from;
  WriteBytes(folder / "model.json", text.replace(at, from.size(), to));
  ExpectError(code, fragments, [&] { ReadQuantizedModel(folder.path()); });
}

TEST(QuantizedModelIo, RefusesBadDescriptions) {
  ExpectRefused("\"bit_width\": 3", "\"bit_width\": 1", {"quantization.w.bit_width: is 1"});
  ExpectRefused("\"bit_width\": 3", "\"bit_width\": 9", {"must be from 2 to 8"});
  ExpectRefused("\"bit_width\": 3", "\"bit_width\": 5", {"wanted uint8 [4]"});
  ExpectRefused("\"q_max\": 7", "\"q_max\": 8", {"does not fit 3 bits"});
  ExpectRefused("\"q_max\": 7", "\"q_max\": 5", {"integer ", "outside 0 to 5"});
  ExpectRefused("\"q_min\": 0", "\"q_min\": -1", {"neither signed nor unsigned"});
  ExpectRefused("\"per_channel\"", "\"per_channels\"", {"did you mean 'per_channel'?"});
  ExpectRefused("\"group_size\": 0", "\"group_size\": 2", {"must be 0 without per_group"});
  ExpectRefused("\"per_channel\"", "\"per_group\"", {"group_size: is 0"});
  ExpectRefused("\"per_channel\"", "\"per_tensor\"", {"w.scale", "wanted float32 [1]"});
  ExpectRefused("\"axis\": 0", "\"axis\": 2", {"axis: is 2"});
  ExpectRefused("\"groups\": 1", "\"groups\": 2", {"groups: must divide"});
  ExpectRefused("\"lsb_first\"", "\"msb_first\"", {"packing: is 'msb_first'"},
                ErrorCode::kUnsupported);
  ExpectRefused("    2,\n", "    -2,\n", {"quantization.w.shape[0]: is -2"});
  ExpectRefused("    2,\n", "    1099511627776,1099511627776,\n", {"its size overflows"});
  ExpectRefused("    2,\n", "    1099511627776,\n", {"wanted uint8 [1236950581248]"});
}

TEST(QuantizedModelIo, RefusesBadEntries) {
  ExpectRefused("\"w.integers\"", "\"none\"",
                {"w.integers: the weights file has no tensor 'none'"});
  ExpectRefused("\"w.scale\"", "\"w.integers\"", {"wanted float32 [2]"});
  ExpectRefused("\"w.zero_point\"", "null", {"only a signed grid"});
  ExpectRefused("\"w.scale\"", "\"bias\"", {"no file holds"});
  ExpectRefused("\"w\": {", "\"bias\": {", {"bias"});
}

TEST(QuantizedModelIo, WriterRefusesUnsoundModels) {
  const ScratchFolder folder;
  QuantizedModel model = SmallModel();
  model.weights.at("w").integers[2] = 99;
  ExpectError(ErrorCode::kInvalidArgument, {"tensor 'w'", "integer 2 is 99"},
              [&] { WriteQuantizedModel(folder.path(), model); });
  model = SmallModel();
  model.graph.initializers["w"] = Tensor::Scalar<float>(1);
  ExpectError(ErrorCode::kInvalidArgument, {"tensor 'w'", "also an unquantized tensor"},
              [&] { WriteQuantizedModel(folder.path(), model); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// The small model with its bias as integers, and grids on its input and on its output.
QuantizedModel ModelWithActivations() {
  QuantizedModel model = SmallModel();
  model.graph.initializers.erase("bias");
  model.biases["bias"] = {{5, -2'000'000'000}, {0.1F, 1e-20F}};
  model.activations["input"] = {8, 0.1F, 3};
  model.activations["out of w"] = {4, 1.17549435e-38F, 15};
  return model;
}

TEST(QuantizedModelIo, ActivationsAndBiasesSurviveExactly) {
  for (int bit_width = kMinBitWidth; bit_width <= kMaxBitWidth; ++bit_width) {
    const ScratchFolder folder;
    QuantizedModel model = ModelWithActivations();
    float scale = 0.1F;
    for (auto& [name, grid] : model.activations) {
      grid.bit_width = bit_width;
      grid.zero_point = (1 << bit_width) - 1;
      grid.scale = scale = std::nextafter(scale, 3e38F) * 1.37F;
    }
    WriteQuantizedModel(folder.path(), model);
    const QuantizedModel read = ReadQuantizedModel(folder.path());
    ASSERT_EQ(read.activations.size(), 2u);
    for (const auto& [name, grid] : model.activations) {
      EXPECT_EQ(read.activations.at(name).bit_width, bit_width);
      EXPECT_EQ(read.activations.at(name).scale, grid.scale);
      EXPECT_EQ(read.activations.at(name).zero_point, grid.zero_point);
    }
    ASSERT_EQ(read.biases.size(), 1u);
    EXPECT_EQ(read.biases.at("bias").integers, model.biases.at("bias").integers);
    EXPECT_EQ(read.biases.at("bias").scale, model.biases.at("bias").scale);
    EXPECT_FALSE(read.graph.initializers.contains("bias"));
    EXPECT_EQ(read.graph.initializers.size(), model.graph.initializers.size());
  }
}

TEST(QuantizedModelIo, ScalesAtTheEndsOfTheirRangeSurvive) {
  for (const float scale : {std::numeric_limits<float>::min(), std::numeric_limits<float>::max(),
                            std::nextafter(1.0F, 2.0F), 0x1p-100F, 1.0F / 3.0F}) {
    const ScratchFolder folder;
    QuantizedModel model = ModelWithActivations();
    model.activations.at("input").scale = scale;
    WriteQuantizedModel(folder.path(), model);
    EXPECT_EQ(ReadQuantizedModel(folder.path()).activations.at("input").scale, scale);
  }
}

TEST(QuantizedModelIo, SameActivationsSameBytes) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder / "a", ModelWithActivations());
  WriteQuantizedModel(folder / "b", ReadQuantizedModel(folder / "a"));
  for (const char* file : {"model.json", "weights.safetensors"}) {
    EXPECT_EQ(ReadBytes(folder / "a" / file), ReadBytes(folder / "b" / file));
  }
  // Without them their keys are absent, as in files of earlier versions.
  WriteQuantizedModel(folder / "c", SmallModel());
  const std::string text = ReadBytes(folder / "c" / "model.json");
  EXPECT_EQ(text.find("\"activations\""), std::string::npos);
  EXPECT_EQ(text.find("\"biases\""), std::string::npos);
}

TEST(QuantizedModelIo, EntriesOfBiasesAvoidNamesThatAreTaken) {
  const ScratchFolder folder;
  QuantizedModel model = ModelWithActivations();
  model.graph.initializers["bias.scale"] = Tensor::Scalar<float>(7);
  model.graph.initializers["bias.integers"] = Tensor::Scalar<float>(8);
  WriteQuantizedModel(folder.path(), model);
  const QuantizedModel read = ReadQuantizedModel(folder.path());
  EXPECT_EQ(read.graph.initializers.at("bias.scale").data<float>()[0], 7);
  EXPECT_EQ(read.biases.at("bias").scale, model.biases.at("bias").scale);
  EXPECT_EQ(read.biases.at("bias").integers, model.biases.at("bias").integers);
}

TEST(QuantizedModelIo, NoDamageOfActivationsCrashes) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), ModelWithActivations());
  const auto read = [&] { ReadModelFile(folder.path()); };
  for (const char* file : {"model.json", "weights.safetensors"}) {
    const std::string bytes = ReadBytes(folder / file);
    EXPECT_LE(ReadDamaged(folder / file, bytes, bytes.size(), read), 1);
    WriteBytes(folder / file, bytes);
  }
}

// Replaces the first `from` behind `key` in the model with activations.
void ExpectActivationsRefused(const std::string& key, const std::string& from,
                              const std::string& to, const std::vector<std::string>& fragments) {
  const ScratchFolder folder;
  WriteQuantizedModel(folder.path(), ModelWithActivations());
  std::string text = ReadBytes(folder / "model.json");
  const size_t start = text.find("\"" + key + "\": {");
  ASSERT_NE(start, std::string::npos) << text;
  const size_t at = text.find(from, start);
  ASSERT_NE(at, std::string::npos) << from << " in " << text;
  WriteBytes(folder / "model.json", text.replace(at, from.size(), to));
  SCOPED_TRACE(key + ": " + from + " -> " + to);
  ExpectError(ErrorCode::kMalformed, fragments, [&] { ReadQuantizedModel(folder.path()); });
}

TEST(QuantizedModelIo, RefusesBadActivations) {
  const auto refused = [](const std::string& from, const std::string& to,
                          const std::vector<std::string>& fragments) {
    ExpectActivationsRefused("activations", from, to, fragments);
  };
  // Names.
  refused("\"input\": {", "\"inputs\": {", {"activations", "no tensor 'inputs'"});
  refused("\"input\": {", "\"\": {", {"activations", "no tensor ''"});
  refused("\"input\": {", "\"w\": {", {"no tensor 'w'"});
  refused("\"input\": {", "\"bias\": {", {"no tensor 'bias'"});
  refused("\"input\": {", "\"out of w\": {", {"out of w"});  // twice
  // The whole, and one of its keys.
  refused("\"activations\": {", "\"activations\": 3, \"activation\": {", {"activation"});
  refused("\"input\": {", "\"input\": [], \"other\": {", {"activations.input"});
  refused("\"zero_point\"", "\"zero_points\"", {"zero_point"});
  refused("\"bit_width\"", "\"bits\"", {"bit_width"});
  refused("\"scale\"", "\"zero\": 0, \"scale\"", {"zero"});
  // Values.
  const std::string scale = "\"scale\": 0.10000000149011612";
  for (const char* bad : {"0", "0.0", "-0.1", "1e300", "-1e300", "1e-300", "1e-40", "null", "true",
                          "\"0.1\"", "[0.1]", "NaN", "Infinity", "1e999"}) {
    refused(scale, "\"scale\": " + std::string(bad), {"model.json"});
  }
  refused(scale, "\"scale\": 0", {"activations.input", "scale"});
  refused(scale, "\"scale\": 1e300", {"activations.input", "scale"});
  for (const char* bad : {"-1", "256", "1.5", "1e300", "4294967299", "null", "\"3\""}) {
    refused("\"zero_point\": 3", "\"zero_point\": " + std::string(bad),
            {"activations.input.zero_point"});
  }
  refused("\"zero_point\": 15", "\"zero_point\": 16", {"activations.out of w.zero_point"});
  for (const char* bad : {"1", "9", "0", "-8", "8.5", "4294967304"}) {
    refused("\"bit_width\": 8", "\"bit_width\": " + std::string(bad),
            {"activations.input.bit_width"});
  }
}

TEST(QuantizedModelIo, AFloatModelMayNotHaveThem) {
  for (const char* key : {"activations", "biases"}) {
    const ScratchFolder folder;
    WriteModelJson(folder.path(), SmallModel().Dequantized());
    const std::string text = ReadBytes(folder / "model.json");
    WriteBytes(folder / "model.json",
               "{\"" + std::string(key) + "\": {}, " + text.substr(text.find('{') + 1));
    ExpectError(ErrorCode::kMalformed, {key, "float model"},
                [&] { ReadModelFile(folder.path()); });
    ExpectError(ErrorCode::kMalformed, {key, "float model"},
                [&] { ReadModelJson(folder.path()); });
  }
}

TEST(QuantizedModelIo, RefusesBadBiases) {
  const auto refused = [](const std::string& from, const std::string& to,
                          const std::vector<std::string>& fragments) {
    ExpectActivationsRefused("biases", from, to, fragments);
  };
  refused("\"bias\": {", "\"w\": {", {"w"});
  refused("\"bias\": {", "\"basis\": {", {"bias"});
  refused("\"bias\": {", "\"bias\": 1, \"more\": {", {"biases.bias"});
  refused("\"bias.integers\"", "\"none\"", {"biases.bias.integers", "none"});
  refused("\"bias.integers\"", "\"bias.scale\"", {"bias.scale", "int32"});
  refused("\"bias.integers\"", "\"w.integers\"", {"w.integers", "int32"});
  refused("\"bias.integers\"", "3", {"biases.bias.integers"});
  refused("\"bias.scale\"", "\"bias.integers\"", {"bias.integers", "float32"});
  refused("\"bias.scale\"", "\"w.scale\"", {"w.scale", "used twice"});
  refused("\"scale\":", "\"scales\":", {"scale"});
  refused("\"integers\":", "\"more\": 1, \"integers\":", {"more"});
}

TEST(QuantizedModelIo, RefusesBiasesWhoseEntriesDoNotFit) {
  const auto refused = [](const Tensor& integers, const Tensor& scale,
                          const std::vector<std::string>& fragments) {
    const ScratchFolder folder;
    WriteQuantizedModel(folder.path(), ModelWithActivations());
    std::map<std::string, Tensor> entries;
    {
      const SafetensorsFile file(folder / "weights.safetensors");
      for (const auto& [name, entry] : file.entries()) entries[name] = file.Read(name);
    }
    entries["bias.integers"] = integers;
    entries["bias.scale"] = scale;
    WriteSafetensors(folder / "weights.safetensors", entries, {});
    ExpectError(ErrorCode::kMalformed, fragments, [&] { ReadQuantizedModel(folder.path()); });
  };
  const Tensor integers = Tensor::FromVector<int32_t>({2}, {1, 2});
  const Tensor scale = Tensor::FromVector<float>({2}, {0.5F, 0.25F});
  refused(integers, Tensor::FromVector<float>({3}, {1, 1, 1}), {"bias", "3 scales", "2 integers"});
  refused(integers, Tensor::FromVector<float>({1, 2}, {1, 1}), {"bias.scale", "[1, 2]"});
  refused(integers, Tensor::Scalar<float>(1), {"bias.scale"});
  refused(Tensor::FromVector<int32_t>({0}, {}), scale, {"bias.integers", "[0]"});
  refused(Tensor::FromVector<int64_t>({2}, {1, 2}), scale, {"bias.integers", "int64"});
  for (const float bad : {0.0F, -0.5F, std::numeric_limits<float>::quiet_NaN(),
                          std::numeric_limits<float>::infinity(), 1e-40F}) {
    refused(integers, Tensor::FromVector<float>({2}, {0.5F, bad}), {"biases.bias", "scale"});
  }
}

TEST(QuantizedModelIo, WriterRefusesUnsoundActivationsAndBiases) {
  const ScratchFolder folder;
  const auto refused = [&](const std::vector<std::string>& fragments, auto change) {
    QuantizedModel model = ModelWithActivations();
    change(model);
    ExpectError(ErrorCode::kInvalidArgument, fragments,
                [&] { WriteQuantizedModel(folder.path(), model); });
  };
  refused({"'input'", "scale"}, [](QuantizedModel& m) { m.activations.at("input").scale = 0; });
  refused({"'input'", "scale"}, [](QuantizedModel& m) {
    m.activations.at("input").scale = std::numeric_limits<float>::quiet_NaN();
  });
  refused({"'input'", "zero point"},
          [](QuantizedModel& m) { m.activations.at("input").zero_point = 256; });
  refused({"'bias'", "scale"}, [](QuantizedModel& m) { m.biases.at("bias").scale[1] = -1; });
  refused({"'bias'", "integers"}, [](QuantizedModel& m) { m.biases.at("bias").integers = {}; });
  refused({"'bias'", "another tensor"}, [](QuantizedModel& m) {
    m.graph.initializers["bias"] = Tensor::Scalar<float>(1);
  });
  refused({"'w'", "another tensor"},
          [](QuantizedModel& m) { m.biases["w"] = m.biases.at("bias"); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

}  // namespace
}  // namespace adaround
