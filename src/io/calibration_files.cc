#include "adaround/io/calibration_files.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "adaround/io/sha256.h"
#include "io/file_error.h"
#include "io/image_folder.h"

namespace adaround {
namespace {

constexpr std::string_view kQuantizedSuffix = ".quantized";
constexpr size_t kMaxFiles = 65'536;

using Arrays = std::map<std::string, std::unique_ptr<ArraySource>>;

// The .npy files of a folder in order of their names.
std::vector<std::filesystem::path> ListArrayFiles(const std::filesystem::path& folder) {
  const std::string name = Printable(folder.string(), 4096);
  std::vector<std::filesystem::path> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (path.filename().string().starts_with('.')) continue;
    if (path.extension() == ".npy") files.push_back(path);
    if (files.size() > kMaxFiles) {
      ThrowMalformed(name, "holds more than " + std::to_string(kMaxFiles) + " .npy files");
    }
  }
  if (error) throw Error(ErrorCode::kIo, name + ": cannot be listed: " + error.message());
  if (files.empty()) {
    ThrowMalformed(
        name,
        "holds neither .npy files nor JPEG or PNG pictures; save one array per tensor as "
        "NAME.npy, samples along axis 0, or give a folder of pictures");
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Takes the arrays out of `from` into x or x_hat by their names.
void AddArrays(Arrays from, const std::string& where, Arrays* x, Arrays* x_hat) {
  for (auto& [name, source] : from) {
    const bool quantized = name.ends_with(kQuantizedSuffix);
    const std::string tensor =
        quantized ? name.substr(0, name.size() - kQuantizedSuffix.size()) : name;
    if (tensor.empty()) ThrowMalformed(where, "an array has an empty name");
    (quantized ? x_hat : x)->emplace(tensor, std::move(source));
  }
}

void AddArrayFile(const std::filesystem::path& path, Arrays* x, Arrays* x_hat) {
  // The suffix is looked for before decoding, so that "a%2Equantized.npy" is a tensor's plain name.
  const std::string file = Printable(path.string(), 4096);
  std::string stem = path.stem().string();
  const bool quantized = stem.ends_with(kQuantizedSuffix);
  if (quantized) stem.resize(stem.size() - kQuantizedSuffix.size());
  const std::string tensor = DecodeFileName(stem, file);
  if (tensor.empty()) ThrowMalformed(file, "its name holds no tensor's name");
  Arrays opened = OpenArrays(path);
  Arrays* to = quantized ? x_hat : x;
  const auto [position, added] = to->emplace(tensor, std::move(opened.begin()->second));
  if (!added) {
    ThrowMalformed(file, "stands for tensor " + Quoted(tensor) + ", as " +
                             position->second->description() + " does; remove one of them");
  }
}

void CheckSameSamples(const ArraySource& first, const ArraySource& other) {
  if (first.num_samples() == other.num_samples()) return;
  ThrowMalformed(other.description(), "has " + std::to_string(other.num_samples()) +
                                          " samples, but " + first.description() + " has " +
                                          std::to_string(first.num_samples()) +
                                          "; give every array the same samples in the same order");
}

std::vector<CalibrationTensor> Combine(Arrays x, Arrays x_hat) {
  for (const auto& [name, source] : x_hat) {
    if (!x.contains(name)) {
      ThrowMalformed(source->description(),
                     "gives tensor " + Quoted(name) +
                         " on the quantized path alone; add the float path's values under the name "
                         "without '.quantized'");
    }
  }
  std::vector<CalibrationTensor> tensors;
  for (auto& [name, source] : x) {
    CalibrationTensor& tensor = tensors.emplace_back();
    tensor.name = name;
    tensor.x = std::move(source);
    const auto quantized = x_hat.find(name);
    if (quantized != x_hat.end()) tensor.x_hat = std::move(quantized->second);
    CheckSameSamples(*tensors.front().x, *tensor.x);
    if (tensor.x_hat == nullptr) continue;
    CheckSameSamples(*tensor.x, *tensor.x_hat);
    if (tensor.x->shape() != tensor.x_hat->shape()) {
      ThrowMalformed(tensor.x_hat->description(),
                     "has shape " + ShapeToString(tensor.x_hat->shape()) + ", but " +
                         tensor.x->description() + " has " + ShapeToString(tensor.x->shape()) +
                         "; both must agree");
    }
    if (tensor.x->dtype() != tensor.x_hat->dtype()) {
      ThrowMalformed(tensor.x_hat->description(),
                     "holds " + std::string(DTypeName(tensor.x_hat->dtype())) + ", but " +
                         tensor.x->description() + " holds " +
                         std::string(DTypeName(tensor.x->dtype())) + "; both must agree");
    }
  }
  return tensors;
}

bool IsFolder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

}  // namespace

std::vector<CalibrationTensor> OpenCalibrationFiles(const std::filesystem::path& path,
                                                    const Graph& graph) {
  const std::string name = Printable(path.string(), 4096);
  Arrays x;
  Arrays x_hat;
  if (IsFolder(path)) {
    ImageListing images = ListImages(path);
    if (!images.files.empty()) {
      const ImageRecipe recipe = RecipeFor(graph, name);
      std::vector<CalibrationTensor> tensors(1);
      tensors[0].name = recipe.input;
      tensors[0].x = OpenImages(name, std::move(images), recipe);
      tensors[0].from_images = true;
      return tensors;
    }
    for (const std::filesystem::path& file : ListArrayFiles(path)) AddArrayFile(file, &x, &x_hat);
  } else if (path.extension() == ".npy") {
    AddArrayFile(path, &x, &x_hat);
  } else if (HasImageExtension(path)) {
    ThrowUnsupported(name, "is one picture; give the folder that holds all samples");
  } else {
    AddArrays(OpenArrays(path), name, &x, &x_hat);
  }
  return Combine(std::move(x), std::move(x_hat));
}

std::vector<std::filesystem::path> CalibrationFiles(const std::filesystem::path& path) {
  if (!IsFolder(path)) return {path};
  std::vector<std::filesystem::path> files;
  for (const ImageFile& image : ListImages(path).files) files.push_back(image.path);
  return files.empty() ? ListArrayFiles(path) : files;
}

std::string CalibrationDigest(const std::filesystem::path& path) {
  if (!IsFolder(path)) return Sha256OfFile(path);
  std::string lines;
  for (const std::filesystem::path& file : CalibrationFiles(path)) {
    lines += file.lexically_relative(path).string() + "  " + Sha256OfFile(file) + "\n";
  }
  return Sha256OfBytes(lines);
}

}  // namespace adaround
