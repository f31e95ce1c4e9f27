#include "adaround/io/npy.h"

#include <cstring>

#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::NpyBytes;
using testing::ReadBytes;
using testing::ReadDamaged;
using testing::ScratchFolder;
using testing::WriteBytes;

Tensor ReadFrom(const std::string& bytes) {
  const ScratchFolder folder;
  return ReadNpy(WriteBytes(folder / "a.npy", bytes));
}

std::vector<int> AsInts(const Tensor& tensor) {
  const std::vector<int64_t> wide = ToInt64Vector(tensor);
  return {wide.begin(), wide.end()};
}

TEST(Npy, RoundTripOfEveryDTypeAndRank) {
  const ScratchFolder folder;
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kFloat16, DType::kInt8,
                            DType::kUInt8, DType::kInt16, DType::kUInt16, DType::kInt32,
                            DType::kUInt32, DType::kInt64, DType::kUInt64, DType::kBool}) {
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 5}, Shape{1, 2, 1, 2}}) {
      Tensor tensor(dtype, shape);
      for (size_t i = 0; i < tensor.num_bytes(); ++i) tensor.mutable_raw()[i] = i % 2;
      WriteNpy(folder / "a.npy", tensor);
      const Tensor read = ReadNpy(folder / "a.npy");
      EXPECT_EQ(read.dtype(), dtype);
      EXPECT_EQ(read.shape(), shape);
      EXPECT_EQ(std::memcmp(read.raw(), tensor.raw(), tensor.num_bytes()), 0);
      EXPECT_EQ((ReadBytes(folder / "a.npy").size() - tensor.num_bytes()) % 64, 0u);
    }
  }
}

TEST(Npy, WritesTheHeaderThatNumPyWrites) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Tensor::FromVector<float>({2, 1}, {1, 2}));
  EXPECT_THAT(ReadBytes(folder / "a.npy"),
              ::testing::HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }"));
  WriteNpy(folder / "a.npy", Tensor::FromVector<uint8_t>({2}, {1, 2}));
  EXPECT_THAT(ReadBytes(folder / "a.npy"),
              ::testing::HasSubstr("{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }"));
}

TEST(Npy, TakesKeysInAnyOrderAndEitherQuote) {
  const Tensor tensor =
      ReadFrom(NpyBytes("{\"shape\":(2,),'fortran_order':False , 'descr':'|i1'}", "\x01\x02"));
  EXPECT_EQ(AsInts(tensor), (std::vector<int>{1, 2}));
}

TEST(Npy, ReadsVersionsTwoAndThree) {
  const std::string dict = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n";
  for (const char version : {'\x02', '\x03'}) {
    const Tensor tensor = ReadFrom(std::string("\x93NUMPY") + version + std::string(1, '\0') +
                                   testing::LittleEndian(dict.size(), 4) + dict + "\x07");
    EXPECT_EQ(AsInts(tensor), std::vector<int>{7});
  }
}

TEST(Npy, SwapsBigEndianElements) {
  const Tensor tensor = ReadFrom(NpyBytes("{'descr': '>i2', 'fortran_order': False, 'shape': (2,)}",
                                          std::string("\x01\x02\x00\x05", 4)));
  EXPECT_EQ(AsInts(tensor), (std::vector<int>{0x0102, 5}));
}

TEST(Npy, TransposesFortranOrder) {
  // Columns of [[1, 2, 3], [4, 5, 6]].
  const std::string bytes = NpyBytes("{'descr': '|i1', 'fortran_order': True, 'shape': (2, 3)}",
                                     "\x01\x04\x02\x05\x03\x06");
  EXPECT_EQ(AsInts(ReadFrom(bytes)), (std::vector<int>{1, 2, 3, 4, 5, 6}));
  const ScratchFolder folder;
  const NpyFile file(WriteBytes(folder / "a.npy", bytes));
  EXPECT_EQ(AsInts(file.ReadRows(1, 1)), (std::vector<int>{4, 5, 6}));
  EXPECT_EQ(AsInts(file.ReadRows(0, 2)), (std::vector<int>{1, 2, 3, 4, 5, 6}));
}

TEST(Npy, ReadsRowsOfAxisZero) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Tensor::FromVector<int32_t>({3, 2}, {1, 2, 3, 4, 5, 6}));
  const NpyFile file(folder / "a.npy");
  EXPECT_EQ(AsInts(file.ReadRows(1, 2)), (std::vector<int>{3, 4, 5, 6}));
  EXPECT_EQ(AsInts(file.ReadRows(2, 1)), (std::vector<int>{5, 6}));
  EXPECT_EQ(file.ReadRows(3, 0).shape(), (Shape{0, 2}));
}

