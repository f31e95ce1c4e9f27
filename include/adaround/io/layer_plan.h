// Plans: what becomes of each layer, in a file that a person can edit.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adaround/quant/layer_grid.h"

namespace adaround {

// One layer's entry. What it leaves out is as for layers without an entry.
struct LayerPlan {
  std::string name;         // of the layer, exactly
  bool keep_float = false;  // the layer is not quantized, and nothing below is set
  std::optional<int> bits;
  std::optional<bool> symmetric;
  std::optional<Granularity> granularity;
  std::optional<int64_t> group_size;  // with granularity group alone
  std::optional<RangeEstimator> range_estimator;
  std::optional<double> percentile;  // with range_estimator percentile alone
  // Where the entry comes from, for messages: "/m/plan.json: layers[3].name".
  std::string place;

  // An entry that leaves nothing out.
  static LayerPlan Of(const std::string& name, const LayerGrid& grid);
  // `grid` with what the entry sets.
  LayerGrid AppliedTo(LayerGrid grid) const;
  // "conv1: bits 4, symmetric, granularity channel, range_estimator mse": all that the entry sets,
  // without its place. Entries that differ have different texts, and so have lists of them that are
  // joined by "; ".
  std::string ToText() const;
};

// Reads
//   {"format": "adaround-plan", "version": 1, "layers": [
//     {"name": "conv1", "bits": 8, "symmetric": true, "granularity": "channel",
//      "range_estimator": "mse"},
//     {"name": "fc", "keep_float": true}]}
// Keys are the members' names; all but "name" may be left out.
// Throws Error(kIo); Error(kMalformed), naming file and key: no JSON, unknown and missing keys,
// wrong types, values out of range, a layer that appears twice, keys that say nothing beside the
// others; Error(kUnsupported) for newer versions.
std::vector<LayerPlan> ReadLayerPlan(const std::filesystem::path& path);

// What ReadLayerPlan reads. The same plan gives the same bytes.
// Throws Error(kIo); Error(kInvalidArgument) where a name is not UTF-8.
void WriteLayerPlan(const std::filesystem::path& path, const std::vector<LayerPlan>& plan);

}  // namespace adaround
