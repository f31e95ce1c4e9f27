#include "io/image_folder.h"

#include <cstdlib>
#include <thread>

#include "adaround/io/calibration_files.h"
#include "adaround/io/npy.h"
#include "adaround/io/sha256.h"
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

Graph ImageGraph(Shape shape, Preprocess preprocess = {}) {
  Graph graph;
  graph.inputs = {testing::FloatInput("image", std::move(shape))};
  graph.inputs[0].preprocess = std::move(preprocess);
  return graph;
}

Preprocess Geometry(std::optional<int64_t> resize, std::optional<int64_t> crop) {
  Preprocess preprocess;
  preprocess.resize = resize;
  preprocess.crop = crop;
  return preprocess;
}

// Sub-folders of the cases are called INTERPOLATION_RESIZE_CROP.
TEST(ImageFolder, AgreesWithTorchvision) {
  const std::filesystem::path folder = std::filesystem::path(ADAROUND_IMAGE_CASES) / "resize";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  int num_cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    SCOPED_TRACE(name);
    const size_t first = name.find('_');
    const size_t second = name.find('_', first + 1);
    const int64_t resize = std::stoll(name.substr(first + 1, second - first - 1));
    const int64_t crop = std::stoll(name.substr(second + 1));
    Preprocess preprocess = Geometry(std::nullopt, crop);
    if (resize > 0) preprocess.resize = resize;
    preprocess.interpolation = name.substr(0, first);
    const ImageRecipe recipe = RecipeFor(ImageGraph({-1, crop, crop, 3}, preprocess), "f");
    ImageListing listing;
    std::vector<Tensor> wanted;
    for (const auto& file : std::filesystem::directory_iterator(entry.path())) {
      if (file.path().extension() != ".png") continue;
      listing.files.push_back({file.path(), file.path().filename().string()});
      wanted.push_back(ReadNpy(file.path().string() + ".npy"));
    }
    const auto source = OpenImages("f", std::move(listing), recipe);
    ASSERT_EQ(source->shape(), (Shape{static_cast<int64_t>(wanted.size()), crop, crop, 3}));
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Tensor found = source->ReadSamples(static_cast<int64_t>(i), 1);
      int largest = 0;
      for (int64_t k = 0; k < found.num_elements(); ++k) {
        largest =
            std::max(largest, std::abs(found.data<uint8_t>()[k] - wanted[i].data<uint8_t>()[k]));
      }
      // Another Pillow may round its weights otherwise.
      EXPECT_LE(largest, recipe.interpolation == Interpolation::kNearest ? 0 : 1) << i;
      ++num_cases;
    }
  }
  EXPECT_EQ(num_cases, 75);
}

TEST(ImageFolder, SamplesComeInByteOrderAndInTheInputsLayout) {
  const ScratchFolder folder;
  const auto b = SomePixels(4 * 2 * 3, 1);
  const auto a = SomePixels(4 * 2 * 3, 2);
  const auto capital = SomePixels(4 * 2 * 3, 3);
  WritePng(folder / "b.png", 4, 2, 3, b);
  WritePng(folder / "a10.PNG", 4, 2, 3, a);
  WritePng(folder / "Z.jpeg", 4, 2, 3, capital);
  WriteBytes(folder / "labels.csv", "x");
  WriteBytes(folder / ".b.png", "x");
  const auto rows = OpenCalibrationFiles(folder.path(), ImageGraph({-1, 2, 4, 3}));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].name, "image");
  EXPECT_TRUE(rows[0].from_images);
  EXPECT_EQ(rows[0].x->shape(), (Shape{3, 2, 4, 3}));
  EXPECT_EQ(rows[0].x->dtype(), DType::kUInt8);
  const Tensor last = rows[0].x->ReadSamples(0, 3);
  const auto* bytes = last.data<uint8_t>();
  EXPECT_EQ(std::vector<uint8_t>(bytes, bytes + 24), capital);
  EXPECT_EQ(std::vector<uint8_t>(bytes + 24, bytes + 48), a);
  EXPECT_EQ(std::vector<uint8_t>(bytes + 48, bytes + 72), b);

  for (const bool blue_first : {false, true}) {
    Preprocess preprocess;
    if (blue_first) preprocess.channel_order = "BGR";
    const auto planes = OpenCalibrationFiles(folder.path(), ImageGraph({-1, 3, 2, 4}, preprocess));
    EXPECT_EQ(planes[0].x->shape(), (Shape{3, 3, 2, 4}));
    const Tensor sample = planes[0].x->ReadSamples(1, 1);
    for (size_t c = 0; c < 3; ++c) {
      for (size_t i = 0; i < 8; ++i) {
        EXPECT_EQ(sample.data<uint8_t>()[c * 8 + i], a[3 * i + (blue_first ? 2 - c : c)]);
      }
    }
  }
}

