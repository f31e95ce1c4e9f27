#include "io/onnx_external_data.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "adaround/io/model_file.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/sha256.h"
#include "io/test_files.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using testing::BytesOf;
using testing::ExpectError;
using testing::OnnxBuilder;
using testing::ScratchFolder;
using testing::WriteBytes;

using Entries = std::vector<std::pair<std::string, std::string>>;

onnx::TensorProto External(const std::string& name, const Shape& dims, const Entries& entries,
                           int32_t data_type = onnx_type::kFloat) {
  onnx::TensorProto tensor;
  tensor.set_name(name);
  tensor.set_data_type(data_type);
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  for (const int64_t dim : dims) tensor.add_dims(dim);
  for (const auto& [key, value] : entries) {
    onnx::StringStringEntryProto* entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }
  return tensor;
}

// A folder with weights.bin, which holds the floats 0, 1, ... 9, and models that refer to it.
class ExternalDataTest : public ::testing::Test {
 protected:
  ExternalDataTest() {
    fs::create_directory(folder_ / "model");
    std::vector<float> values;
    for (int i = 0; i < 10; ++i) values.push_back(static_cast<float>(i));
    WriteBytes(folder_ / "model/weights.bin", BytesOf(values));
    WriteBytes(folder_ / "outside.bin", BytesOf(values));
  }

  fs::path WriteModel(const std::vector<onnx::TensorProto>& tensors) const {
    OnnxBuilder builder;
    for (const onnx::TensorProto& tensor : tensors) builder.AddInitializer(tensor);
    builder.AddNode("Identity", {tensors[0].name()}, {"y"});
    builder.AddOutput("y");
    return builder.Write(folder_ / "model/m.onnx");
  }

  Graph Read(const std::vector<onnx::TensorProto>& tensors) const {
    return ReadOnnxModel(WriteModel(tensors)).graph;
  }

  void ExpectRefused(const Entries& entries, const std::vector<std::string>& fragments,
                     const Shape& dims = {2}) const {
    std::vector<std::string> all = fragments;
    all.emplace_back("m.onnx: initializer 'w'");
    ExpectError(ErrorCode::kMalformed, all, [&] { Read({External("w", dims, entries)}); });
  }

  ScratchFolder folder_;
};

TEST_F(ExternalDataTest, ReadsTheStatedRange) {
  const Graph graph = Read(
      {External(
           "a", {2},
           {{"location", "weights.bin"}, {"offset", "4"}, {"length", "8"}, {"checksum", "ab"}}),
       External("b", {2, 1}, {{"location", "weights.bin"}, {"offset", "32"}}),
       External("c", {0}, {{"location", "weights.bin"}, {"length", "0"}})});
  EXPECT_EQ(graph.initializers.at("a").data<float>()[0], 1);
  EXPECT_EQ(graph.initializers.at("a").data<float>()[1], 2);
  EXPECT_EQ(graph.initializers.at("b").data<float>()[1], 9);
  EXPECT_EQ(graph.initializers.at("c").num_elements(), 0);
}

TEST_F(ExternalDataTest, ReadsFilesInFoldersBelow) {
  fs::create_directory(folder_ / "model/sub");
  WriteBytes(folder_ / "model/sub/w", BytesOf(std::vector<float>{5}));
  EXPECT_EQ(
      Read({External("a", {1}, {{"location", "sub/w"}})}).initializers.at("a").data<float>()[0], 5);
}

TEST_F(ExternalDataTest, ReadsTensorsOfAttributes) {
  OnnxBuilder builder;
  builder.AddNode(
      "Constant", {}, {"y"},
      {testing::TensorAttribute(
          "value",
          External("", {1}, {{"location", "weights.bin"}, {"offset", "12"}, {"length", "4"}}))});
  builder.AddOutput("y");
  const fs::path path = builder.Write(folder_ / "model/m.onnx");
  EXPECT_EQ(ReadOnnxModel(path).graph.initializers.at("y").data<float>()[0], 3);
}

TEST_F(ExternalDataTest, FourBitIntegersAndHalves) {
  WriteBytes(folder_ / "model/four", "\x21\x03");
  const Graph graph = Read({External("a", {3}, {{"location", "four"}}, onnx_type::kInt4)});
  EXPECT_EQ(graph.initializers.at("a").data<int8_t>()[2], 3);
  WriteBytes(folder_ / "model/half", BytesOf(std::vector<uint16_t>{0x3C00}));
  EXPECT_EQ(Read({External("a", {1}, {{"location", "half"}}, onnx_type::kFloat16)})
                .initializers.at("a")
                .data<float>()[0],
            1);
}

TEST_F(ExternalDataTest, RefusesToLeaveTheFolder) {
  for (const char* location : {"../outside.bin", "a/../../outside.bin", "missing/../weights.bin",
                               "./weights.bin", "sub//weights.bin", "/etc/passwd", "", "a\\b"}) {
    SCOPED_TRACE(location);
    ExpectRefused({{"location", location}}, {"external_data"});
  }
  ExpectRefused({{"location", std::string("weights.bin\0.txt", 16)}}, {"control character"});
  ExpectRefused({{"location", (folder_ / "outside.bin").string()}}, {"is absolute"});
}

TEST_F(ExternalDataTest, RefusesLinks) {
  fs::create_symlink(folder_ / "outside.bin", folder_ / "model/link.bin");
  ExpectRefused({{"location", "link.bin"}}, {"symbolic link"});
  fs::create_symlink("weights.bin", folder_ / "model/inside.bin");
  ExpectRefused({{"location", "inside.bin"}}, {"symbolic link"});
  fs::create_directory_symlink(folder_.path(), folder_ / "model/up");
  ExpectRefused({{"location", "up/outside.bin"}}, {"symbolic link"});
  fs::create_hard_link(folder_ / "outside.bin", folder_ / "model/hard.bin");
  ExpectRefused({{"location", "hard.bin"}}, {"has 2 hard links", "put a copy"});
}

