#include "adaround/io/aimet_encodings.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "io/test_files.h"
#include "support/graph_testing.h"
#include "support/quantized_testing.h"

namespace adaround {
namespace {

using nlohmann::json;
using testing::ExpectError;
using testing::ScratchFolder;

json Written(const QuantizedModel& model, const std::string& version) {
  const ScratchFolder folder;
  WriteAimetEncodings(folder / "encodings.json", model, version);
  return json::parse(testing::ReadBytes(folder / "encodings.json"));
}

QuantizedTensor WeightOnGrid(const Shape& shape, const ChannelLayout& layout, int bit_width,
                             bool symmetric, int64_t group_size) {
  return testing::RandomQuantizedTensor(
      shape, layout,
      {bit_width, symmetric, group_size > 0 ? Granularity::kPerGroup : Granularity::kPerChannel,
       group_size},
      7);
}

// One weight of two channels, its bias, and the input on 8 bits; scales are powers of two.
QuantizedModel TinyModel() {
  QuantizedModel model;
  QuantizedTensor& weight = model.weights["w"];
  weight.shape = {2, 1};
  weight.grid = MakeGrid(4, true, Granularity::kPerChannel, 0);
  weight.grid.scale = {0.5F, 0.25F};
  weight.grid.zero_point = {0, 0};
  weight.integers = {-8, 7};
  model.biases["b"] = {{5, -6}, {0.25F, 0.125F}};
  model.activations["x"] = {8, 0.5F, 100};
  return model;
}

QuantizedModel WeightModel(const QuantizedTensor& tensor) {
  QuantizedModel model;
  model.weights["w"] = tensor;
  return model;
}

TEST(AimetEncodings, Version061) {
  const json wanted = json::parse(R"({
    "version": "0.6.1",
    "activation_encodings": {
      "x": [{"bitwidth": 8, "dtype": "int", "is_symmetric": "False", "max": 77.5, "min": -50.0,
             "offset": -100, "scale": 0.5}]
    },
    "param_encodings": {
      "w": [{"bitwidth": 4, "dtype": "int", "is_symmetric": "True", "max": 3.5, "min": -4.0,
             "offset": -8, "scale": 0.5},
            {"bitwidth": 4, "dtype": "int", "is_symmetric": "True", "max": 1.75, "min": -2.0,
             "offset": -8, "scale": 0.25}],
      "b": [{"bitwidth": 32, "dtype": "int", "is_symmetric": "True", "max": 536870911.75,
             "min": -536870912.0, "offset": -2147483648, "scale": 0.25},
            {"bitwidth": 32, "dtype": "int", "is_symmetric": "True", "max": 268435455.875,
             "min": -268435456.0, "offset": -2147483648, "scale": 0.125}]
    },
    "quantizer_args": {"activation_bitwidth": 8, "dtype": "int", "is_symmetric": "True",
                       "param_bitwidth": 4, "per_channel_quantization": "True",
                       "quant_scheme": "post_training_tf"},
    "excluded_layers": []
  })");
  EXPECT_EQ(Written(TinyModel(), "0.6.1"), wanted);
}

TEST(AimetEncodings, Version100) {
  const json wanted = json::parse(R"({
    "version": "1.0.0",
    "activation_encodings": [
      {"name": "x", "enc_type": "PER_TENSOR", "dtype": "INT", "bw": 8, "is_sym": false,
       "scale": [0.5], "offset": [-100]}
    ],
    "param_encodings": [
      {"name": "w", "enc_type": "PER_CHANNEL", "dtype": "INT", "bw": 4, "is_sym": true,
       "scale": [0.5, 0.25], "offset": [-8, -8]},
      {"name": "b", "enc_type": "PER_CHANNEL", "dtype": "INT", "bw": 32, "is_sym": true,
       "scale": [0.25, 0.125], "offset": [-2147483648, -2147483648]}
    ],
    "quantizer_args": {"activation_bitwidth": 8, "dtype": "int", "is_symmetric": true,
                       "param_bitwidth": 4, "per_channel_quantization": true,
                       "quant_scheme": "post_training_tf"},
    "excluded_layers": []
  })");
  EXPECT_EQ(Written(TinyModel(), "1.0.0"), wanted);
}

