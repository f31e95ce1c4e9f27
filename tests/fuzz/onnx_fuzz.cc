// ONNX models, with external data beside them: the graph is sound, and written again it is read as
// the same. Changes are of the messages mostly, of bytes sometimes.
#include <array>

#include "adaround/io/model_file.h"
#include "adaround/io/onnx_export.h"
#include "adaround/io/onnx_import.h"
#include "fuzz/fuzz_input.h"
#include "fuzz/onnx_mutator.h"

using namespace adaround;

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return fuzz::MutateOnnxBytes(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  static constexpr std::array<uint8_t, 64> kExternalData = {};
  [[maybe_unused]] static const std::filesystem::path external =
      folder.Write("weights.bin", kExternalData);
  const std::filesystem::path path = folder.Write("a.onnx", {data, size});
  const auto model = fuzz::Accepted(path, [&] { return ReadOnnxModel(path); });
  // The same file as whatever it holds, with its provenance.
  fuzz::Accepted(path, [&] { return ReadModelFile(path); });
  if (!model) return 0;

  fuzz::Require(model->graph.Validate().empty(), "a graph that is not sound");
  const std::filesystem::path again = folder.path() / "again.onnx";
  const std::filesystem::path third = folder.path() / "third.onnx";
  const auto written = fuzz::Accepted(folder.path(), [&] {
    WriteOnnx(again, model->graph);
    return true;
  });
  if (!written) return 0;
  WriteOnnx(third, ReadOnnxModel(again).graph);
  fuzz::Require(fuzz::BytesOf(again) == fuzz::BytesOf(third), "other bytes");
  return 0;
}
