// Small files that are read whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace adaround {

// Throws Error(kMalformed), naming the file: missing, empty, longer than `limit` bytes, no regular
// file, a Git-LFS pointer. Throws Error(kIo) where the system refuses.
std::string ReadTextFile(const std::filesystem::path& path, int64_t limit);

}  // namespace adaround
