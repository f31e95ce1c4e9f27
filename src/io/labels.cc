#include "adaround/io/labels.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>
#include <system_error>
#include <utility>

#include "adaround/io/npy.h"
#include "io/array_checks.h"
#include "io/file_error.h"
#include "io/image.h"
#include "io/image_folder.h"
#include "io/input_file.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMaxTextBytes = int64_t{256} << 20;
constexpr size_t kMaxLabelLines = 10'000'000;

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string WithoutExtension(const std::string& name) {
  return fs::path(name).replace_extension().string();
}

std::string FileName(const std::string& name) {
  return fs::path(name).filename().string();
}

// Finds files by what users call them: with or without sub-folder and extension.
class NameIndex {
 public:
  explicit NameIndex(const std::vector<ImageFile>& files) {
    for (size_t i = 0; i < files.size(); ++i) {
      indices_.emplace(files[i].name, i);
      has_folders_ = has_folders_ || files[i].name.find('/') != std::string::npos;
    }
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string& name = files[i].name;
      for (const std::string& key :
           {FileName(name), WithoutExtension(name), WithoutExtension(FileName(name))}) {
        const auto [position, added] = indices_.emplace(key, i);
        size_t& index = position->second;
        if (added || index == i || index == kSeveral) continue;
        // A short form of several files stands for none of them; a whole name always for its own.
        if (files[index].name != key) index = kSeveral;
      }
    }
  }

  std::optional<size_t> Find(const std::string& name) const {
    // A sub-folder that is named must be the file's own.
    const auto found = indices_.find(has_folders_ ? name : FileName(name));
    if (found == indices_.end() || found->second == kSeveral) return std::nullopt;
    return found->second;
  }

 private:
  static constexpr size_t kSeveral = static_cast<size_t>(-1);
  std::map<std::string, size_t> indices_;
  bool has_folders_ = false;
};

// "'a', 'b', 'c' and 7 more"
std::string ListSome(const std::vector<std::string>& names) {
  constexpr size_t kMaxListed = 5;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMaxListed); ++i) {
    text += (i == 0 ? "" : ", ") + Quoted(names[i]);
  }
  if (names.size() > kMaxListed) {
    text += " and " + std::to_string(names.size() - kMaxListed) + " more";
  }
  return text;
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\"";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

struct LabelLine {
  std::string name;  // the first field, "" where there is one alone
  int64_t label = 0;
  int64_t number = 0;  // of the line, from 1
};

std::vector<LabelLine> ReadLabelLines(const InputFile& file) {
  const std::string text = file.ReadText(kMaxTextBytes);
  std::vector<LabelLine> lines;
  size_t begin = 0;
  for (int64_t number = 1; begin < text.size(); ++number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = Trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    if (lines.size() == kMaxLabelLines) {
      ThrowMalformed(file.name(), "line " + std::to_string(number) + ": more than " +
                                      std::to_string(kMaxLabelLines) + " labels");
    }
    const bool has_comma = line.find(',') != std::string_view::npos;
    const size_t last = has_comma ? line.rfind(',') : line.find_last_of(" \t");
    const bool has_fields = last != std::string_view::npos;
    const std::optional<int64_t> label =
        ParseInteger(Trimmed(has_fields ? line.substr(last + 1) : line));
    if (label) {
      const std::string_view before = has_fields ? line.substr(0, last) : std::string_view();
      const std::string_view first = has_comma ? before.substr(0, before.find(',')) : before;
      lines.push_back({std::string(Trimmed(first)), *label, number});
    } else if (number > 1) {
      ThrowMalformed(file.name(), "line " + std::to_string(number) + ": '" +
                                      Printable(std::string(line), 60) +
                                      "' does not end in a class index");
    }
  }
  if (lines.empty()) ThrowMalformed(file.name(), "holds no label");
  return lines;
}

