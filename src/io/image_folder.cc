#include "io/image_folder.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

#include "adaround/graph/image_layout.h"
#include "io/file_error.h"
#include "io/image.h"

namespace adaround {
namespace {

constexpr size_t kMaxFiles = 2'000'000;

std::string LowerCaseExtension(const std::filesystem::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return extension;
}

template <size_t count>
bool IsOneOf(const std::string& text, const std::array<std::string_view, count>& known) {
  return std::find(known.begin(), known.end(), text) != known.end();
}

constexpr std::array<std::string_view, 3> kRead = {".jpg", ".jpeg", ".png"};
constexpr std::array<std::string_view, 13> kNotRead = {".bmp", ".gif", ".tif", ".tiff", ".webp",
                                                       ".ppm", ".pgm", ".jp2", ".heic", ".avif",
                                                       ".jxl", ".jpe", ".jfif"};

// What lies directly in one folder.
struct Contents {
  std::vector<std::string> images;
  std::vector<std::string> folders;
  std::string array;  // one .npy file
  std::string other;  // one picture that is not read
};

Contents ListFolder(const std::filesystem::path& folder) {
  const std::string name = Printable(folder.string(), 4096);
  Contents contents;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string file = entry->path().filename().string();
    if (file.starts_with('.')) continue;
    const std::string extension = LowerCaseExtension(entry->path());
    std::error_code ignored;
    if (entry->is_directory(ignored)) {
      contents.folders.push_back(file);
    } else if (IsOneOf(extension, kRead)) {
      contents.images.push_back(file);
    } else if (extension == ".npy") {
      contents.array = file;
    } else if (IsOneOf(extension, kNotRead)) {
      contents.other = file;
    }
    if (contents.images.size() + contents.folders.size() > kMaxFiles) {
      ThrowMalformed(name, "holds more than " + std::to_string(kMaxFiles) + " files");
    }
  }
  if (error) throw Error(ErrorCode::kIo, name + ": cannot be listed: " + error.message());
  std::sort(contents.images.begin(), contents.images.end());
  std::sort(contents.folders.begin(), contents.folders.end());
  return contents;
}

[[noreturn]] void ThrowNotRead(const std::filesystem::path& picture) {
  ThrowUnsupported(Printable(picture.string(), 4096),
                   "only JPEG (.jpg, .jpeg) and PNG pictures are read; convert it, or remove it "
                   "from the folder");
}

void CheckKinds(const Contents& contents, const std::filesystem::path& folder) {
  if (contents.images.empty()) return;
  if (!contents.array.empty()) {
    ThrowMalformed(Printable(folder.string(), 4096),
                   "holds pictures (" + Quoted(contents.images.front()) + ") and arrays (" +
                       Quoted(contents.array) + "); keep one kind of them");
  }
  if (!contents.other.empty()) ThrowNotRead(folder / contents.other);
}

std::string ExtentText(ImageExtent extent) {
  return std::to_string(extent.width) + "x" + std::to_string(extent.height);
}

Interpolation ParseInterpolation(const std::string& name) {
  if (name == "nearest") return Interpolation::kNearest;
  return name == "bicubic" ? Interpolation::kBicubic : Interpolation::kBilinear;
}

class ImageSource final : public ArraySource {
 public:
  ImageSource(const std::string& folder, ImageListing listing, ImageRecipe recipe, Shape shape,
              ImageExtent extent, int64_t cache_bytes)
      : ArraySource(DType::kUInt8, std::move(shape), folder),
        files_(std::move(listing.files)),
        recipe_(std::move(recipe)),
        extent_(extent),
        sample_bytes_(static_cast<size_t>(extent.width * extent.height * recipe_.channels)),
        max_cached_(static_cast<size_t>(cache_bytes) / sample_bytes_),
        cache_(files_.size()) {}

  int64_t cache_bytes() const override {
    return static_cast<int64_t>(std::min(max_cached_, files_.size()) * sample_bytes_);
  }

