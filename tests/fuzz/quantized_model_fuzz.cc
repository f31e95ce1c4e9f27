// Quantized models: every tensor is sound and can be dequantized, and written twice the model gives
// the same bytes. The weights lie behind the first NUL byte of the input.
#include "adaround/io/quantized_model_io.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = fuzz::WriteModel(folder, {data, size});
  const auto model = fuzz::Accepted(folder.path(), [&] { return ReadQuantizedModel(path); });
  if (!model) return 0;

  for (const auto& [name, tensor] : model->weights) {
    fuzz::Require(tensor.Validate().empty(), "a weight that is not sound");
  }
  const Graph graph = model->Dequantized();
  fuzz::Require(graph.Validate().empty(), "a graph that is not sound");
  const std::filesystem::path again = folder.path() / "again";
  const std::filesystem::path third = folder.path() / "third";
  WriteQuantizedModel(again, *model);
  WriteQuantizedModel(third, ReadQuantizedModel(again));
  fuzz::RequireSameModels(again, third);
  return 0;
}