// Whether the lines say which pictures they belong to.
bool NamesPictures(const std::vector<LabelLine>& lines, const NameIndex& index) {
  return std::any_of(lines.begin(), lines.end(), [&](const LabelLine& line) {
    return !line.name.empty() && (index.Find(line.name) || !ParseInteger(line.name));
  });
}

// Numbers that name no picture must be the samples' positions, from 0 or 1: names that lost their
// zeros would otherwise be read in the order of the lines.
void CheckPositions(const std::string& file, const std::vector<LabelLine>& lines) {
  if (lines.front().name.empty()) return;
  const int64_t first = ParseInteger(lines.front().name).value_or(-1);
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::optional<int64_t> position = ParseInteger(lines[i].name);
    if ((first == 0 || first == 1) && position == first + static_cast<int64_t>(i)) continue;
    ThrowMalformed(file, "line " + std::to_string(lines[i].number) + ": " + Quoted(lines[i].name) +
                             " names no picture and is not the sample's position; write the "
                             "pictures' names, or the classes alone in the order of the samples");
  }
}

std::vector<int64_t> MatchByName(const std::string& file, const std::vector<LabelLine>& lines,
                                 const std::vector<ImageFile>& pictures, const NameIndex& index) {
  std::vector<std::optional<int64_t>> labels(pictures.size());
  std::vector<std::string> unknown;
  for (const LabelLine& line : lines) {
    const std::optional<size_t> picture = index.Find(line.name);
    if (!picture) {
      unknown.push_back(line.name);
      continue;
    }
    if (labels[*picture]) {
      ThrowMalformed(file, "line " + std::to_string(line.number) + ": " + Quoted(line.name) +
                               " has a label already; keep one line per picture");
    }
    labels[*picture] = line.label;
  }
  if (!unknown.empty()) {
    ThrowMalformed(file, "names pictures that the data does not hold: " + ListSome(unknown) +
                             "; remove these lines, or add the pictures");
  }
  std::vector<std::string> missing;
  std::vector<int64_t> classes;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (!labels[i]) missing.push_back(pictures[i].name);
    classes.push_back(labels[i].value_or(0));
  }
  if (!missing.empty()) {
    ThrowMalformed(file,
                   "has no line for " + ListSome(missing) + "; add one per picture, NAME,CLASS");
  }
  return classes;
}

Labels ReadTextLabels(const fs::path& path, const ImageListing& pictures) {
  const InputFile file(path);
  const std::vector<LabelLine> lines = ReadLabelLines(file);
  const NameIndex index(pictures.files);
  Labels labels;
  if (!pictures.files.empty() && NamesPictures(lines, index)) {
    labels.classes = MatchByName(file.name(), lines, pictures.files, index);
  } else {
    if (!pictures.files.empty()) CheckPositions(file.name(), lines);
    for (const LabelLine& line : lines) labels.classes.push_back(line.label);
  }
  return labels;
}

class ArrayLabelMaps final : public LabelMaps {
 public:
  explicit ArrayLabelMaps(NpyFile file) : file_(std::move(file)) {}

  int64_t num_samples() const override { return file_.shape()[0]; }
  Tensor Read(int64_t sample) const override {
    const Shape& shape = file_.shape();
    return ConvertTo(file_.ReadRows(sample, 1), DType::kInt64)
        .Reshaped({shape[shape.size() - 2], shape[shape.size() - 1]});
  }
  std::string Describe(int64_t sample) const override {
    return file_.name() + ", sample " + std::to_string(sample);
  }

 private:
  NpyFile file_;
};

