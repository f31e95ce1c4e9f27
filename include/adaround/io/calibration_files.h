// Calibration data: arrays on disk under the names of the graph's tensors, or folders of pictures.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/array_source.h"

namespace adaround {

struct CalibrationTensor {
  std::string name;                    // of the tensor in the graph
  std::shared_ptr<const ArraySource> x;      // its values on the float path
  std::shared_ptr<const ArraySource> x_hat;  // on the quantized path; null = the same as x
  // Pictures that were resized, cropped and ordered as the input's preprocess says; its scale, mean
  // and std are still to be applied.
  bool from_images = false;
};

// Opens a folder of .npy files, or one .npy, .npz or .safetensors file, sorted by name; or a folder
// of pictures for the one input of `graph` that takes images.
//
// In a folder, NAME.npy gives tensor NAME (percent-decoded: see DecodeFileName) and
// NAME.quantized.npy its x_hat; hidden files, folders and files with other extensions are passed
// over. In an npz or safetensors file the entries are called NAME and NAME.quantized.
// Every array has the same number of samples, at least one, and x_hat has the shape of x.
//
// Pictures are JPEG and PNG files, .jpg, .jpeg and .png in any case, told apart by their contents.
// They lie in the folder itself, or one level deep in sub-folders, one per class; samples come in
// byte order of sub-folder and name. Each is decoded when it is read (see src/io/image.h for what
// becomes of 16 bits, alpha, CMYK and orientation tags), as many as fit into 512 MiB are kept.
// Then, with the input's preprocess:
//   resize R   the shorter side becomes R, the longer keeps the aspect, rounded down;
//              `interpolation` nearest, bilinear (the default) or bicubic, all as Pillow has them
//   crop C     the central C x C; what lies outside the picture is 0
//   neither    the picture must have the input's extent already
// With `resize` alone and an input of fixed height and width, the centre is cropped to these. An
// input of 1 channel is given luma; `channel_order` BGR puts blue first. Samples are uint8
// [samples, C, H, W], or [samples, H, W, C] where the input's channels are last (see ChannelAxis).
//
// Throws Error(kIo | kMalformed | kUnsupported), naming both files where two disagree, a picture
// whose header is damaged or whose extent does not fit, and pictures for a float input without
// preprocess. A picture that is damaged further on is named when it is read.
std::vector<CalibrationTensor> OpenCalibrationFiles(const std::filesystem::path& path,
                                                    const Graph& graph);

// The files that OpenCalibrationFiles would read, in order of their names; pictures of labels too.
std::vector<std::filesystem::path> CalibrationFiles(const std::filesystem::path& path);

// SHA-256 that ties a result to its calibration data: of the file, or for a folder of the lines
// "NAME  SHA256\n" of the files that OpenCalibrationFiles would read, in order of their names.
std::string CalibrationDigest(const std::filesystem::path& path);

}  // namespace adaround