 private:
  using Pixels = std::shared_ptr<const std::vector<uint8_t>>;

  Tensor ReadStored(int64_t begin, int64_t count) const override {
    Shape rows = shape();
    rows[0] = count;
    Tensor result = AllocateTensor(DType::kUInt8, rows, description());
    uint8_t* out = result.mutable_raw();
    for (int64_t i = begin; i < begin + count; ++i) {
      const Pixels pixels = Sample(static_cast<size_t>(i));
      out = std::copy(pixels->begin(), pixels->end(), out);
    }
    return result;
  }

  // Passes over the data go round and round: what came first is kept, for a sample that is dropped
  // to make room is wanted again before the one that took its place.
  Pixels Sample(size_t index) const {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (cache_[index]) return cache_[index];
    }
    auto pixels = std::make_shared<const std::vector<uint8_t>>(Decode(files_[index].path));
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!cache_[index] && num_cached_ < max_cached_) {
      cache_[index] = pixels;
      ++num_cached_;
    }
    return pixels;
  }

  std::vector<uint8_t> Decode(const std::filesystem::path& path) const {
    const InputFile file(path);
    Image image = WithChannels(DecodeImage(file), recipe_.channels);
    const ImageExtent resized = ResizedExtent(recipe_, {image.width, image.height}, file.name());
    if (resized != ImageExtent{image.width, image.height}) {
      image = ResizeImage(image, resized, recipe_.interpolation);
    }
    if (recipe_.crop) image = CropCentre(image, *recipe_.crop, 0);
    if (ImageExtent{image.width, image.height} != extent_) {
      ThrowMalformed(file.name(),
                     "its extent changed after it was opened; run again when nothing "
                     "else writes it");
    }
    return InLayout(std::move(image.pixels));
  }

  std::vector<uint8_t> InLayout(std::vector<uint8_t> pixels) const {
    const auto channels = static_cast<size_t>(recipe_.channels);
    if (recipe_.blue_first && channels == 3) {
      for (size_t i = 0; i < pixels.size(); i += 3) std::swap(pixels[i], pixels[i + 2]);
    }
    if (recipe_.channels_last || channels == 1) return pixels;
    std::vector<uint8_t> planes(pixels.size());
    const size_t area = pixels.size() / channels;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t i = 0; i < area; ++i) planes[c * area + i] = pixels[i * channels + c];
    }
    return planes;
  }

  std::vector<ImageFile> files_;
  ImageRecipe recipe_;
  ImageExtent extent_;
  size_t sample_bytes_;
  size_t max_cached_;
  mutable std::mutex mutex_;
  mutable std::vector<Pixels> cache_;
  mutable size_t num_cached_ = 0;
};

bool HasImageShape(const GraphInput& input) {
  const Shape& shape = input.shape;
  if (shape.size() != 4) return false;
  const int64_t channels = shape[static_cast<size_t>(ChannelAxis(shape))];
  return channels == 1 || channels == 3;
}

const GraphInput& ImageInput(const Graph& graph, const std::string& folder) {
  const GraphInput* found = nullptr;
  std::string listed;
  for (const GraphInput& input : graph.inputs) {
    listed += (listed.empty() ? "" : ", ") + Quoted(input.name) + " " + ShapeToString(input.shape);
    if (!HasImageShape(input)) continue;
    if (found != nullptr) {
      ThrowUnsupported(folder, "is a folder of pictures, but both " + Quoted(found->name) +
                                   " and " + Quoted(input.name) +
                                   " take images; give one array per input as NAME.npy");
    }
    found = &input;
  }
  if (found == nullptr) {
    ThrowUnsupported(
        folder,
        "is a folder of pictures, but no input of the model takes images, "
        "[samples, 1 or 3, height, width] or [samples, height, width, 1 or 3]; it has " +
            (listed.empty() ? "no inputs" : listed) + "; give arrays as NAME.npy");
  }
  if (found->dtype != DType::kFloat32 && found->dtype != DType::kUInt8) {
    ThrowUnsupported(folder, "is a folder of pictures, but input " + Quoted(found->name) +
                                 " takes " + std::string(DTypeName(found->dtype)) +
                                 "; give arrays as NAME.npy");
  }
  return *found;
}

}  // namespace

