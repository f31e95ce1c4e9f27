// Layer plans: written again, each is read as the same.
#include "adaround/io/layer_plan.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("plan.json", {data, size});
  const auto plan = fuzz::Accepted(path, [&] { return ReadLayerPlan(path); });
  if (!plan) return 0;

  const std::filesystem::path again = folder.path() / "again.json";
  WriteLayerPlan(again, *plan);
  const std::vector<LayerPlan> reread = ReadLayerPlan(again);
  fuzz::Require(reread.size() == plan->size(), "another number of layers");
  for (size_t i = 0; i < plan->size(); ++i) {
    fuzz::Require(reread[i].name == (*plan)[i].name, "another name");
    fuzz::Require(reread[i].ToText() == (*plan)[i].ToText(), "another entry");
  }
  return 0;
}