TEST(AimetEncodings, Version200) {
  const json wanted = json::parse(R"({
    "version": "2.0.0",
    "encodings": [
      {"name": "x", "output_dtype": "uint8", "y_scale": 0.5, "y_zero_point": 100},
      {"name": "w", "output_dtype": "int4", "y_scale": [0.5, 0.25], "axis": 0},
      {"name": "b", "output_dtype": "int32", "y_scale": [0.25, 0.125], "axis": 0}
    ]
  })");
  EXPECT_EQ(Written(TinyModel(), "2.0.0"), wanted);
}

// Any 3 bits are 4 of the same steps; 5 to 7 bits are 8.
TEST(AimetEncodings, Version200NamesTheNextWiderType) {
  const std::map<int, std::string> wanted = {{2, "2"}, {3, "4"}, {4, "4"}, {5, "8"}, {8, "8"}};
  for (const auto& [bit_width, suffix] : wanted) {
    for (const bool symmetric : {true, false}) {
      const QuantizedTensor weight = WeightOnGrid({4, 3}, {0, 1}, bit_width, symmetric, 0);
      const json one = Written(WeightModel(weight), "2.0.0")["encodings"][0];
      EXPECT_EQ(one["output_dtype"], (symmetric ? "int" : "uint") + suffix);
    }
  }
}

// Rounding the dequantized weight by what the file says gives the integers back.
TEST(AimetEncodings, OffsetsAndZeroPointsMeanTheGrid) {
  for (const bool symmetric : {true, false}) {
    const QuantizedTensor weight = WeightOnGrid({4, 3}, {0, 1}, 4, symmetric, 0);
    const Tensor real = weight.Dequantize();
    const json lists = Written(WeightModel(weight), "1.0.0")["param_encodings"][0];
    const json like_onnx = Written(WeightModel(weight), "2.0.0")["encodings"][0];
    for (int64_t i = 0; i < real.num_elements(); ++i) {
      const auto row = static_cast<size_t>(i / 3);
      const double value = real.data<float>()[i];
      const double unsigned_integer = std::nearbyint(value / lists["scale"][row].get<double>()) -
                                      lists["offset"][row].get<double>();
      EXPECT_EQ(unsigned_integer + weight.grid.q_min, weight.integers[static_cast<size_t>(i)]);
      EXPECT_GE(unsigned_integer, 0);
      EXPECT_LE(unsigned_integer, 15);
      EXPECT_LE(lists["offset"][row], 0);
      const int zero_point = symmetric ? 0 : like_onnx["y_zero_point"][row].get<int>();
      EXPECT_EQ(std::nearbyint(value / like_onnx["y_scale"][row].get<double>()) + zero_point,
                weight.integers[static_cast<size_t>(i)]);
    }
  }
}

TEST(AimetEncodings, GroupsAreBlocks) {
  const QuantizedTensor weight = WeightOnGrid({3, 4, 2, 2}, {0, 1}, 4, true, 8);
  const std::vector<float>& scale = weight.grid.scale;
  const json lists = Written(WeightModel(weight), "1.0.0")["param_encodings"][0];
  EXPECT_EQ(lists["enc_type"], "PER_BLOCK");
  EXPECT_EQ(lists["block_size"], 2);
  ASSERT_EQ(lists["scale"].size(), 6U);
  EXPECT_EQ(lists["scale"][3].get<float>(), scale[3]);
  const json like_onnx = Written(WeightModel(weight), "2.0.0")["encodings"][0];
  EXPECT_EQ(like_onnx["axis"], 1);
  EXPECT_EQ(like_onnx["block_size"], 2);
  // [3, 2, 2, 2]: a scale for each element of the kernel.
  const json& nested = like_onnx["y_scale"];
  ASSERT_EQ(nested.size(), 3U);
  ASSERT_EQ(nested[1].size(), 2U);
  const float third = scale[3];
  EXPECT_EQ(nested[1][1], (json{{third, third}, {third, third}}));
}