TEST(Npy, EveryPrefixIsRefusedAndNoFlippedByteCrashes) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Tensor::FromVector<int16_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string bytes = ReadBytes(folder / "a.npy");
  EXPECT_EQ(ReadDamaged(folder / "b.npy", bytes, bytes.size(), [&] { ReadNpy(folder / "b.npy"); }),
            0);
}

void ExpectRefused(const std::string& bytes, const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  ExpectError(code, fragments, [&] { ReadFrom(bytes); });
}

std::string WithDescr(const std::string& descr) {
  return NpyBytes("{'descr': " + descr + ", 'fortran_order': False, 'shape': (1,)}", "abcd");
}

std::string WithShape(const std::string& shape) {
  return NpyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + "}", "abcd");
}

TEST(Npy, RefusesOtherFiles) {
  ExpectRefused("PK\x03\x04xxxxxxxxxxxx", {"no NumPy array (.npy): it looks like a zip archive"});
  ExpectRefused("\x89PNG\r\n\x1a\n", {"it looks like a PNG image"});
  ExpectRefused("hello", {"byte 0", "no NumPy array"});
  ExpectRefused(std::string("\x93NUMPY\x04\x00", 8), {"npy version 4.0"}, ErrorCode::kUnsupported);
}

TEST(Npy, RefusesAGiganticHeaderBeforeAllocating) {
  ExpectRefused(std::string("\x93NUMPY\x02\x00", 8) + testing::LittleEndian(0xFFFFFFFF, 4),
                {"4294967295 bytes", "at most 65536"});
}

TEST(Npy, RefusesBrokenDicts) {
  ExpectRefused(NpyBytes("{'descr': '<f4', 'fortran_order': False}", ""),
                {"lacks the key 'shape'"});
  ExpectRefused(NpyBytes("{'descr': '<f4', 'order': False, 'shape': ()}", "abcd"),
                {"unknown key 'order'"});
  ExpectRefused(NpyBytes("{'descr': '<f4', 'descr': '<f4'}", ""), {"'descr' appears twice"});
  ExpectRefused(NpyBytes("{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", ""),
                {"expected True or False"});
  ExpectRefused(NpyBytes("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", "abcd"),
                {"text after the header's dict"});
  ExpectRefused(NpyBytes("{'descr", ""), {"closing quote"});
  ExpectRefused(NpyBytes("", ""), {"expected '{'"});
  ExpectRefused(std::string("\x93NUMPY\x01\x00\x02\x00{}", 12), {"does not end with a newline"});
}

TEST(Npy, RefusesBadShapes) {
  ExpectRefused(WithShape("(-1,)"), {"negative"});
  ExpectRefused(WithShape("(1,1,1,1,1,1,1,1,1)"), {"more than 8 dimensions"});
  ExpectRefused(WithShape("(99999999999999999999,)"), {"overflows 64 bits"});
  ExpectRefused(WithShape("(4294967296, 4294967296)"), {"overflows"});
  ExpectRefused(WithShape("(4611686018427387904,)"), {"overflows"});
  ExpectRefused(WithShape("(4398046511104,)"),
                {"takes 17592186044416 bytes, found 4", "truncated"});
  ExpectRefused(WithShape("(2,)"), {"[2] of float32 takes 8 bytes, found 4", "truncated"});
  ExpectRefused(WithShape("(0,)"), {"takes 0 bytes, found 4", "trailing bytes"});
  ExpectRefused(WithShape("(1.0,)"), {"expected ',' or ')'"});
}

TEST(Npy, RefusesElementTypesByName) {
  const auto unsupported = ErrorCode::kUnsupported;
  ExpectRefused(WithDescr("'|O'"), {"pickle", "astype"}, unsupported);
  ExpectRefused(WithDescr("[('a', '<f4')]"), {"structured array"}, unsupported);
  ExpectRefused(WithDescr("'<c8'"), {"'<c8' is not supported"}, unsupported);
  ExpectRefused(WithDescr("'<U1'"), {"'<U1' is not supported"}, unsupported);
  ExpectRefused(WithDescr("'|V2'"), {"'|V2' is not supported"}, unsupported);
  ExpectRefused(WithDescr("'|f4'"), {"'|f4' is not supported"}, unsupported);
  ExpectRefused(WithDescr("''"), {"'' is not supported"}, unsupported);
}

TEST(Npy, WriterRefusesBFloat16AndReportsAFullDisk) {
  const ScratchFolder folder;
  ExpectError(ErrorCode::kUnsupported, {"NumPy has no bfloat16"},
              [&] { WriteNpy(folder / "a.npy", Tensor(DType::kBFloat16, {1})); });
  ExpectError(ErrorCode::kIo, {"/dev/full", "No space left"},
              [] { WriteNpy("/dev/full", Tensor::Scalar<float>(1)); });
}

}  // namespace
}  // namespace adaround
