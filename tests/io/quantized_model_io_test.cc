#include "adaround/io/quantized_model_io.h"

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

}  // namespace
}  // namespace adaround