TEST(AimetEncodings, GroupsOfTransposedMatricesLieAlongAxis0) {
  const QuantizedTensor weight = WeightOnGrid({4, 3}, {1, 1}, 4, false, 2);
  const json one = Written(WeightModel(weight), "2.0.0")["encodings"][0];
  EXPECT_EQ(one["axis"], 0);
  EXPECT_EQ(one["block_size"], 2);
  ASSERT_EQ(one["y_scale"].size(), 2U);
  for (size_t block = 0; block < 2; ++block) {
    for (size_t row = 0; row < 3; ++row) {
      EXPECT_EQ(one["y_scale"][block][row].get<float>(), weight.grid.scale[row * 2 + block]);
      EXPECT_EQ(one["y_zero_point"][block][row], weight.grid.zero_point[row * 2 + block]);
    }
  }
}

TEST(AimetEncodings, RefusesWhatAVersionCannotSay) {
  const ScratchFolder folder;
  const auto refuses = [&](const QuantizedTensor& weight, const std::string& version,
                           const std::vector<std::string>& fragments) {
    SCOPED_TRACE(version);
    ExpectError(ErrorCode::kUnsupported, fragments, [&] {
      WriteAimetEncodings(folder / "encodings.json", WeightModel(weight), version);
    });
  };
  refuses(WeightOnGrid({4, 8}, {0, 1}, 4, true, 4), "0.6.1", {"'w'", "scales per channel"});
  refuses(WeightOnGrid({4, 8}, {0, 1}, 3, true, 0), "0.6.1", {"'w'", "3 bits"});
  refuses(WeightOnGrid({8, 4}, {1, 1}, 4, true, 4), "1.0.0", {"'w'", "2.0.0"});
  for (const char* version : {"1.0.0", "2.0.0"}) {
    refuses(WeightOnGrid({4, 4, 3, 3}, {0, 1}, 4, true, 16), version, {"'w'", "16", "36"});
    refuses(WeightOnGrid({4, 8}, {0, 1}, 4, true, 3), version, {"'w'", "groups of 3"});
    refuses(WeightOnGrid({4, 2, 3, 3}, {1, 2}, 4, true, 0), version, {"'w'", "grouped"});
  }
  for (int bit_width = 2; bit_width <= 8; ++bit_width) {
    QuantizedModel model;
    model.activations["x"] = {bit_width, 0.5F, 1};
    // Between 0 and 2^bits - 1, where the consumer clips, lies the whole grid and nothing else.
    EXPECT_EQ(Written(model, "1.0.0")["activation_encodings"][0]["bw"], bit_width);
    if (bit_width == 2 || bit_width == 4 || bit_width == 8) {
      EXPECT_EQ(Written(model, "2.0.0")["encodings"][0]["output_dtype"],
                "uint" + std::to_string(bit_width));
      continue;
    }
    ExpectError(ErrorCode::kUnsupported, {"'x'", std::to_string(bit_width) + " bits"},
                [&] { WriteAimetEncodings(folder / "encodings.json", model, "2.0.0"); });
  }
  ExpectError(ErrorCode::kInvalidArgument, {"'1.0'", "1.0.0"},
              [&] { WriteAimetEncodings(folder / "encodings.json", TinyModel(), "1.0"); });
  EXPECT_FALSE(std::filesystem::exists(folder / "encodings.json"));
}

TEST(AimetEncodings, SameModelSameBytes) {
  const ScratchFolder folder;
  for (const std::string& version : AimetEncodingVersions()) {
    WriteAimetEncodings(folder / "a.json", TinyModel(), version);
    WriteAimetEncodings(folder / "b.json", TinyModel(), version);
    EXPECT_EQ(testing::ReadBytes(folder / "a.json"), testing::ReadBytes(folder / "b.json"));
  }
}

}  // namespace
}  // namespace adaround
