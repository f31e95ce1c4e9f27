#include "adaround/io/labels.h"

#include "adaround/io/npy.h"
#include "io/test_files.h"
#include "support/graph_testing.h"
#include "support/image_testing.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;
using testing::SomePixels;
using testing::WriteBytes;
using testing::WritePng;
using Classes = std::vector<int64_t>;

Graph ImageGraph(std::optional<int64_t> resize = {}, std::optional<int64_t> crop = {}) {
  Graph graph;
  graph.inputs = {testing::FloatInput("image", {-1, 1, -1, -1})};
  graph.inputs[0].preprocess.emplace();
  graph.inputs[0].preprocess->resize = resize;
  graph.inputs[0].preprocess->crop = crop;
  return graph;
}

class LabelsTest : public ::testing::Test {
 protected:
  void AddPicture(const std::string& name, int64_t width = 4, int64_t height = 4) {
    std::filesystem::create_directories((folder_ / ("data/" + name)).parent_path());
    WritePng(folder_ / ("data/" + name), width, height, 1, SomePixels(width * height));
  }
  std::filesystem::path data() const { return folder_ / "data"; }

  Labels Read(const std::string& name, const std::string& text) {
    return ReadLabels(WriteBytes(folder_ / name, text), data(), ImageGraph()).value();
  }
  void ExpectRefused(const std::string& name, const std::string& text,
                     const std::vector<std::string>& fragments,
                     ErrorCode code = ErrorCode::kMalformed) {
    ExpectError(code, fragments, [&] { Read(name, text); });
  }

  ScratchFolder folder_;
};

TEST_F(LabelsTest, ArraysAndLinesFollowTheSamples) {
  WriteNpy(folder_ / "l.npy", Tensor::FromVector<uint8_t>({3}, {7, 0, 255}));
  EXPECT_EQ(ReadLabels(folder_ / "l.npy", data(), Graph{})->classes, (Classes{7, 0, 255}));
  EXPECT_EQ(Read("l.txt", "3\n\n1\r\n 2").classes, (Classes{3, 1, 2}));
  EXPECT_EQ(Read("l.csv", "index,label\n1,30\n0,\"10\"\n").classes, (Classes{30, 10}));
  // Without pictures, names say nothing.
  EXPECT_EQ(Read("l.csv", "b.jpg,1\na.jpg,2\n").classes, (Classes{1, 2}));
}

TEST_F(LabelsTest, NamedLinesFindTheirPictures) {
  AddPicture("a.png");
  AddPicture("b.png");
  AddPicture("c.png");
  for (const char* text :
       {"file,label\nc.png,3\na.png,1\nb.png,2\n", "c 3\nb 2\na 1\n", "val/c.png 3\na.png 1\nb 2",
        "\"c.png\",dog,3\n\"a.png\",cat,1\n\"b.png\",\"cat, big\",2\n"}) {
    EXPECT_EQ(Read("l.txt", text).classes, (Classes{1, 2, 3})) << text;
  }
  // Row numbers are not names.
  EXPECT_EQ(Read("l.csv", "0,3\n1,1\n2,2\n").classes, (Classes{3, 1, 2}));
  EXPECT_EQ(Read("l.csv", "1,3\n2,1\n3,2\n").classes, (Classes{3, 1, 2}));
}

// "2" for 0002.png, as a spreadsheet makes it: the order of the lines is no order of the pictures.
TEST_F(LabelsTest, NumbersThatAreNoPositionsAreRefused) {
  AddPicture("0001.png");
  AddPicture("0002.png");
  ExpectRefused("l.csv", "2,5\n1,6\n", {"line 1", "'2'", "names no picture"});
  ExpectRefused("l.csv", "1,5\n1,6\n", {"line 2", "'1'", "names no picture"});
  EXPECT_EQ(Read("l.csv", "0002,5\n0001,6\n").classes, (Classes{6, 5}));
}

