#include "io/onnx_tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "io/test_files.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

using testing::BytesOf;
using testing::ExpectError;
using testing::RawTensorProto;

Tensor Read(onnx::TensorProto message) {
  return OnnxTensorReader(".").Read(&message, "m.onnx: tensor 't'");
}

onnx::TensorProto Empty(int32_t data_type, const Shape& dims) {
  onnx::TensorProto tensor;
  tensor.set_data_type(data_type);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  return tensor;
}

onnx::TensorProto WithInt32Data(int32_t data_type, const Shape& dims,
                                const std::vector<int32_t>& values) {
  onnx::TensorProto tensor = Empty(data_type, dims);
  for (const int32_t value : values) tensor.add_int32_data(value);
  return tensor;
}

template <typename T>
std::vector<T> Values(const Tensor& tensor) {
  return {tensor.data<T>(), tensor.data<T>() + tensor.num_elements()};
}

void ExpectRefused(const onnx::TensorProto& message, const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  std::vector<std::string> all = fragments;
  all.emplace_back("m.onnx: tensor 't'");
  ExpectError(code, all, [&] { Read(message); });
}

TEST(OnnxTensor, RawDataOfEveryType) {
  using namespace onnx_type;  // NOLINT(google-build-using-namespace)
  const auto expect = [](int32_t type, auto values) {
    using T = typename decltype(values)::value_type;
    const Tensor tensor = Read(RawTensorProto("t", type, {3}, BytesOf(values)));
    EXPECT_EQ(tensor.shape(), (Shape{3}));
    EXPECT_EQ(Values<T>(tensor), values) << type;
  };
  expect(kFloat, std::vector<float>{1.5F, -2, std::numeric_limits<float>::infinity()});
  expect(kUInt8, std::vector<uint8_t>{0, 7, 255});
  expect(kInt8, std::vector<int8_t>{-128, 7, 127});
  expect(kUInt16, std::vector<uint16_t>{0, 7, 65535});
  expect(kInt16, std::vector<int16_t>{-32768, 7, 32767});
  expect(kInt32, std::vector<int32_t>{INT32_MIN, 7, INT32_MAX});
  expect(kUInt32, std::vector<uint32_t>{0, 7, UINT32_MAX});
  expect(kInt64, std::vector<int64_t>{INT64_MIN, 7, INT64_MAX});
  expect(kUInt64, std::vector<uint64_t>{0, 7, UINT64_MAX});
  const Tensor booleans = Read(RawTensorProto("t", kBool, {2}, std::string("\1\0", 2)));
  EXPECT_EQ(booleans.dtype(), DType::kBool);
  EXPECT_TRUE(booleans.data<bool>()[0]);
  EXPECT_FALSE(booleans.data<bool>()[1]);
}

TEST(OnnxTensor, FieldsOfEveryType) {
  using namespace onnx_type;  // NOLINT(google-build-using-namespace)
  EXPECT_EQ(Values<float>(Read(testing::FloatTensorProto("t", {2}, {1.5F, -2}))),
            (std::vector<float>{1.5F, -2}));
  EXPECT_EQ(Values<int64_t>(Read(testing::IntTensorProto("t", {2}, {INT64_MIN, 5}))),
            (std::vector<int64_t>{INT64_MIN, 5}));
  onnx::TensorProto doubles = Empty(kDouble, {2});
  doubles.add_double_data(0.25);
  doubles.add_double_data(-8);
  EXPECT_EQ(Values<float>(Read(doubles)), (std::vector<float>{0.25F, -8}));
  onnx::TensorProto unsigned64 = Empty(kUInt64, {1});
  unsigned64.add_uint64_data(UINT64_MAX);
  EXPECT_EQ(Read(unsigned64).data<uint64_t>()[0], UINT64_MAX);
  onnx::TensorProto unsigned32 = Empty(kUInt32, {1});
  unsigned32.add_uint64_data(UINT32_MAX);
  EXPECT_EQ(Read(unsigned32).data<uint32_t>()[0], UINT32_MAX);
  EXPECT_EQ(Values<int32_t>(Read(WithInt32Data(kInt32, {2}, {INT32_MIN, 4}))),
            (std::vector<int32_t>{INT32_MIN, 4}));
  EXPECT_EQ(Values<int8_t>(Read(WithInt32Data(kInt8, {2}, {-128, 127}))),
            (std::vector<int8_t>{-128, 127}));
  EXPECT_EQ(Values<uint8_t>(Read(WithInt32Data(kUInt8, {2}, {0, 255}))),
            (std::vector<uint8_t>{0, 255}));
  EXPECT_EQ(Values<int16_t>(Read(WithInt32Data(kInt16, {2}, {-32768, 9}))),
            (std::vector<int16_t>{-32768, 9}));
  EXPECT_EQ(Values<uint16_t>(Read(WithInt32Data(kUInt16, {1}, {65535}))),
            (std::vector<uint16_t>{65535}));
  EXPECT_TRUE(Read(WithInt32Data(kBool, {1}, {1})).data<bool>()[0]);
  // 16-bit floats are integers of their bits: 1.0 and -2.0 in both formats.
  EXPECT_EQ(Values<float>(Read(WithInt32Data(kFloat16, {2}, {0x3C00, 0xC000}))),
            (std::vector<float>{1, -2}));
  EXPECT_EQ(Values<float>(Read(WithInt32Data(kBFloat16, {2}, {0x3F80, 0xC000}))),
            (std::vector<float>{1, -2}));
}

