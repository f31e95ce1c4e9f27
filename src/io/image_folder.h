// Folders of pictures as arrays of samples.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/array_source.h"
#include "io/image_resize.h"

namespace adaround {

struct ImageFile {
  std::filesystem::path path;
  std::string name;  // "cat.jpg", or with its sub-folder "n01440764/cat.jpg"
};

struct ImageListing {
  std::vector<ImageFile> files;        // in byte order of their names; within a sub-folder likewise
  std::vector<std::string> folders;    // sub-folders in byte order; empty where pictures lie in the
                                       // folder itself
  std::vector<size_t> folder_of_file;  // index into folders; empty likewise
};

// Whether a file is called a picture that is read: .jpg, .jpeg or .png, in any case.
bool HasImageExtension(const std::filesystem::path& path);

// The pictures (.jpg, .jpeg, .png in any case) of a folder, or of its sub-folders, one level deep.
// Hidden files and other files are passed over. Nothing where there are none.
// Throws Error(kIo); Error(kMalformed) where pictures lie both in the folder and below it, or where
// they are mixed with .npy files; Error(kUnsupported) where pictures of other formats lie among
// them.
ImageListing ListImages(const std::filesystem::path& folder);

// How pictures become samples of one input.
struct ImageRecipe {
  std::string input;
  int64_t channels = 3;
  bool channels_last = false;
  bool blue_first = false;
  Interpolation interpolation = Interpolation::kBilinear;
  std::optional<int64_t> shorter_side;  // resized to, before cropping
  std::optional<ImageExtent> crop;      // central part, after resizing
  std::optional<ImageExtent> wanted;    // what the input fixes; none: what the first picture gives
};

// For the graph's one input of the form of images, by its shape and preprocess.
// Throws Error(kUnsupported) where there is none, or more than one; Error(kMalformed) for float
// inputs without preprocess and for a crop that is not the input's extent. `folder` begins
// messages.
ImageRecipe RecipeFor(const Graph& graph, const std::string& folder);

// The extent of a picture once it is resized and cropped.
// Throws Error(kMalformed), naming the picture, where it is beyond the limits.
ImageExtent ResizedExtent(const ImageRecipe& recipe, ImageExtent extent, const std::string& name);
ImageExtent FinalExtent(const ImageRecipe& recipe, ImageExtent extent, const std::string& name);

// uint8 samples in the input's layout, decoded when they are read. As many as fit into
// `cache_bytes` are kept. Every file's header is read at once.
// Throws Error(kIo | kMalformed | kUnsupported), naming the picture that does not fit.
std::unique_ptr<ArraySource> OpenImages(const std::string& folder, ImageListing listing,
                                        const ImageRecipe& recipe,
                                        int64_t cache_bytes = int64_t{512} << 20);

}  // namespace adaround