TEST(ImageFolder, OneChannelIsLumaAndSubFoldersAreWalked) {
  const ScratchFolder folder;
  std::filesystem::create_directories(folder / "9");
  std::filesystem::create_directories(folder / "10");
  WritePng(folder / "9/a.png", 2, 1, 3, {255, 0, 0, 0, 0, 255});
  WritePng(folder / "10/b.png", 2, 1, 1, {4, 5});
  const auto tensors = OpenCalibrationFiles(folder.path(), ImageGraph({-1, 1, 1, 2}));
  const Tensor samples = tensors[0].x->ReadSamples(0, 2);
  EXPECT_EQ(samples.shape(), (Shape{2, 1, 1, 2}));
  EXPECT_EQ(samples.data<uint8_t>()[0], 4);   // "10" comes before "9"
  EXPECT_EQ(samples.data<uint8_t>()[2], 76);  // 0.299 * 255
  EXPECT_EQ(samples.data<uint8_t>()[3], 29);  // 0.114 * 255
}

TEST(ImageFolder, ResizeAloneCropsToAnInputThatIsNotSquare) {
  const ScratchFolder folder;
  std::vector<uint8_t> columns;  // pixel = its column
  for (int i = 0; i < 10 * 4; ++i) columns.push_back(static_cast<uint8_t>(i % 10));
  WritePng(folder / "a.png", 10, 4, 1, columns);
  const auto tensors =
      OpenCalibrationFiles(folder.path(), ImageGraph({-1, 1, 4, 6}, Geometry(4, std::nullopt)));
  const Tensor sample = tensors[0].x->ReadSamples(0, 1);
  for (int64_t i = 0; i < 24; ++i) EXPECT_EQ(sample.data<uint8_t>()[i], 2 + i % 6);
}

TEST(ImageFolder, SizesOfAFreeInputComeFromTheFirstPicture) {
  const ScratchFolder folder;
  WritePng(folder / "a.png", 10, 4, 1, SomePixels(40));
  WritePng(folder / "b.png", 10, 4, 1, SomePixels(40, 2));
  const Graph graph = ImageGraph({-1, 1, -1, -1});
  EXPECT_EQ(OpenCalibrationFiles(folder.path(), graph)[0].x->shape(), (Shape{2, 1, 4, 10}));
  WritePng(folder / "c.png", 4, 10, 1, SomePixels(40));
  ExpectError(ErrorCode::kMalformed, {"c.png", "4x10", "'a.png'", "10x4", "--resize", "--crop"},
              [&] { OpenCalibrationFiles(folder.path(), graph); });
  EXPECT_EQ(OpenCalibrationFiles(folder.path(), ImageGraph({-1, 1, -1, -1}, Geometry(5, 3)))[0]
                .x->shape(),
            (Shape{3, 1, 3, 3}));
}