TEST_F(ExternalDataTest, RefusesWhatIsNoFile) {
  fs::create_directory(folder_ / "model/folder");
  ExpectRefused({{"location", "folder"}}, {"is a folder"});
  ASSERT_EQ(mkfifo((folder_ / "model/pipe").c_str(), 0600), 0);
  ExpectRefused({{"location", "pipe"}}, {"FIFO"});
  ExpectRefused({{"location", "none.bin"}}, {"No such file"});
  ExpectRefused({{"location", std::string(300, 'w')}}, {"File name too long"});
  WriteBytes(folder_ / "model/lfs", "version https://git-lfs.github.com/spec/v1\n");
  ExpectError(ErrorCode::kMalformed, {"Git-LFS"}, [&] {
    Read({External("w", {2}, {{"location", "lfs"}})});
  });
}

TEST_F(ExternalDataTest, RefusesNumbers) {
  for (const char* number : {"-1", "1e3", " 5", "5 ", "+5", "", "0x8", "9223372036854775808",
                             "99999999999999999999999"}) {
    SCOPED_TRACE(number);
    ExpectRefused({{"location", "weights.bin"}, {"offset", number}}, {"external_data offset"});
    ExpectRefused({{"location", "weights.bin"}, {"length", number}}, {"external_data length"});
  }
}

TEST_F(ExternalDataTest, RefusesRangesOutsideTheFile) {
  const std::string most = "9223372036854775807";
  ExpectRefused({{"location", "weights.bin"}, {"offset", most}, {"length", most}},
                {"which has 40 bytes"});
  ExpectRefused({{"location", "weights.bin"}, {"offset", most}}, {"which has 40 bytes"});
  ExpectRefused({{"location", "weights.bin"}, {"offset", "36"}, {"length", "8"}},
                {"asks for 8 bytes from byte 36", "which has 40 bytes"});
  ExpectRefused({{"location", "weights.bin"}, {"offset", "8"}, {"length", most}},
                {"which has 40 bytes"});
}

TEST_F(ExternalDataTest, RefusesLengthsOtherThanShapeTimesType) {
  for (const char* length : {"0", "7", "9", "40"}) {
    ExpectRefused({{"location", "weights.bin"}, {"length", length}},
                  {std::string("has ") + length + " bytes", "want 8"});
  }
  ExpectRefused({{"location", "weights.bin"}}, {"has 40 bytes", "want 8"});
  // Compared with the file before memory is taken.
  ExpectRefused({{"location", "weights.bin"}}, {"want 17592186044416"}, {int64_t{1} << 42});
}

TEST_F(ExternalDataTest, RefusesKeys) {
  ExpectRefused({{"location", "weights.bin"}, {"ofset", "0"}},
                {"unknown key 'ofset'", "did you mean 'offset'"});
  ExpectRefused({{"location", "weights.bin"}, {"location", "weights.bin"}}, {"'location' twice"});
  ExpectRefused({{"offset", "0"}}, {"names no location"});
  ExpectRefused({}, {"names no location"});
}

TEST_F(ExternalDataTest, RefusesElementsInBothPlaces) {
  onnx::TensorProto both = External("w", {1}, {{"location", "weights.bin"}, {"length", "4"}});
  both.add_float_data(1);
  ExpectError(ErrorCode::kMalformed, {"external_data and elements of its own"},
              [&] { Read({both}); });
}

TEST_F(ExternalDataTest, OneRangeMayServeTwoTensorsButNotInPart) {
  const Entries range = {{"location", "weights.bin"}, {"offset", "0"}, {"length", "16"}};
  const Graph graph = Read({External("a", {4}, range), External("b", {2, 2}, range)});
  EXPECT_EQ(graph.initializers.at("a").raw(), graph.initializers.at("b").raw());
  EXPECT_EQ(graph.initializers.at("b").shape(), (Shape{2, 2}));
  for (const char* offset : {"0", "4", "12"}) {
    ExpectError(ErrorCode::kMalformed, {"'c'", "overlaps"}, [&] {
      Read(
          {External("a", {4}, range),
           External("c", {1}, {{"location", "weights.bin"}, {"offset", offset}, {"length", "4"}})});
    });
  }
  EXPECT_NO_THROW(
      Read({External("a", {4}, range),
            External("c", {1}, {{"location", "weights.bin"}, {"offset", "16"}, {"length", "4"}})}));
  // The same bytes as another type are an overlap too.
  ExpectError(ErrorCode::kMalformed, {"overlaps"}, [&] {
    Read({External("a", {4}, range), External("c", {4}, range, onnx_type::kInt32)});
  });
}

TEST_F(ExternalDataTest, DigestCoversTheFilesBeside) {
  const fs::path path =
      WriteModel({External("a", {1}, {{"location", "weights.bin"}, {"length", "4"}})});
  const std::string before = ModelDigest(path);
  EXPECT_EQ(before,
            Sha256OfBytes(Sha256OfFile(path) + Sha256OfFile(folder_ / "model/weights.bin")));
  WriteBytes(folder_ / "model/weights.bin", BytesOf(std::vector<float>{1, 2}));
  EXPECT_NE(ModelDigest(path), before);
  WriteModel({External("a", {1}, {{"location", "../outside.bin"}})});
  ExpectError(ErrorCode::kMalformed, {"'..'"}, [&] { ModelDigest(path); });
}

}  // namespace
}  // namespace adaround
