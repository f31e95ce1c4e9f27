// The layers that a run has finished, on disk, so that another run goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adaround/io/run_journal.h"
#include "adaround/model/quantized_model.h"
#include "adaround/report/layer_report.h"

namespace adaround {

// All that later layers, and the result, need to know of a layer.
struct FinishedLayer {
  LayerReport report;
  QuantizedTensor weight;   // the result's
  QuantizedTensor nearest;  // the baseline's
  // Both models' biases, float32, where they were corrected.
  std::optional<Tensor> bias;
  std::optional<Tensor> nearest_bias;
};

// A folder that holds a journal (io/run_journal.h) and, for each layer, a quantized model without
// nodes (io/quantized_model_io.h). The journal has the layer's report and the digest of the model's
// files: what is not named there was being written when the run ended, and is written anew.
class Checkpoint {
 public:
  // The journal's place in the folder.
  static constexpr const char* kJournal = "journal";

  // Reads the journal that is there; the folder need not exist, and is made by the first Add().
  // `inputs`: names and values of everything that determines the layers' integers.
  // Throws Error(kInvalidArgument) where the journal there was made from something else;
  // Error(kMalformed), naming file and line, for records that Add() does not write, and naming the
  // folder, for a layer's files that are not those that were written; as RunJournal does.
  Checkpoint(std::filesystem::path folder, std::map<std::string, std::string> inputs);

  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  bool Has(const std::string& name) const { return layers_.contains(name); }
  std::vector<std::string> Names() const;  // in alphabetical order
  // Nothing where the layer is not finished.
  // Throws Error(kMalformed), naming the file: it is not the one that was written, or not sound.
  std::optional<FinishedLayer> Find(const std::string& name) const;
  // The layer is on disk when the call returns.
  // REQUIRES: it is not there yet.  Throws Error(kIo).
  void Add(const FinishedLayer& layer);

 private:
  struct Record {
    LayerReport report;
    std::filesystem::path model;  // folder
    std::string digest;           // ModelDigest
  };
  void ReadRecord(size_t index);
  static void CheckDigest(const Record& record);

  std::filesystem::path folder_;
  RunJournal journal_;
  std::map<std::string, Record> layers_;  // by name
};

}  // namespace adaround
