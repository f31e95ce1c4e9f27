// Reports of finished results: what is in them is taken, or passed over, but never believed of
// other files than those of the folder.
#include <cmath>

#include "adaround/io/result_report.h"
#include "fuzz/fuzz_input.h"

using namespace adaround;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static fuzz::InputFolder folder;
  const std::filesystem::path path = folder.Write("report.json", {data, size});
  const auto read = fuzz::Accepted(path, [&] { return ReadFinishedResult(folder.path()); });
  if (read) {
    const ResultSummary& summary = read->summary;
    fuzz::Require(summary.num_layers >= 0 && summary.float_bytes >= 0, "a negative count");
    fuzz::Require(summary.num_fallen_back <= summary.num_layers, "more layers than there are");
    for (const auto& measure : {summary.accuracy, summary.float_accuracy, summary.agreement}) {
      fuzz::Require(!measure || std::isfinite(*measure), "a measure that is no number");
    }
  }
  // There is no model in the folder.
  fuzz::Require(!FindFinishedResult(folder.path(), "f"), "a result without a model");
  const auto failed = FindFailedRuns(path, "f");
  fuzz::Require(!failed || *failed >= 0, "a negative number of runs");
  FindInputs(folder.path());
  FindFloatModel(folder.path());
  return 0;
}