bool HasImageExtension(const std::filesystem::path& path) {
  return IsOneOf(LowerCaseExtension(path), kRead);
}

ImageListing ListImages(const std::filesystem::path& folder) {
  Contents contents = ListFolder(folder);
  CheckKinds(contents, folder);
  ImageListing listing;
  for (const std::string& file : contents.images) listing.files.push_back({folder / file, file});
  if (!contents.array.empty()) return listing;
  size_t num_below = 0;
  std::filesystem::path not_read;  // in a sub-folder without pictures that are read
  for (const std::string& sub_folder : contents.folders) {
    const Contents below = ListFolder(folder / sub_folder);
    CheckKinds(below, folder / sub_folder);
    num_below += below.images.size();
    if (below.images.empty()) {
      if (!below.other.empty()) not_read = folder / sub_folder / below.other;
      continue;
    }
    if (!contents.images.empty()) {
      ThrowMalformed(Printable(folder.string(), 4096),
                     "holds pictures (" + Quoted(contents.images.front()) +
                         ") and sub-folders with pictures (" + Quoted(sub_folder) +
                         "); keep one kind of them");
    }
    if (num_below > kMaxFiles) {
      ThrowMalformed(Printable(folder.string(), 4096),
                     "holds more than " + std::to_string(kMaxFiles) + " files");
    }
    for (const std::string& file : below.images) {
      listing.files.push_back({folder / sub_folder / file, sub_folder + "/" + file});
    }
  }
  if (num_below == 0) return listing;
  if (!not_read.empty()) ThrowNotRead(not_read);
  // Sub-folders without pictures are classes without samples.
  listing.folders = std::move(contents.folders);
  size_t index = 0;
  for (const ImageFile& file : listing.files) {
    while (!file.name.starts_with(listing.folders[index] + "/")) ++index;
    listing.folder_of_file.push_back(index);
  }
  return listing;
}

ImageRecipe RecipeFor(const Graph& graph, const std::string& folder) {
  const GraphInput& input = ImageInput(graph, folder);
  if (input.dtype == DType::kFloat32 && !input.preprocess) {
    ThrowMalformed(
        folder,
        "is a folder of pictures, but the model does not say how pixels become values of "
        "input " +
            Quoted(input.name) +
            "; give --scale, --mean and --std as the network was trained, value = (pixel * "
            "scale - mean) / std (most ImageNet networks: --scale 0.00392157 --mean "
            "0.485,0.456,0.406 --std 0.229,0.224,0.225), or add \"preprocess\" to the model's "
            "input");
  }
  const Preprocess preprocess = input.preprocess.value_or(Preprocess{});
  const int64_t channel_axis = ChannelAxis(input.shape);
  ImageRecipe recipe;
  recipe.input = input.name;
  recipe.channels = input.shape[static_cast<size_t>(channel_axis)];
  recipe.channels_last = channel_axis == 3;
  const std::string order = preprocess.channel_order.value_or("RGB");
  recipe.blue_first = order == "BGR" || order == "bgr";
  if (preprocess.interpolation)
    recipe.interpolation = ParseInterpolation(*preprocess.interpolation);
  recipe.shorter_side = preprocess.resize;
  if (preprocess.crop) recipe.crop = ImageExtent{*preprocess.crop, *preprocess.crop};
  const size_t height_axis = recipe.channels_last ? 1 : 2;
  const ImageExtent fixed{input.shape[height_axis + 1], input.shape[height_axis]};
  if (fixed.width > 0 && fixed.height > 0) recipe.wanted = fixed;
  if (recipe.wanted && recipe.crop && *recipe.crop != *recipe.wanted) {
    ThrowMalformed(folder, "preprocess crops pictures to " + ExtentText(*recipe.crop) +
                               ", but input " + Quoted(input.name) + " takes " +
                               ExtentText(*recipe.wanted) + " (width x height)" +
                               (fixed.width == fixed.height
                                    ? "; give --crop " + std::to_string(fixed.width)
                                    : "; leave crop out: pictures are cropped to the input once "
                                      "they are resized"));
  }
  if (recipe.wanted && recipe.shorter_side) recipe.crop = recipe.wanted;
  for (const int64_t side : {recipe.shorter_side.value_or(1), recipe.crop ? recipe.crop->width : 1,
                             recipe.crop ? recipe.crop->height : 1}) {
    if (side > kMaxImageExtent) {
      ThrowMalformed(folder, "preprocess asks for pictures of " + std::to_string(side) +
                                 " pixels a side, at most " + std::to_string(kMaxImageExtent) +
                                 " are allowed");
    }
  }
  if (recipe.crop && recipe.crop->width * recipe.crop->height > kMaxImagePixels) {
    ThrowMalformed(folder, "preprocess asks for pictures of " + ExtentText(*recipe.crop) +
                               ", at most " + std::to_string(kMaxImagePixels) +
                               " pixels are allowed");
  }
  return recipe;
}