TEST_F(LabelsTest, AWholeNameIsNoOthersShortForm) {
  AddPicture("a.jpg");
  AddPicture("a.jpg.png");
  EXPECT_EQ(Read("l.csv", "a.jpg.png,2\na.jpg,1\n").classes, (Classes{1, 2}));
  // "a.jpg" is the first one's alone, and "a" that one's short form; the second has none.
  EXPECT_EQ(Read("l.csv", "a,1\na.jpg.png,2\n").classes, (Classes{1, 2}));
  AddPicture("a.png");
  ExpectRefused("l.csv", "a.jpg,1\na.jpg.png,2\na,3\n", {"does not hold", "'a'"});
}

TEST_F(LabelsTest, BoundsTheNumberOfLabels) {
  constexpr size_t kMost = 10'000'000;
  std::string text;
  for (size_t i = 0; i <= kMost; ++i) text += "7\n";
  ExpectRefused("l.txt", text, {"l.txt", "line 10000001", "more than 10000000 labels"});
}

TEST_F(LabelsTest, RefusesNamesThatDoNotMatch) {
  AddPicture("a.png");
  AddPicture("b.png");
  ExpectRefused("l.csv", "a.png,1\n", {"l.csv", "has no line for 'b.png'"});
  ExpectRefused("l.csv", "a.png,1\nb.png,2\nx.png,3\n", {"l.csv", "does not hold", "'x.png'"});
  ExpectRefused("l.csv", "a.png,1\nb.png,2\na,3\n", {"line 3", "'a'", "already"});
  ExpectRefused("l.csv", "a.png,1\nb.png,two\n", {"line 2", "class index"});
  ExpectRefused("l.csv", "\n\n", {"holds no label"});
  ExpectRefused("l.json", "[]", {".npy, .csv and .txt"}, ErrorCode::kUnsupported);
}

TEST_F(LabelsTest, SubFoldersTellNamesApart) {
  AddPicture("x/1.png");
  AddPicture("y/1.png");
  EXPECT_EQ(Read("l.csv", "y/1.png,5\nx/1,6\n").classes, (Classes{6, 5}));
  ExpectRefused("l.csv", "z/1.png,5\nx/1.png,6\n", {"'z/1.png'"});
  ExpectRefused("l.csv", "1.png,5\n1.png,6\n", {"'1.png'"});
}

TEST_F(LabelsTest, SubFoldersAreClassesByTheirPlaceOrNumber) {
  AddPicture("dog/a.png");
  AddPicture("cat/a.png");
  AddPicture("cat/b.png");
  const auto placed = ReadLabels("", data(), ImageGraph());
  ASSERT_TRUE(placed.has_value());
  EXPECT_EQ(placed->classes, (Classes{0, 0, 1}));
  EXPECT_TRUE(placed->from_folders);
  EXPECT_EQ(placed->num_placed_folders, 2);
  std::filesystem::create_directory(data() / "ant");
  ExpectError(ErrorCode::kMalformed, {"'ant'", "no pictures"},
              [&] { ReadLabels("", data(), ImageGraph()); });
  std::filesystem::remove(data() / "ant");
  std::filesystem::rename(data() / "dog", data() / "017");
  std::filesystem::rename(data() / "cat", data() / "3");
  const auto numbered = ReadLabels("", data(), ImageGraph());
  EXPECT_EQ(numbered->classes, (Classes{17, 3, 3}));
  EXPECT_FALSE(numbered->num_placed_folders.has_value());
}

TEST_F(LabelsTest, NothingIsAssumedWithoutSubFolders) {
  AddPicture("a.png");
  EXPECT_FALSE(ReadLabels("", data(), ImageGraph()).has_value());
  EXPECT_FALSE(ReadLabels("", folder_ / "x.npy", ImageGraph()).has_value());
}

