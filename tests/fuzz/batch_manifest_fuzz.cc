// Manifests of a batch: every entry names one model or one pattern, and values are text.
#include "adaround/io/batch_manifest.h"

#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("ci.json", {data, size});
  const auto manifest = fuzz::Accepted(path, [&] { return ReadBatchManifest(path); });
  if (!manifest) return 0;
  fuzz::Require(!manifest->entries.empty(), "no entries");
  for (const ManifestEntry& entry : manifest->entries) {
    fuzz::Require(!entry.path.empty(), "an entry without a path");
    fuzz::Require(!entry.name || (!entry.is_glob && entry.name->find('/') == std::string::npos),
                  "a name that is none");
    for (const auto& [name, option] : entry.options) {
      fuzz::Require(option.is_list || option.values.size() == 1, "not one value");
    }
  }
  return 0;
}
