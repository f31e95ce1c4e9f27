// What evaluation data shows: one class per sample, or one class per pixel.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/tensor/tensor.h"

namespace adaround {

// The class of pixels that no measure counts.
inline constexpr int64_t kIgnoredClass = 255;

// One map of classes per sample. Threads: const members may be called concurrently.
class LabelMaps {
 public:
  virtual ~LabelMaps() = default;

  virtual int64_t num_samples() const = 0;
  // int64 [height, width], kIgnoredClass where nothing is to be counted.
  // Throws Error(kIo | kMalformed | kUnsupported), naming the file.
  virtual Tensor Read(int64_t sample) const = 0;
  // The file or entry that Read(sample) reads, ready to print.
  virtual std::string Describe(int64_t sample) const = 0;
};

// Either `classes` or `maps` holds the labels, in the order of the samples.
struct Labels {
  std::vector<int64_t> classes;
  std::shared_ptr<const LabelMaps> maps;
  // Taken from the names of the data's sub-folders, not asked for: passed over by networks that
  // tell no classes.
  bool from_folders = false;
  // Where sub-folders stand for classes by their place: how many there are. A network of another
  // number of classes numbers them otherwise.
  std::optional<int64_t> num_placed_folders;
  // The file or folder that they come from, ready to print; "" = none.
  std::string source;

  int64_t num_samples() const {
    return maps ? maps->num_samples() : static_cast<int64_t>(classes.size());
  }
};

// Those of some of the samples, in the order of `samples`.
// REQUIRES: each is from 0 to labels.num_samples() - 1.
Labels SelectLabels(const Labels& labels, const std::vector<int64_t>& samples);

// The labels at `path` of the samples that OpenCalibrationFiles(data, graph) opens:
//   .npy        integers [samples] are classes; [samples, height, width] are maps
//   .csv, .txt  a sample per line, its class after the last comma (or blank); the first line may be
//               a header. Where `data` is a folder of pictures and a line's first field is a
//               picture's name (with or without sub-folder and extension), lines belong to the
//               pictures that they name, in any order, each named once; else to samples in order.
//               At most 10 million labels and 256 MiB.
//   a folder    PNG maps, palette indices or gray values being classes: of the pictures with the
//               same name without extension, else of samples in byte order of the maps' names. Maps
//               of pictures have the picture's extent, and are resized (nearest) and cropped with
//               it; what lies outside is ignored.
//   "" (none)   where `data` is a folder of pictures in sub-folders, these are the classes: the
//               number that each is named by, where all are numbers, else their place in byte
//               order, from 0.  Nothing otherwise.
// Throws Error(kIo | kMalformed | kUnsupported), naming file and line, and pictures without a
// label, or lines without a picture.
std::optional<Labels> ReadLabels(const std::filesystem::path& path,
                                 const std::filesystem::path& data, const Graph& graph);

}  // namespace adaround
