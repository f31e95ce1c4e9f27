// A batch's manifest as the runs of `quantize` that it stands for.
#pragma once

#include <string>
#include <vector>

#include "adaround/io/batch_manifest.h"

namespace adaround::cli {

// One run of `quantize`.
struct BatchItem {
  std::string name;
  std::string model;
  std::vector<std::string> words;   // its command line, behind "adaround"
  std::vector<std::string> places;  // files and folders that it reads or writes
};

// In the manifest's order, those of a glob by name; paths are relative to the current folder.
// `file` names the manifest in messages; `num_threads`: 0 = all cores.
//
// Nothing of a model is read, but all that its command line may be wrong about is found: names and
// values of options, by themselves and together, patterns that no file matches, results and files
// that two models would write.  Throws Error(kInvalidArgument), naming the model.
std::vector<BatchItem> PlanBatch(const BatchManifest& manifest, const std::string& file, bool force,
                                 int num_threads);

}  // namespace adaround::cli