ImageExtent ResizedExtent(const ImageRecipe& recipe, ImageExtent extent, const std::string& name) {
  if (!recipe.shorter_side) return extent;
  const ImageExtent resized = ExtentWithShorterSide(extent, *recipe.shorter_side);
  const int64_t longer = std::max(resized.width, resized.height);
  if (longer > kMaxImageExtent || resized.width * resized.height > kMaxImagePixels) {
    ThrowMalformed(name, "has " + ExtentText(extent) + " pixels; resized to " +
                             std::to_string(*recipe.shorter_side) +
                             " on the shorter side it is too large; remove it or crop it");
  }
  return resized;
}

ImageExtent FinalExtent(const ImageRecipe& recipe, ImageExtent extent, const std::string& name) {
  const ImageExtent resized = ResizedExtent(recipe, extent, name);
  return recipe.crop ? *recipe.crop : resized;
}

std::unique_ptr<ArraySource> OpenImages(const std::string& folder, ImageListing listing,
                                        const ImageRecipe& recipe, int64_t cache_bytes) {
  ADAROUND_CHECK(!listing.files.empty());
  std::optional<ImageExtent> wanted = recipe.wanted;
  const std::string first = listing.files.front().name;
  for (const ImageFile& image : listing.files) {
    const InputFile file(image.path);
    const ImageHeader header = ReadImageHeader(file);
    const ImageExtent found = FinalExtent(recipe, {header.width, header.height}, file.name());
    if (!wanted) wanted = found;
    if (found == *wanted) continue;
    const std::string asked = recipe.wanted ? "input " + Quoted(recipe.input) + " takes "
                                            : "the first picture, " + Quoted(first) + ", has ";
    ThrowMalformed(file.name(),
                   "has " + ExtentText(found) + " pixels (width x height)" +
                       (recipe.shorter_side ? " once resized" : "") + ", but " + asked +
                       ExtentText(*wanted) +
                       "; give --resize N for the shorter side and --crop N for the central "
                       "square, as the network was trained, such as --resize 256 --crop 224");
  }
  Shape shape = {static_cast<int64_t>(listing.files.size()), recipe.channels, wanted->height,
                 wanted->width};
  if (recipe.channels_last) shape = {shape[0], wanted->height, wanted->width, recipe.channels};
  return std::make_unique<ImageSource>(folder, std::move(listing), recipe, std::move(shape),
                                       *wanted, cache_bytes);
}

}  // namespace adaround
