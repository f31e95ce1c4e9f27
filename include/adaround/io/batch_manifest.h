// Manifests of `batch`: many models, each with its options.
//
//   {"format": "adaround-batch", "version": 1,
//    "output": "quantized",                          folder of the results; default: "."
//    "options": {"bits": 4, "calib": "calib/"},      of every model
//    "models": [{"glob": "zoo/*.onnx"},
//               {"model": "net/model.json", "name": "net-3bit", "options": {"bits": 3}}]}
//
// Options are named as on the command line, without dashes; their values are text, numbers, true,
// false or lists of text and numbers.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace adaround {

struct ManifestOption {
  std::vector<std::string> values;  // "true" and "false" of truth values; numbers exactly
  bool is_list = false;
};

struct ManifestEntry {
  std::string place;               // "models[2]", for messages
  std::string path;                // of the model, or a pattern of paths
  bool is_glob = false;
  std::optional<std::string> name;  // of the result; of no glob
  std::map<std::string, ManifestOption> options;
};

struct BatchManifest {
  std::string output = ".";
  std::map<std::string, ManifestOption> options;
  std::vector<ManifestEntry> entries;  // at least one
};

// Paths in it are as they stand in the file, whose folder they are relative to.
// Throws Error(kMalformed | kIo), naming file and place.
BatchManifest ReadBatchManifest(const std::filesystem::path& path);

}  // namespace adaround
