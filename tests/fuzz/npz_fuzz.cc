// .npz archives: every entry is read whole, and as samples.
#include "adaround/io/array_source.h"
#include "fuzz/fuzz_input.h"
#include "io/npz.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("a.npz", {data, size});
  fuzz::Accepted(path, [&] {
    const NpzFile file(path);
    for (const auto& [name, header] : file.entries()) {
      const Tensor tensor = file.Read(name);
      fuzz::Require(tensor.shape() == header.shape && tensor.dtype() == header.dtype,
                    "an array other than its header");
    }
    return true;
  });
  fuzz::Accepted(path, [&] {
    for (const auto& [name, source] : OpenArrays(path)) {
      const Tensor last = source->ReadSamples(source->num_samples() - 1, 1);
      fuzz::Require(last.dim(0) == 1, "another number of samples");
    }
    return true;
  });
  return 0;
}
