// What paths are, and what is called after them. Nothing here throws, whatever lies at a path.
#pragma once

#include <filesystem>
#include <string>

namespace adaround::cli {

bool IsFolder(const std::filesystem::path& path);

// A device or a pipe: written straight to, with nothing to lose.
bool IsSpecialFile(const std::filesystem::path& path);

// Absolute, without a slash at its end; links are resolved as far as the path exists.
std::filesystem::path Resolved(const std::filesystem::path& path);

// OUT.partial for ".partial", whatever OUT ends in.
std::filesystem::path BesideOutput(const std::filesystem::path& output, const std::string& suffix);

// The file's name without its ending, a link's own; of a folder the whole name: "net-1.0" and
// "net-1.1" are two models.
std::string StemOf(const std::filesystem::path& model);

// The same, and of NAME/model.json it is NAME.
std::string ModelNameOf(const std::filesystem::path& model);

}  // namespace adaround::cli
