#include "cli/path_names.h"

#include <system_error>

namespace adaround::cli {

namespace fs = std::filesystem;

namespace {

// Links stay.
fs::path Absolute(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

}  // namespace

bool IsFolder(const fs::path& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool IsSpecialFile(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error) && !fs::is_regular_file(path, error) && !IsFolder(path);
}

fs::path Resolved(const fs::path& path) {
  // Links first: "link/.." is beside what the link names.
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(fs::absolute(path, error), error);
  if (error) return Absolute(path);
  return resolved.has_filename() ? resolved : resolved.parent_path();
}

fs::path BesideOutput(const fs::path& output, const std::string& suffix) {
  fs::path path = output.lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  path += suffix;
  return path;
}

std::string StemOf(const fs::path& model) {
  const fs::path path = Absolute(model);
  return (IsFolder(path) ? path.filename() : path.stem()).string();
}

std::string ModelNameOf(const fs::path& model) {
  const fs::path path = Absolute(model);
  return path.filename() == "model.json" && !IsFolder(path) ? path.parent_path().filename().string()
                                                            : StemOf(path);
}

}  // namespace adaround::cli
