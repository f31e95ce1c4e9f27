// Class labels of evaluation data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace adaround {

// One class index per sample, in the order of the samples: a .npy file with a list of integers, or a
// text file (.csv, .txt) with one sample per line whose last comma-separated field is the index. The
// first line may be a header.
// Throws Error(kIo | kMalformed | kUnsupported), naming file and line.
std::vector<int64_t> ReadLabels(const std::filesystem::path& path);

}  // namespace adaround
