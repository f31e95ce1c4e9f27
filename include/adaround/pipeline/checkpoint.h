// The layers that a run has finished, on disk, so that another run goes on from there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adaround/io/run_journal.h"
#include "adaround/model/quantized_model.h"
#include "adaround/quant/search_trace.h"
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

// What the search of some rows of a layer found, where others are searched elsewhere.
struct FinishedRows {
  std::string layer;
  int64_t first_row = 0;
  int64_t num_rows = 0;  // >= 1
  // As LayerReport has them.
  std::string strategy;
  int64_t iterations = 0;
  int64_t num_undecided = 0;
  int64_t num_descent_flips = 0;
  std::optional<double> ridge;
  // How each of its blocks of rows went, losses summed over the block's rows.
  std::vector<SearchTrace> block_traces;
  // Of these rows: [num_rows, weights per row], rows first.
  QuantizedTensor weight;
};

// A folder that holds a journal (io/run_journal.h) and, for each layer and each part of one, a
// quantized model without nodes (io/quantized_model_io.h). The journal has the layer's report and
// the digest of the model's files: what is not named there was being written when the run ended,
// and is written anew.
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

  // Called before anything is added; what it throws keeps it out.
  void SetGuard(std::function<void()> guard) { guard_ = std::move(guard); }

  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  bool Has(const std::string& name) const { return layers_.contains(name); }
  std::vector<std::string> Names() const;  // in alphabetical order
  // Nothing where the layer is not finished.
  // Throws Error(kMalformed), naming the file: it is not the one that was written, or not sound.
  std::optional<FinishedLayer> Find(const std::string& name) const;
  // The layer is on disk when the call returns.
  // REQUIRES: it is not there yet.  Throws Error(kIo).
  void Add(const FinishedLayer& layer);

  int64_t num_row_parts() const { return static_cast<int64_t>(rows_.size()); }
  bool HasRows(const std::string& layer, int64_t first_row, int64_t num_rows) const;
  // In order of their rows.  Throws Error(kMalformed) as Find() does.
  std::vector<FinishedRows> FindRows(const std::string& layer) const;
  // As Add().
  void AddRows(const FinishedRows& rows);

  // Puts down what it is made from, where nothing has been added: a checkpoint of no layers.
  // Throws Error(kIo).
  void Begin();
  // Whether it says what it is made from.
  bool HasBegun() const { return journal_.HasBegun(); }

  // Adds what `other` has, layers and rows, and this has not.  Throws Error(kMalformed | kIo).
  void AddAllOf(const Checkpoint& other);

 private:
  // A layer or rows of one, and where its model lies.
  struct ModelPlace {
    std::filesystem::path folder;
    std::string digest;  // ModelDigest
  };
  struct Record {
    LayerReport report;
    ModelPlace model;
  };
  struct RowsEntry {
    FinishedRows rows;  // without weight
    ModelPlace model;
  };
  void ReadRecord(size_t index);
  static QuantizedModel ReadModel(const ModelPlace& place);
  static FinishedRows ReadRows(const RowsEntry& entry);
  ModelPlace WriteModel(const QuantizedModel& model);

  std::filesystem::path folder_;
  RunJournal journal_;
  std::function<void()> guard_ = [] {};
  std::map<std::string, Record> layers_;  // by name
  std::vector<RowsEntry> rows_;
};

}  // namespace adaround
