// One run of `quantize` in several processes: each leaves what it finds in a folder beside the
// output, where the process that builds the output takes it from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/input_stamps.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// OUT.shard-2-of-4, where a finished shard lies, with its checkpoint in a folder of that name.
std::filesystem::path ShardFolder(const std::filesystem::path& output, const Shard& shard);

struct ShardOptions {
  Shard shard;
  bool force = false;
  bool resume = false;
};

// Searches the shard's part and puts what it found at ShardFolder(): whole, or not at all. To
// resume is to do nothing where all of it is there already. `inputs`: what determines the layers'
// integers. `stamps`: of the files that are read meanwhile. Throws Error as QuantizeShard,
// OutputDirectory, Checkpoint and InputStamps do.
void RunShard(const ShardOptions& arguments, const std::filesystem::path& output,
              const std::map<std::string, std::string>& inputs, const Graph& graph,
              const CalibrationSet& samples, const QuantizeOptions& options,
              const InputStamps& stamps);

// What all shards of a run with these inputs left; `contents`: what each of them was to search.
// Throws Error(kInvalidArgument), naming the shard and what to do, where one is not finished or was
// made from something else; Error(kMalformed) where its files are not what it wrote.
std::vector<std::unique_ptr<Checkpoint>> OpenShards(
    const std::filesystem::path& output, const std::vector<ShardContents>& contents,
    const std::map<std::string, std::string>& inputs);

}  // namespace adaround::cli