Labels ReadArrayLabels(const fs::path& path) {
  NpyFile file(path);
  const Shape& shape = file.shape();
  const bool is_maps = shape.size() == 3 || (shape.size() == 4 && shape[1] == 1);
  if (shape.size() != 1 && !is_maps) {
    ThrowMalformed(file.name(), "labels have shape " + ShapeToString(shape) +
                                    ", wanted one class index per sample, or maps of classes "
                                    "[samples, height, width]");
  }
  if (IsFloat(file.dtype())) {
    ThrowUnsupported(file.name(), "labels hold " + std::string(DTypeName(file.dtype())) +
                                      ", wanted integers; save them as int64 or uint8");
  }
  Labels labels;
  if (is_maps) {
    labels.maps = std::make_shared<ArrayLabelMaps>(std::move(file));
  } else {
    labels.classes = ToInt64Vector(ConvertTo(file.ReadRows(0, shape[0]), DType::kInt64));
  }
  return labels;
}

// PNG maps, one for each sample.
class ImageLabelMaps final : public LabelMaps {
 public:
  struct Entry {
    fs::path path;
    std::optional<ImageExtent> picture;  // the extent of the picture that it belongs to
  };

  ImageLabelMaps(std::vector<Entry> entries, ImageRecipe recipe)
      : entries_(std::move(entries)), recipe_(std::move(recipe)) {}

  int64_t num_samples() const override { return static_cast<int64_t>(entries_.size()); }

  Tensor Read(int64_t sample) const override {
    const Entry& entry = entries_[static_cast<size_t>(sample)];
    const InputFile file(entry.path);
    Image image = DecodeLabelImage(file);
    if (entry.picture) {
      const ImageExtent extent{image.width, image.height};
      const ImageExtent resized = ResizedExtent(recipe_, extent, file.name());
      if (resized != extent) image = ResizeImage(image, resized, Interpolation::kNearest);
      if (recipe_.crop) image = CropCentre(image, *recipe_.crop, uint8_t{kIgnoredClass});
    }
    Tensor map(DType::kInt64, {image.height, image.width});
    std::copy(image.pixels.begin(), image.pixels.end(), map.mutable_data<int64_t>());
    return map;
  }

  std::string Describe(int64_t sample) const override {
    return Printable(entries_[static_cast<size_t>(sample)].path.string(), 4096);
  }

 private:
  std::vector<Entry> entries_;
  ImageRecipe recipe_;  // of pictures; unused for maps of arrays
};

ImageExtent ExtentOf(const InputFile& file) {
  const ImageHeader header = ReadImageHeader(file);
  return {header.width, header.height};
}

Labels ReadFolderOfMaps(const fs::path& path, const std::string& data_name,
                        const ImageListing& pictures, const Graph& graph) {
  const std::string name = Printable(path.string(), 4096);
  const ImageListing maps = ListImages(path);
  if (maps.files.empty()) {
    ThrowMalformed(name,
                   "holds no label images; give PNG files, one class index per pixel, or a "
                   ".csv, .txt or .npy file");
  }
  std::vector<ImageLabelMaps::Entry> entries;
  ImageRecipe recipe;
  if (pictures.files.empty()) {
    for (const ImageFile& map : maps.files) entries.push_back({map.path, std::nullopt});
  } else {
    recipe = RecipeFor(graph, data_name);
    const NameIndex index(maps.files);
    std::vector<std::string> missing;
    for (const ImageFile& picture : pictures.files) {
      const std::optional<size_t> map = index.Find(WithoutExtension(picture.name));
      if (map) {
        entries.push_back({maps.files[*map].path, ExtentOf(InputFile(picture.path))});
      } else {
        missing.push_back(picture.name);
      }
    }
    if (!missing.empty()) {
      ThrowMalformed(name, "has no label image for " + ListSome(missing) +
                               "; name each like its picture, with the extension .png");
    }
  }
  for (const ImageLabelMaps::Entry& entry : entries) {
    const InputFile file(entry.path);
    const ImageExtent found = ExtentOf(file);
    if (!entry.picture || found == *entry.picture) continue;
    ThrowMalformed(file.name(), "has " + std::to_string(found.width) + "x" +
                                    std::to_string(found.height) + " pixels, its picture " +
                                    std::to_string(entry.picture->width) + "x" +
                                    std::to_string(entry.picture->height) +
                                    "; a label image has a class for every pixel of its picture");
  }
  Labels labels;
  labels.maps = std::make_shared<ImageLabelMaps>(std::move(entries), std::move(recipe));
  return labels;
}

