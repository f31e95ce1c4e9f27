// model.json with its weights: the graph is sound, and written twice it gives the same bytes. The
// weights lie behind the first NUL byte of the input.
#include "adaround/io/model_json.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = fuzz::WriteModel(folder, {data, size});
  const auto graph = fuzz::Accepted(folder.path(), [&] { return ReadModelJson(path); });
  if (!graph) return 0;

  fuzz::Require(graph->Validate().empty(), "a graph that is not sound");
  const std::filesystem::path again = folder.path() / "again";
  const std::filesystem::path third = folder.path() / "third";
  WriteModelJson(again, *graph);
  WriteModelJson(third, ReadModelJson(again));
  fuzz::RequireSameModels(again, third);
  return 0;
}
