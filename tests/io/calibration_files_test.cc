#include "adaround/io/calibration_files.h"

#include <cmath>
#include <limits>

#include "adaround/io/npy.h"
#include "adaround/io/safetensors.h"
#include "adaround/io/sha256.h"
#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;
using testing::WriteBytes;

Tensor Floats(int64_t samples, float first = 0) {
  Tensor tensor(DType::kFloat32, {samples, 2});
  for (int64_t i = 0; i < 2 * samples; ++i) {
    tensor.mutable_data<float>()[i] = first + static_cast<float>(i);
  }
  return tensor;
}

void ExpectRefused(const std::filesystem::path& path, const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  ExpectError(code, fragments, [&] { OpenCalibrationFiles(path, Graph{}); });
}

TEST(CalibrationFiles, FolderPairsBothStreamsAndDecodesNames) {
  const ScratchFolder folder;
  WriteNpy(folder / "input.npy", Floats(3));
  WriteNpy(folder / "%2Flayer1%2FRelu_output_0.npy", Floats(3, 10));
  WriteNpy(folder / "%2Flayer1%2FRelu_output_0.quantized.npy", Floats(3, 20));
  WriteNpy(folder / "%2Ehidden.npy", Floats(3));
  WriteNpy(folder / "a%2Equantized.npy", Floats(3));
  WriteBytes(folder / "README.txt", "notes");
  WriteBytes(folder / ".DS_Store", "x");
  WriteBytes(folder / "._input.npy", "resource fork");
  const auto tensors = OpenCalibrationFiles(folder.path(), Graph{});
  ASSERT_EQ(tensors.size(), 4u);
  EXPECT_EQ(tensors[0].name, ".hidden");
  EXPECT_EQ(tensors[1].name, "/layer1/Relu_output_0");
  EXPECT_EQ(tensors[2].name, "a.quantized");
  EXPECT_EQ(tensors[3].name, "input");
  ASSERT_NE(tensors[1].x_hat, nullptr);
  EXPECT_EQ(tensors[1].x->ReadSamples(1, 2).data<float>()[0], 12);
  EXPECT_EQ(tensors[1].x_hat->ReadSamples(1, 2).data<float>()[0], 22);
  EXPECT_EQ(tensors[3].x_hat, nullptr);
}

TEST(CalibrationFiles, TakesSingleFiles) {
  const ScratchFolder folder;
  WriteNpy(folder / "input.npy", Floats(3));
  WriteSafetensors(folder / "a.safetensors",
                   {{"x", Floats(2)}, {"x.quantized", Floats(2)}, {"/y", Floats(2)}}, {});
  EXPECT_EQ(OpenCalibrationFiles(folder / "input.npy", Graph{}).front().name, "input");
  const auto tensors = OpenCalibrationFiles(folder / "a.safetensors", Graph{});
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "/y");
  EXPECT_NE(tensors[1].x_hat, nullptr);
}

TEST(CalibrationFiles, EveryNameSurvivesEncoding) {
  for (const char* name : {"a", "/a/b", ".a", "100%", "%2F", "a.quantized", "x\ny", "é", "a.b.c"}) {
    const std::string stem = EncodeFileName(name);
    EXPECT_EQ(DecodeFileName(stem, "f"), name);
    EXPECT_EQ(stem.find('/'), std::string::npos);
    EXPECT_FALSE(stem.starts_with('.'));
    EXPECT_FALSE(stem.ends_with(".quantized"));
  }
}

TEST(CalibrationFiles, RefusesBadNames) {
  const ScratchFolder folder;
  WriteNpy(folder / "100%.npy", Floats(1));
  ExpectRefused(folder.path(), {"100%.npy", "'%25'"});
  const ScratchFolder twice;
  WriteNpy(twice / "a.npy", Floats(1));
  WriteNpy(twice / "%61.npy", Floats(1));
  ExpectRefused(twice.path(), {"a.npy", "%61.npy", "tensor 'a'"});
}

