// .npy files: rows are those of the whole array, and what is written again is read as the same.
#include "adaround/io/npy.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("a.npy", {data, size});
  const auto array = fuzz::Accepted(path, [&] { return ReadNpy(path); });
  if (!array) return 0;

  if (array->rank() > 0 && array->dim(0) > 0) {
    const int64_t row_bytes = static_cast<int64_t>(array->num_bytes()) / array->dim(0);
    const NpyFile file(path);
    for (const int64_t row : {int64_t{0}, array->dim(0) - 1}) {
      const Tensor one = file.ReadRows(row, 1);
      fuzz::Require(
          std::equal(one.raw(), one.raw() + one.num_bytes(), array->raw() + row * row_bytes,
                     array->raw() + (row + 1) * row_bytes),
          "another row");
    }
  }
  const std::filesystem::path again = folder.path() / "again.npy";
  WriteNpy(again, *array);
  fuzz::Require(fuzz::SameTensor(ReadNpy(again), *array), "another array");
  return 0;
}
