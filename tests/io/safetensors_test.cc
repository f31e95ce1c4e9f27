#include "adaround/io/safetensors.h"

#include <cstring>

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::SafetensorsBytes;
using testing::ScratchFolder;
using testing::WriteBytes;

std::map<std::string, Tensor> OneOfEachDType() {
  std::map<std::string, Tensor> tensors;
  for (const DType dtype :
       {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kBFloat16, DType::kInt8,
        DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32, DType::kUInt32, DType::kInt64,
        DType::kUInt64, DType::kBool}) {
    Tensor tensor(dtype, {3, 1});
    for (size_t i = 0; i < tensor.num_bytes(); ++i) {
      tensor.mutable_raw()[i] = static_cast<uint8_t>(dtype == DType::kBool ? i % 2 : 7 * i + 1);
    }
    tensors.emplace("t." + std::string(DTypeName(dtype)), tensor);
  }
  tensors.emplace("scalar", Tensor::Scalar<float>(2.5F));
  tensors.emplace("empty", Tensor(DType::kInt64, {0, 4}));
  tensors.emplace("\"quoted\" \\ é \x1b", Tensor::Scalar<uint8_t>(1));
  return tensors;
}

void ExpectSame(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.num_bytes(), b.num_bytes());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.num_bytes()), 0);
}

TEST(Safetensors, RoundTripKeepsEveryDTypeBitForBit) {
  const ScratchFolder folder;
  const auto tensors = OneOfEachDType();
  WriteSafetensors(folder / "a.safetensors", tensors, {{"key", "värde"}});
  const SafetensorsFile file(folder / "a.safetensors");
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"key", "värde"}}));
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) ExpectSame(file.Read(name), tensor);
  EXPECT_EQ(ReadSafetensors(folder / "a.safetensors").size(), tensors.size());
}

TEST(Safetensors, WriterAlignsOrdersAndRepeatsItself) {
  const ScratchFolder folder;
  WriteSafetensors(folder / "a", OneOfEachDType(), {});
  WriteSafetensors(folder / "b", OneOfEachDType(), {});
  const std::string bytes = ReadBytes(folder / "a");
  EXPECT_EQ(bytes, ReadBytes(folder / "b"));
  const SafetensorsFile file(folder / "a");
  for (const auto& [name, entry] : file.entries()) {
    EXPECT_EQ(entry.begin % static_cast<int64_t>(DTypeSize(entry.dtype)), 0) << name;
  }
  EXPECT_LT(bytes.find("t.int64"), bytes.find("t.float32"));
  EXPECT_LT(bytes.find("t.float32"), bytes.find("t.int32"));
}

TEST(Safetensors, NoTensorsIsAFileToo) {
  const ScratchFolder folder;
  WriteSafetensors(folder / "a", {}, {});
  EXPECT_TRUE(ReadSafetensors(folder / "a").empty());
}

TEST(Safetensors, ReadsRowsOfAxisZero) {
  const ScratchFolder folder;
  WriteSafetensors(folder / "a", {{"x", Tensor::FromVector<int32_t>({3, 2}, {1, 2, 3, 4, 5, 6})}},
                   {});
  const SafetensorsFile file(folder / "a");
  ExpectSame(file.ReadRows("x", 1, 2), Tensor::FromVector<int32_t>({2, 2}, {3, 4, 5, 6}));
  EXPECT_EQ(file.ReadRows("x", 3, 0).shape(), (Shape{0, 2}));
  ExpectError(ErrorCode::kMalformed, {"has no tensor 'y'"}, [&] { file.Read("y"); });
}

TEST(Safetensors, EveryPrefixIsRefusedAndNoFlippedByteCrashes) {
  const ScratchFolder folder;
  WriteSafetensors(folder / "a", OneOfEachDType(), {{"key", "value"}});
  const std::string bytes = ReadBytes(folder / "a");
  EXPECT_EQ(ReadDamaged(folder / "b", bytes, bytes.size(), [&] { ReadSafetensors(folder / "b"); }),
            0);
}

void ExpectRefused(const std::string& bytes, const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  const ScratchFolder folder;
  WriteBytes(folder / "a.safetensors", bytes);
  ExpectError(code, fragments, [&] { ReadSafetensors(folder / "a.safetensors"); });
}

// A header with one tensor and these fields.
std::string One(const std::string& fields) {
  return "{\"w\":{" + fields + "}}";
}