Labels LabelsOfFolders(const std::string& data_name, const ImageListing& pictures) {
  std::vector<int64_t> class_of_folder;
  for (const std::string& folder : pictures.folders) {
    const std::optional<int64_t> number = ParseInteger(folder);
    if (number && *number >= 0) class_of_folder.push_back(*number);
  }
  Labels labels;
  labels.from_folders = true;
  if (class_of_folder.size() != pictures.folders.size()) {
    class_of_folder.clear();
    std::vector<bool> has_pictures(pictures.folders.size(), false);
    for (const size_t folder : pictures.folder_of_file) has_pictures[folder] = true;
    for (size_t i = 0; i < pictures.folders.size(); ++i) {
      if (!has_pictures[i]) {
        ThrowMalformed(data_name, "sub-folder " + Quoted(pictures.folders[i]) +
                                      " holds no pictures, but sub-folders are classes by their "
                                      "place; fill it, remove it, or give --labels FILE");
      }
      class_of_folder.push_back(static_cast<int64_t>(i));
    }
    labels.num_placed_folders = static_cast<int64_t>(pictures.folders.size());
  }
  for (const size_t folder : pictures.folder_of_file) {
    labels.classes.push_back(class_of_folder[folder]);
  }
  return labels;
}

// Some of the maps of another set.
class SelectedMaps final : public LabelMaps {
 public:
  SelectedMaps(std::shared_ptr<const LabelMaps> maps, std::vector<int64_t> samples)
      : maps_(std::move(maps)), samples_(std::move(samples)) {}

  int64_t num_samples() const override { return static_cast<int64_t>(samples_.size()); }
  Tensor Read(int64_t sample) const override { return maps_->Read(At(sample)); }
  std::string Describe(int64_t sample) const override { return maps_->Describe(At(sample)); }

 private:
  int64_t At(int64_t sample) const { return samples_[static_cast<size_t>(sample)]; }

  std::shared_ptr<const LabelMaps> maps_;
  std::vector<int64_t> samples_;
};

}  // namespace

Labels SelectLabels(const Labels& labels, const std::vector<int64_t>& samples) {
  Labels selected = labels;
  if (labels.maps) {
    selected.maps = std::make_shared<SelectedMaps>(labels.maps, samples);
    return selected;
  }
  selected.classes.clear();
  for (const int64_t sample : samples) {
    selected.classes.push_back(labels.classes[static_cast<size_t>(sample)]);
  }
  return selected;
}

namespace {

Labels ReadGivenLabels(const fs::path& path, const std::string& data_name,
                       const ImageListing& pictures, const Graph& graph) {
  if (IsFolder(path)) return ReadFolderOfMaps(path, data_name, pictures, graph);
  const std::string extension = path.extension().string();
  if (extension == ".csv" || extension == ".txt") return ReadTextLabels(path, pictures);
  if (extension == ".npy") return ReadArrayLabels(path);
  ThrowUnsupported(Printable(path.string(), 4096),
                   "labels are read from .npy, .csv and .txt files and from folders of PNG files");
}

}  // namespace

std::optional<Labels> ReadLabels(const fs::path& path, const fs::path& data, const Graph& graph) {
  const std::string data_name = Printable(data.string(), 4096);
  const ImageListing pictures = IsFolder(data) ? ListImages(data) : ImageListing{};
  if (path.empty() && pictures.folders.empty()) return std::nullopt;
  Labels labels = path.empty() ? LabelsOfFolders(data_name, pictures)
                               : ReadGivenLabels(path, data_name, pictures, graph);
  labels.source = path.empty() ? data_name : Printable(path.string(), 4096);
  return labels;
}

}  // namespace adaround
