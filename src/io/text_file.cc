#include "adaround/io/text_file.h"

#include "io/input_file.h"

namespace adaround {

std::string ReadTextFile(const std::filesystem::path& path, int64_t limit) {
  return InputFile(path).ReadText(limit);
}

}  // namespace adaround
