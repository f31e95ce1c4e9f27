// Labels, as an array where the input begins like one, else as text: of samples in order, and of
// pictures by their names.
#include <algorithm>

#include "adaround/io/labels.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

namespace {

// Pictures whose names are what text may refer to; nothing reads what is in them.
const std::filesystem::path& Pictures(fuzz::InputFolder& folder) {
  static const std::filesystem::path pictures = [&] {
    std::filesystem::create_directories(folder.path() / "pictures");
    for (const char* name : {"a.png", "a.png.jpg", "b 1.jpeg", "7.jpg"}) {
      folder.Write(std::string("pictures/") + name, {});
    }
    return folder.path() / "pictures";
  }();
  return pictures;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const bool is_array = size > 0 && data[0] == 0x93;
  const std::filesystem::path path = folder.Write(is_array ? "l.npy" : "l.csv", {data, size});
  for (const std::filesystem::path& samples : {std::filesystem::path(), Pictures(folder)}) {
    fuzz::Accepted(path, [&] {
      const std::optional<Labels> labels = ReadLabels(path, samples, Graph{});
      fuzz::Require(labels.has_value(), "no labels");
      const int64_t count = labels->num_samples();
      fuzz::Require(count >= 0, "a negative number of samples");
      for (int64_t i = 0; labels->maps && i < std::min<int64_t>(count, 3); ++i) {
        fuzz::Require(labels->maps->Read(i).rank() == 2, "a map that is none");
      }
      return true;
    });
  }
  return 0;
}