TEST_F(LabelsTest, ArraysOfMaps) {
  WriteNpy(folder_ / "m.npy", Tensor::FromVector<int32_t>({2, 1, 3}, {1, 2, 3, 4, 255, 6}));
  const auto labels = ReadLabels(folder_ / "m.npy", data(), Graph{});
  ASSERT_NE(labels->maps, nullptr);
  EXPECT_EQ(labels->num_samples(), 2);
  const Tensor map = labels->maps->Read(1);
  EXPECT_EQ(map.shape(), (Shape{1, 3}));
  EXPECT_EQ(ToInt64Vector(map), (Classes{4, 255, 6}));
  WriteNpy(folder_ / "m.npy", Tensor(DType::kFloat32, {2, 1, 3}));
  ExpectError(ErrorCode::kUnsupported, {"m.npy", "float32"},
              [&] { ReadLabels(folder_ / "m.npy", data(), Graph{}); });
  WriteNpy(folder_ / "m.npy", Tensor::Zeros(DType::kInt64, {2, 3}));
  ExpectError(ErrorCode::kMalformed, {"m.npy", "[2, 3]"},
              [&] { ReadLabels(folder_ / "m.npy", data(), Graph{}); });
}

TEST_F(LabelsTest, MapsAreResizedAndCroppedLikeTheirPictures) {
  AddPicture("a.png", 8, 4);
  AddPicture("b.png", 4, 8);
  std::filesystem::create_directory(folder_ / "maps");
  std::vector<uint8_t> columns;
  for (int i = 0; i < 32; ++i) columns.push_back(static_cast<uint8_t>(i % 8));
  testing::WritePalettePng(folder_ / "maps/a.png", 8, 4, columns);
  WritePng(folder_ / "maps/b.png", 4, 8, 1, std::vector<uint8_t>(32, 9));
  WritePng(folder_ / "maps/unused.png", 1, 1, 1, {0});
  // Half the size, 4 x 2, and of it the central 2 x 2: columns 3 and 5 of the original.
  const auto labels = ReadLabels(folder_ / "maps", data(), ImageGraph(2, 2));
  ASSERT_EQ(labels->num_samples(), 2);
  EXPECT_EQ(ToInt64Vector(labels->maps->Read(0)), (Classes{3, 5, 3, 5}));
  EXPECT_EQ(ToInt64Vector(labels->maps->Read(1)), (Classes(4, 9)));
  // What lies outside the picture is ignored.
  const auto wide = ReadLabels(folder_ / "maps", data(), ImageGraph(std::nullopt, 10));
  const Classes map = ToInt64Vector(wide->maps->Read(1));
  EXPECT_EQ(std::count(map.begin(), map.end(), 9), 32);
  EXPECT_EQ(std::count(map.begin(), map.end(), kIgnoredClass), 68);
}

TEST_F(LabelsTest, MapsOfArraysComeInOrder) {
  std::filesystem::create_directory(folder_ / "maps");
  WritePng(folder_ / "maps/2.png", 1, 1, 1, {22});
  WritePng(folder_ / "maps/1.png", 2, 1, 1, {11, 12});
  const auto labels = ReadLabels(folder_ / "maps", folder_ / "x.npy", Graph{});
  EXPECT_EQ(ToInt64Vector(labels->maps->Read(0)), (Classes{11, 12}));
  EXPECT_EQ(ToInt64Vector(labels->maps->Read(1)), (Classes{22}));
}

TEST_F(LabelsTest, RefusesMapsThatDoNotFit) {
  AddPicture("a.png", 8, 4);
  std::filesystem::create_directory(folder_ / "maps");
  const auto read = [&] { ReadLabels(folder_ / "maps", data(), ImageGraph()); };
  ExpectError(ErrorCode::kMalformed, {"maps", "no label images"}, read);
  WritePng(folder_ / "maps/b.png", 8, 4, 1, SomePixels(32));
  ExpectError(ErrorCode::kMalformed, {"maps", "no label image for 'a.png'"}, read);
  WritePng(folder_ / "maps/a.png", 4, 8, 1, SomePixels(32));
  ExpectError(ErrorCode::kMalformed, {"a.png", "4x8", "8x4"}, read);
}

}  // namespace
}  // namespace adaround
