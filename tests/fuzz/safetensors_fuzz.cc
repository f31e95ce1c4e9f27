// safetensors files: what is read, written again, is read as the same.
#include "adaround/io/array_source.h"
#include "adaround/io/safetensors.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("a.safetensors", {data, size});
  const auto tensors = fuzz::Accepted(path, [&] { return ReadSafetensors(path); });
  if (!tensors) return 0;

  const SafetensorsFile file(path);
  const std::filesystem::path again = folder.path() / "again.safetensors";
  WriteSafetensors(again, *tensors, file.metadata());
  fuzz::Require(SafetensorsFile(again).metadata() == file.metadata(), "other metadata");
  const auto reread = ReadSafetensors(again);
  fuzz::Require(reread.size() == tensors->size(), "another number of tensors");
  for (const auto& [name, tensor] : *tensors) {
    fuzz::Require(fuzz::SameTensor(reread.at(name), tensor), "another tensor");
  }

  // As samples, which are finite.
  fuzz::Accepted(path, [&] {
    for (const auto& [name, source] : OpenArrays(path)) {
      const Tensor samples = source->ReadSamples(0, source->num_samples());
      fuzz::Require(samples.shape() == source->shape(), "samples of another shape");
    }
    return true;
  });
  return 0;
}
