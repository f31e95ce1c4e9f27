// Calibration data: arrays on disk under the names of the graph's tensors.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "adaround/io/array_source.h"

namespace adaround {

struct CalibrationTensor {
  std::string name;                    // of the tensor in the graph
  std::unique_ptr<ArraySource> x;      // its values on the float path
  std::unique_ptr<ArraySource> x_hat;  // on the quantized path; null = the same as x
};

// Opens a folder of .npy files, or one .npy, .npz or .safetensors file, sorted by name.
//
// In a folder, NAME.npy gives tensor NAME (percent-decoded: see DecodeFileName) and
// NAME.quantized.npy its x_hat; hidden files, folders and files with other extensions are passed
// over. In an npz or safetensors file the entries are called NAME and NAME.quantized.
// Every array has the same number of samples, at least one, and x_hat has the shape of x.
//
// Throws Error(kIo | kMalformed | kUnsupported), naming both files where two disagree;
// Error(kUnsupported) for a folder that holds images but no .npy file.
std::vector<CalibrationTensor> OpenCalibrationFiles(const std::filesystem::path& path);

// SHA-256 that ties a result to its calibration data: of the file, or for a folder of the lines
// "NAME  SHA256\n" of the .npy files that OpenCalibrationFiles would read, in order of their names.
std::string CalibrationDigest(const std::filesystem::path& path);

}  // namespace adaround