TEST(OnnxTensor, HalvesAndDoublesBecomeFloat32) {
  const Tensor half = Read(RawTensorProto("t", onnx_type::kFloat16, {2},
                                          BytesOf(std::vector<uint16_t>{0x3555, 0x7C00})));
  EXPECT_EQ(half.dtype(), DType::kFloat32);
  EXPECT_FLOAT_EQ(half.data<float>()[0], 0.33325195F);
  EXPECT_TRUE(std::isinf(half.data<float>()[1]));
  const Tensor wide = Read(
      RawTensorProto("t", onnx_type::kDouble, {2},
                     BytesOf(std::vector<double>{0.1, -std::numeric_limits<double>::infinity()})));
  EXPECT_EQ(wide.data<float>()[0], 0.1F);
  EXPECT_TRUE(std::isinf(wide.data<float>()[1]));
  ExpectRefused(
      RawTensorProto("t", onnx_type::kDouble, {2}, BytesOf(std::vector<double>{0, 1e300})),
      {"element 1 is 1e+300", "float32 does not hold"});
}

TEST(OnnxTensor, FourBitIntegersComeInPairsLowHalfFirst) {
  // 0x8F: first 15 (unsigned) or -1 (signed), then 8 or -8.
  const std::string bytes = "\x8F\x07";
  const Tensor narrow = Read(RawTensorProto("t", onnx_type::kInt4, {3}, bytes));
  EXPECT_EQ(narrow.dtype(), DType::kInt8);
  EXPECT_EQ(Values<int8_t>(narrow), (std::vector<int8_t>{-1, -8, 7}));
  const Tensor wide = Read(RawTensorProto("t", onnx_type::kUInt4, {2, 2}, bytes));
  EXPECT_EQ(wide.dtype(), DType::kUInt8);
  EXPECT_EQ(Values<uint8_t>(wide), (std::vector<uint8_t>{15, 8, 7, 0}));
  EXPECT_EQ(Values<int8_t>(Read(WithInt32Data(onnx_type::kInt4, {3}, {0x8F, 0x07}))),
            (std::vector<int8_t>{-1, -8, 7}));
  for (const char* wrong : {"", "a", "abc"}) {
    ExpectRefused(RawTensorProto("t", onnx_type::kInt4, {3}, wrong), {"and type want 2"});
  }
  ExpectRefused(WithInt32Data(onnx_type::kInt4, {3}, {1, 2, 3}), {"3 elements in int32_data"});
  ExpectRefused(WithInt32Data(onnx_type::kInt4, {3}, {1, 256}), {"element 1 is 256"});
}