TEST(ImageFolder, ReadsTheSameWithAndWithoutRoomAndFromManyThreads) {
  const ScratchFolder folder;
  for (int i = 0; i < 12; ++i) {
    WritePng(folder / (std::to_string(10 + i) + ".png"), 8, 8, 3, SomePixels(192, i));
  }
  const ImageRecipe recipe = RecipeFor(ImageGraph({-1, 8, 8, 3}), "f");
  for (const int64_t room : {0, 192 * 5, 1 << 20}) {
    const auto source = OpenImages("f", ListImages(folder.path()), recipe, room);
    std::vector<std::thread> threads;
    std::vector<int> num_wrong(4, 0);
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int round = 0; round < 3; ++round) {
          for (int64_t i = 0; i < 12; ++i) {
            const Tensor sample = source->ReadSamples(i, 1);
            const auto wanted = SomePixels(192, static_cast<uint32_t>(i));
            num_wrong[t] +=
                std::equal(wanted.begin(), wanted.end(), sample.data<uint8_t>()) ? 0 : 1;
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(num_wrong, std::vector<int>(4, 0));
  }
}

void ExpectRefused(const ScratchFolder& folder, const Graph& graph,
                   const std::vector<std::string>& fragments,
                   ErrorCode code = ErrorCode::kMalformed) {
  ExpectError(code, fragments, [&] { OpenCalibrationFiles(folder.path(), graph); });
}

TEST(ImageFolder, RefusesPicturesThatDoNotFit) {
  const ScratchFolder folder;
  WritePng(folder / "a.png", 10, 4, 3, SomePixels(120));
  ExpectRefused(folder, ImageGraph({-1, 3, 4, 4}),
                {"a.png", "10x4", "'image' takes 4x4", "--resize 256 --crop 224"});
  ExpectRefused(folder, ImageGraph({-1, 3, 4, 4}, Geometry(4, 3)),
                {"crops pictures to 3x3", "4x4", "--crop 4"});
  ExpectRefused(folder, ImageGraph({-1, 3, 4, 6}, Geometry(4, 4)), {"leave crop out"});
  ExpectRefused(folder, ImageGraph({-1, 3, -1, -1}, Geometry(60'000, std::nullopt)),
                {"a.png", "too large"});
  ExpectRefused(folder, ImageGraph({-1, 3, -1, -1}, Geometry(4, 2'000'000)), {"2000000"});
}

TEST(ImageFolder, RefusesModelsThatDoNotTakePictures) {
  const ScratchFolder folder;
  WritePng(folder / "a.png", 4, 4, 3, SomePixels(48));
  Graph graph = ImageGraph({-1, 3, 4, 4});
  graph.inputs[0].preprocess.reset();
  ExpectRefused(folder, graph, {"'image'", "--scale", "--mean 0.485,0.456,0.406", "--std"});
  graph.inputs[0].dtype = DType::kUInt8;  // pixels as they are
  EXPECT_EQ(OpenCalibrationFiles(folder.path(), graph).size(), 1u);
  graph.inputs[0].dtype = DType::kInt8;
  ExpectRefused(folder, graph, {"'image'", "int8"}, ErrorCode::kUnsupported);
  ExpectRefused(folder, ImageGraph({-1, 48}), {"no input", "'image' [-1, 48]"},
                ErrorCode::kUnsupported);
  graph = ImageGraph({-1, 3, 4, 4});
  graph.inputs.push_back(graph.inputs[0]);
  graph.inputs[1].name = "other";
  ExpectRefused(folder, graph, {"'image'", "'other'", "NAME.npy"}, ErrorCode::kUnsupported);
}

TEST(ImageFolder, RefusesMixtures) {
  const Graph graph = ImageGraph({-1, 3, 4, 4});
  const ScratchFolder folder;
  WritePng(folder / "a.png", 4, 4, 3, SomePixels(48));
  WriteBytes(folder / "b.webp", "x");
  ExpectRefused(folder, graph, {"b.webp", "JPEG"}, ErrorCode::kUnsupported);
  std::filesystem::rename(folder / "b.webp", folder / "image.npy");
  ExpectRefused(folder, graph, {"'a.png'", "'image.npy'"});
  std::filesystem::remove(folder / "image.npy");
  std::filesystem::create_directory(folder / "cats");
  EXPECT_EQ(OpenCalibrationFiles(folder.path(), graph).size(), 1u);
  WritePng(folder / "cats/a.png", 4, 4, 3, SomePixels(48));
  ExpectRefused(folder, graph, {"'a.png'", "'cats'"});
  std::filesystem::remove(folder / "a.png");
  EXPECT_EQ(OpenCalibrationFiles(folder.path(), graph).size(), 1u);
  // A class whose pictures are not read is not one without pictures.
  for (const char* other : {"birds", "dogs"}) {
    std::filesystem::create_directory(folder / other);
    WriteBytes(folder / other / "a.bmp", "x");
    ExpectRefused(folder, graph, {std::string(other) + "/a.bmp", "JPEG"}, ErrorCode::kUnsupported);
    std::filesystem::remove_all(folder / other);
  }
}

TEST(ImageFolder, NamesTheBrokenPicture) {
  const Graph graph = ImageGraph({-1, 3, 64, 64});
  const ScratchFolder folder;
  WritePng(folder / "a.png", 64, 64, 3, SomePixels(64 * 64 * 3));
  const std::string bytes = testing::ReadBytes(folder / "a.png");
  WriteBytes(folder / "b.png", bytes.substr(0, 20));
  ExpectRefused(folder, graph, {"b.png", "truncated"});
  // A header alone shows nothing of what is missing further on.
  WriteBytes(folder / "b.png", bytes.substr(0, bytes.size() / 2));
  const auto tensors = OpenCalibrationFiles(folder.path(), graph);
  EXPECT_EQ(tensors[0].x->ReadSamples(0, 1).num_elements(), 64 * 64 * 3);
  ExpectError(ErrorCode::kMalformed, {"b.png", "truncated"},
              [&] { tensors[0].x->ReadSamples(1, 1); });
  ExpectError(ErrorCode::kUnsupported, {"a.png", "one picture", "folder"},
              [&] { OpenCalibrationFiles(folder / "a.png", graph); });
}

TEST(ImageFolder, DigestCoversNamesAndContents) {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "c");
  WritePng(folder / "c/a.png", 2, 2, 1, SomePixels(4));
  WritePng(folder / "c/b.png", 2, 2, 1, SomePixels(4, 2));
  const std::string digest = CalibrationDigest(folder.path());
  EXPECT_EQ(digest, Sha256OfBytes("c/a.png  " + Sha256OfFile(folder / "c/a.png") + "\nc/b.png  " +
                                  Sha256OfFile(folder / "c/b.png") + "\n"));
  WriteBytes(folder / "c/notes.txt", "passed over");
  EXPECT_EQ(CalibrationDigest(folder.path()), digest);
  std::filesystem::rename(folder / "c", folder / "d");
  EXPECT_NE(CalibrationDigest(folder.path()), digest);
}

}  // namespace
}  // namespace adaround
