// ONNX models that are run: constants folded, BatchNormalization too, then one sample of zeros.
// Every operator refuses what it cannot compute.
#include <string>

#include "adaround/io/onnx_import.h"
#include "adaround/pipeline/inspect.h"
#include "fuzz/fuzz_input.h"
#include "fuzz/onnx_mutator.h"
#include "runtime/output_limit.h"

using namespace adaround;

namespace {

// What would only cost time and memory.
constexpr size_t kMaxOutputBytes = 1 << 18;
constexpr int64_t kMaxExtent = 64;

bool IsSmall(const Graph& graph) {
  for (const GraphInput& input : graph.inputs) {
    if (input.shape.size() > 5) return false;
    for (const int64_t extent : input.shape) {
      if (extent > kMaxExtent) return false;
    }
  }
  return true;
}

}  // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return fuzz::MutateOnnxBytes(data, size, max_size, seed);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("a.onnx", {data, size});
  const auto model = fuzz::Accepted(path, [&] { return ReadOnnxModel(path); });
  if (!model || !IsSmall(model->graph)) return 0;
  const ScopedOutputLimit limit(kMaxOutputBytes);
  try {
    const Inspection inspection = InspectModel(model->graph);
    fuzz::Require(inspection.num_parameters >= 0, "a negative number of parameters");
  } catch (const Error& error) {
    // The command line puts the file's name in front.
    fuzz::CheckRefusal(error.WithContext(path.string()), path);
  }
  return 0;
}