TEST(CalibrationFiles, RefusesDisagreeingArraysNamingBoth) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Floats(3));
  WriteNpy(folder / "b.npy", Floats(2));
  ExpectRefused(folder.path(), {"b.npy: has 2 samples", "a.npy has 3"});
  WriteNpy(folder / "b.npy", Floats(3));
  WriteNpy(folder / "b.quantized.npy", Tensor(DType::kFloat32, {3, 1}));
  ExpectRefused(folder.path(), {"b.quantized.npy: has shape [3, 1]", "b.npy has [3, 2]"});
  WriteNpy(folder / "b.quantized.npy", Tensor::Zeros(DType::kUInt8, {3, 2}));
  ExpectRefused(folder.path(), {"b.quantized.npy: holds uint8"});
}

TEST(CalibrationFiles, RefusesAQuantizedStreamAlone) {
  const ScratchFolder folder;
  WriteNpy(folder / "b.quantized.npy", Floats(3));
  ExpectRefused(folder.path(), {"b.quantized.npy", "tensor 'b' on the quantized path alone"});
}

TEST(CalibrationFiles, RefusesArraysWithoutSamples) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Tensor(DType::kFloat32, {0, 2}));
  ExpectRefused(folder.path(), {"a.npy", "shape [0, 2], no samples"});
  WriteNpy(folder / "a.npy", Tensor::Scalar<float>(1));
  ExpectRefused(folder.path(), {"a.npy", "is a scalar"});
}

TEST(CalibrationFiles, RefusesEmptyFolders) {
  const ScratchFolder folder;
  ExpectRefused(folder.path(), {"holds neither .npy files nor JPEG or PNG"});
  WriteBytes(folder / "notes.txt", "x");
  WriteBytes(folder / ".hidden.png", "x");
  std::filesystem::create_directory(folder / "empty");
  ExpectRefused(folder.path(), {"holds neither .npy files nor JPEG or PNG"});
}

TEST(CalibrationFiles, RefusesOtherKindsOfFiles) {
  const ScratchFolder folder;
  ExpectRefused(WriteBytes(folder / "a.npy", "\xff\xd8\xff\xe0    "), {"looks like a JPEG image"});
  ExpectRefused(WriteBytes(folder / "a.csv", "1,2"), {".npy, .npz and .safetensors"},
                ErrorCode::kUnsupported);
  ExpectRefused(folder / "missing.npz", {"No such file"}, ErrorCode::kMalformed);
}

TEST(ArraySource, WidensFloatsAndRefusesWhatIsNotFinite) {
  const ScratchFolder folder;
  WriteNpy(folder / "d.npy", Tensor::FromVector<double>({2}, {1.5, 1e300}));
  const auto doubles = OpenArrays(folder / "d.npy");
  const ArraySource& source = *doubles.at("d");
  EXPECT_EQ(source.dtype(), DType::kFloat32);
  EXPECT_EQ(source.ReadSamples(0, 1).data<float>()[0], 1.5F);
  ExpectError(ErrorCode::kMalformed, {"d.npy", "[1] is infinity as float32"},
              [&] { source.ReadSamples(1, 1); });

  Tensor bad = Floats(4);
  bad.mutable_data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  WriteNpy(folder / "n.npy", bad);
  const auto nan = OpenArrays(folder / "n.npy");
  EXPECT_NO_THROW(nan.at("n")->ReadSamples(0, 2));
  ExpectError(ErrorCode::kMalformed, {"n.npy", "the value at [2, 1] is NaN"},
              [&] { nan.at("n")->ReadSamples(1, 3); });
}

TEST(ArraySource, KeepsBytesAsTheyAre) {
  const ScratchFolder folder;
  WriteNpy(folder / "u.npy", Tensor::FromVector<uint8_t>({2}, {0, 255}));
  EXPECT_EQ(OpenArrays(folder / "u.npy").at("u")->ReadSamples(0, 2).dtype(), DType::kUInt8);
}

TEST(CalibrationDigest, DependsOnNamesAndContentsOfWhatIsRead) {
  const ScratchFolder folder;
  WriteNpy(folder / "a.npy", Floats(1));
  const std::string digest = CalibrationDigest(folder.path());
  EXPECT_EQ(digest.size(), 64u);
  WriteBytes(folder / "README", "ignored");
  EXPECT_EQ(CalibrationDigest(folder.path()), digest);
  std::filesystem::rename(folder / "a.npy", folder / "b.npy");
  EXPECT_NE(CalibrationDigest(folder.path()), digest);
  EXPECT_EQ(CalibrationDigest(folder / "b.npy"), Sha256OfFile(folder / "b.npy"));
}

}  // namespace
}  // namespace adaround
