// A batch's manifest as the runs of `quantize` that it stands for.
#pragma once

#include <string>
#include <vector>

#include "adaround/io/batch_manifest.h"

namespace adaround::cli {

struct GivenFile {
  std::string option;  // "--report"
  std::string path;
};

// One run of `quantize`.
struct BatchItem {
  std::string name;
  std::string model;
  std::vector<std::string> words;   // its command line, behind "adaround"
  std::vector<std::string> inputs;  // files and folders that it reads
  std::string output;               // the result's folder
  std::vector<GivenFile> files;     // that it writes beside the result
};

// In the manifest's order, those of a glob by name; paths are relative to the current folder.
// `file` names the manifest in messages, `manifest_path` is where it lies now; `num_threads`:
// 0 = all cores.
//
// Nothing of a model is read, but what its command line alone may be wrong about is found: names
// and values of options, by themselves and together, patterns that no file matches or that match
// the batch's own results, results and files that two models would write, or that one would write
// over what another one reads.  Throws Error(kInvalidArgument | kMalformed), naming the model.
std::vector<BatchItem> PlanBatch(const BatchManifest& manifest, const std::string& file,
                                 const std::string& manifest_path, bool force, int num_threads);

}  // namespace adaround::cli