TEST(Safetensors, RefusesBadHeaderLengths) {
  ExpectRefused("abc", {"truncated", "only 3 are left"});
  ExpectRefused(testing::LittleEndian(100'000'001, 8) + "{}", {"at most 100000000"});
  ExpectRefused(testing::LittleEndian(UINT64_MAX, 8) + "{}", {"at most 100000000"});
  ExpectRefused(testing::LittleEndian(1, 8) + "{}", {"too few"});
  ExpectRefused(testing::LittleEndian(3, 8) + "{}", {"only 2 are left", "truncated"});
  ExpectRefused(SafetensorsBytes(" {}", ""), {"byte 8", "does not begin with '{'"});
  ExpectRefused("\x89PNG\r\n\x1a\n        ", {"no safetensors file: it looks like a PNG image"});
}

TEST(Safetensors, RefusesBadHeaders) {
  ExpectRefused(SafetensorsBytes("{]", ""), {"byte 10", "valid JSON"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[1])"), "x"),
                {"tensor 'w'", "'data_offsets' is missing"});
  ExpectRefused(SafetensorsBytes(One(R"("dtypes":"U8","shape":[1],"data_offsets":[0,1])"), "x"),
                {"unknown key 'dtypes'; did you mean 'dtype'?"});
  ExpectRefused(SafetensorsBytes(R"({"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},
                                    "\u0077":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                                 ""),
                {"the key 'w' appears twice"});
  ExpectRefused(SafetensorsBytes(R"({"__metadata__":{"a":1}})", ""),
                {"__metadata__.a: expected a string"});
}

TEST(Safetensors, RefusesBadShapes) {
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[-1],"data_offsets":[0,1])"), "x"),
                {"shape[0]: is -1"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[1.0],"data_offsets":[0,1])"), "x"),
                {"shape[0]: expected a whole number"});
  ExpectRefused(SafetensorsBytes(
                    One(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), "x"),
                {"9 dimensions, at most 8"});
  ExpectRefused(
      SafetensorsBytes(One(R"("dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0])"),
                       ""),
      {"overflows"});
  ExpectRefused(SafetensorsBytes(
                    One(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"), ""),
                {"overflows"});
}

TEST(Safetensors, RefusesBadRanges) {
  ExpectRefused(
      SafetensorsBytes(One(R"("dtype":"F32","shape":[2],"data_offsets":[0,7])"), "1234567"),
      {"has 7 bytes", "takes 8"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[0],"data_offsets":[1,0])"), "x"),
                {"ends before it begins"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[2],"data_offsets":[0,2])"), "x"),
                {"beyond the file, which holds 1 bytes"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[1],"data_offsets":[0,1])"), "xyz"),
                {"2 trailing bytes"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[1],"data_offsets":[1,2])"), "xy"),
                {"a hole of 1 bytes before tensor 'w'"});
  ExpectRefused(SafetensorsBytes(R"({"v":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                 R"("w":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                                 "xyz"),
                {"tensor 'w' overlaps"});
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"U8","shape":[1],"data_offsets":[0])"), "x"),
                {"two numbers"});
}

TEST(Safetensors, NewerElementTypesAreUnsupportedNotCorrupt) {
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])"), "x"),
                {"tensor 'w'", "'F8_E4M3' is unknown to this version"}, ErrorCode::kUnsupported);
}

TEST(Safetensors, RefusesBooleansThatAreNeitherZeroNorOne) {
  ExpectRefused(SafetensorsBytes(One(R"("dtype":"BOOL","shape":[2],"data_offsets":[0,2])"),
                                 std::string("\x01\x02", 2)),
                {"the boolean at [1] is the byte 2"});
}

TEST(Safetensors, ShowsNamesWithoutTerminalControls) {
  ExpectRefused(
      SafetensorsBytes(R"({"\u001b[31m":{"dtype":"U8","shape":[1],"data_offsets":[0,9]}})", "x"),
      {"\\x1b[31m"});
}

TEST(Safetensors, WriterRefusesWhatTheFormatCannotHold) {
  const ScratchFolder folder;
  const Tensor tensor = Tensor::Scalar<float>(1);
  ExpectError(ErrorCode::kInvalidArgument, {"'__metadata__'"}, [&] {
    WriteSafetensors(folder / "a", {{"__metadata__", tensor}}, {});
  });
  ExpectError(ErrorCode::kInvalidArgument, {"not valid UTF-8"}, [&] {
    WriteSafetensors(folder / "a", {{"\xFF", tensor}}, {});
  });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Safetensors, WriterReportsAFullDisk) {
  ExpectError(ErrorCode::kIo, {"/dev/full", "No space left", "free some space"}, [] {
    WriteSafetensors("/dev/full", {{"x", Tensor::Scalar<float>(1)}}, {});
  });
}

}  // namespace
}  // namespace adaround
