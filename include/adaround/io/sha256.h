// SHA-256 digests, which tie a result to the model and the data it came from.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace adaround {

class InputFile;

// 64 lower-case hexadecimal digits.
std::string Sha256OfBytes(std::string_view bytes);

// The same over a file's contents, in bounded memory.
// Throws Error(kIo) where it cannot be read, Error(kMalformed) where it is not a regular file, is
// empty, or is a Git-LFS pointer.
std::string Sha256OfFile(const std::filesystem::path& path);
std::string Sha256OfFile(const InputFile& file);

}  // namespace adaround
