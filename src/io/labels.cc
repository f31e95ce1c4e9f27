#include "adaround/io/labels.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "adaround/io/npy.h"
#include "io/file_error.h"
#include "io/input_file.h"

namespace adaround {
namespace {

constexpr int64_t kMaxTextBytes = int64_t{1} << 30;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\"";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<int64_t> LastField(std::string_view line) {
  const size_t comma = line.rfind(',');
  const std::string_view field = Trimmed(comma == std::string_view::npos ? line
                                                                         : line.substr(comma + 1));
  int64_t value = 0;
  const auto [end, failure] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (failure != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
}

std::vector<int64_t> ReadTextLabels(const std::filesystem::path& path) {
  const InputFile file(path);
  const std::string text = file.ReadText(kMaxTextBytes);
  std::vector<int64_t> labels;
  size_t begin = 0;
  for (int64_t line_number = 1; begin < text.size(); ++line_number) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = Trimmed(std::string_view(text).substr(begin, end - begin));
    begin = end + 1;
    if (line.empty()) continue;
    const std::optional<int64_t> label = LastField(line);
    if (label) {
      labels.push_back(*label);
    } else if (line_number > 1) {
      ThrowMalformed(file.name(), "line " + std::to_string(line_number) + ": '" +
                                      Printable(std::string(line), 60) +
                                      "' does not end in a class index");
    }
  }
  if (labels.empty()) ThrowMalformed(file.name(), "holds no label");
  return labels;
}

}  // namespace

std::vector<int64_t> ReadLabels(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".csv" || extension == ".txt") return ReadTextLabels(path);
  if (extension != ".npy") {
    ThrowUnsupported(Printable(path.string()), "labels are read from .npy, .csv and .txt files");
  }
  const Tensor labels = ReadNpy(path);
  if (labels.rank() != 1) {
    ThrowMalformed(Printable(path.string()), "labels have shape " + ShapeToString(labels.shape()) +
                                                 ", wanted one class index per sample");
  }
  try {
    return ToInt64Vector(labels);
  } catch (const Error& error) {
    throw error.WithContext(Printable(path.string()));
  }
}

}  // namespace adaround