TEST(OnnxTensor, RefusesCountsThatDoNotFit) {
  const std::string bytes(24, '\0');
  EXPECT_NO_THROW(Read(RawTensorProto("t", onnx_type::kFloat, {2, 3}, bytes)));
  ExpectRefused(RawTensorProto("t", onnx_type::kFloat, {2, 3}, bytes.substr(1)),
                {"23 bytes of raw_data", "[2, 3]", "want 24"});
  ExpectRefused(RawTensorProto("t", onnx_type::kFloat, {2, 3}, bytes + "a"), {"25 bytes"});
  ExpectRefused(Empty(onnx_type::kFloat, {2}), {"0 elements in float_data", "want 2"});
  ExpectRefused(testing::FloatTensorProto("t", {}, {1, 2}), {"2 elements", "want 1"});
  EXPECT_EQ(Read(Empty(onnx_type::kFloat, {0, 3})).shape(), (Shape{0, 3}));
  onnx::TensorProto both = testing::FloatTensorProto("t", {1}, {1});
  both.set_raw_data("abcd");
  ExpectRefused(both, {"in raw_data and in float_data"});
  onnx::TensorProto other = Empty(onnx_type::kFloat, {1});
  other.add_int64_data(1);
  ExpectRefused(other, {"another field than float_data"});
}

TEST(OnnxTensor, RefusesShapes) {
  ExpectRefused(Empty(onnx_type::kFloat, {2, -1}), {"negative extent", "[2, -1]"});
  const int64_t huge = int64_t{1} << 42;
  ExpectRefused(Empty(onnx_type::kFloat, {huge, huge}), {"its size overflows"});
  ExpectRefused(Empty(onnx_type::kFloat, {int64_t{1} << 61}), {"its size overflows"});
  ExpectRefused(RawTensorProto("t", onnx_type::kFloat, {huge}, "abcd"), {"4 bytes of raw_data"});
  ExpectRefused(Empty(onnx_type::kFloat, Shape(9, 1)), {"9 dimensions, at most 8"},
                ErrorCode::kUnsupported);
  // Memory is taken after the count has been compared, also for typed fields.
  ExpectRefused(Empty(onnx_type::kInt64, {huge}), {"0 elements in int64_data"});
}

TEST(OnnxTensor, RefusesTypes) {
  onnx::TensorProto text = Empty(onnx_type::kString, {1});
  text.add_string_data("a");
  ExpectRefused(text, {"has strings"}, ErrorCode::kUnsupported);
  for (const int32_t type : {14, 15, 17, 18, 19, 20, 23}) {
    ExpectRefused(Empty(type, {1}), {"of ONNX type " + std::to_string(type)},
                  ErrorCode::kUnsupported);
  }
  for (const int32_t type : {0, -1, 99}) {
    ExpectRefused(Empty(type, {1}), {"unknown element type " + std::to_string(type)});
  }
}

TEST(OnnxTensor, RefusesValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  ExpectRefused(testing::FloatTensorProto("t", {1, 2}, {0, nan}), {"the value at [0, 1] is NaN"});
  ExpectRefused(WithInt32Data(onnx_type::kFloat16, {1}, {0x7E00}), {"is NaN"});
  ExpectRefused(WithInt32Data(onnx_type::kFloat16, {1}, {0x10000}), {"element 0 is 65536"});
  ExpectRefused(WithInt32Data(onnx_type::kInt8, {1}, {128}), {"element 0 is 128"});
  ExpectRefused(WithInt32Data(onnx_type::kInt8, {1}, {-129}), {"element 0 is -129"});
  ExpectRefused(WithInt32Data(onnx_type::kUInt8, {2}, {0, -1}), {"element 1 is -1"});
  ExpectRefused(WithInt32Data(onnx_type::kBool, {1}, {2}), {"element 0 is 2"});
  ExpectRefused(RawTensorProto("t", onnx_type::kBool, {1}, "\x02"), {"must be 0 or 1"});
  onnx::TensorProto wide = Empty(onnx_type::kUInt32, {1});
  wide.add_uint64_data(uint64_t{1} << 32);
  ExpectRefused(wide, {"element 0 is 4294967296"});
}

TEST(OnnxTensor, RefusesSegmentsAndStrayExternalData) {
  onnx::TensorProto segment = testing::FloatTensorProto("t", {1}, {1});
  segment.mutable_segment()->set_begin(0);
  ExpectRefused(segment, {"one segment of a tensor"});
  onnx::TensorProto stray = testing::FloatTensorProto("t", {1}, {1});
  stray.add_external_data()->set_key("location");
  ExpectRefused(stray, {"data_location does not say EXTERNAL"});
}

}  // namespace
}  // namespace adaround
