#include "cli/quantize_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "cli/log_sink.h"
#include "cli/path_names.h"
#include "cli/progress_display.h"
#include "cli/run_checkpoint.h"
#include "cli/shard_option.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;
using Inputs = std::map<std::string, std::string>;

bool Exists(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// One shard's folder is not taken for another's.
Inputs InputsOf(const Shard& shard, Inputs inputs) {
  inputs["shard"] = TextOf(shard);
  return inputs;
}

void WarnOfImbalance(const Shard& shard, const ShardContents& contents) {
  const double fair = 1.0 / static_cast<double>(shard.count);
  const char* remedy =
      "small layers are searched whole, and layers that depend on one another by one process, "
      "unless "
      "--calib gives activations of their inputs";
  if (contents.layers.empty()) {
    LogWarning(
        fmt::format("shard {}: there is nothing for it to search: {}", TextOf(shard), remedy));
  } else if (shard.count > 1 && contents.fraction > 2.0 * fair) {
    LogWarning(fmt::format("shard {}: it has {:.0f} % of the search: {}", TextOf(shard),
                           100.0 * contents.fraction, remedy));
  }
}

void CopyFolder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::copy(from, to, fs::copy_options::recursive, error);
  if (!error) return;
  throw Error(ErrorCode::kIo,
              Printable(to.string(), 4096) + ": cannot be written: " + error.message());
}

// All of what it was to search, and nothing else.
bool IsWhole(const Checkpoint& shard, const ShardContents& wanted) {
  int64_t num_layers = 0;
  int64_t num_parts = 0;
  bool holds = shard.HasBegun();
  for (const ShardContents::Layer& layer : wanted.layers) {
    if (layer.rows.empty()) {
      ++num_layers;
      holds = holds && shard.Has(layer.name);
    }
    for (const auto& [first, count] : layer.rows) {
      ++num_parts;
      holds = holds && shard.HasRows(layer.name, first, count);
    }
  }
  return holds && shard.num_layers() == num_layers && shard.num_row_parts() == num_parts;
}

// Null where there is none.
std::unique_ptr<Checkpoint> OpenFinished(const fs::path& folder, const Inputs& inputs) {
  if (!Exists(folder / CheckpointJournal())) return nullptr;
  return std::make_unique<Checkpoint>(folder / kCheckpoint, inputs);
}

}  // namespace

fs::path ShardFolder(const fs::path& output, const Shard& shard) {
  return BesideOutput(output, fmt::format(".shard-{}-of-{}", shard.index, shard.count));
}

void RunShard(const ShardOptions& arguments, const fs::path& output, const Inputs& inputs,
              const Graph& graph, const CalibrationSet& samples, const QuantizeOptions& options,
              const InputStamps& stamps) {
  const Shard& shard = arguments.shard;
  const fs::path folder = ShardFolder(output, shard);
  const Inputs own = InputsOf(shard, inputs);
  const std::string shown = Printable(folder.string(), 4096);
  bool replaces = arguments.force;
  if (arguments.resume) {
    if (const auto finished = OpenFinished(folder, own)) {
      const ShardContents wanted = PredictShards(graph, samples, options, shard.count)
                                       .at(static_cast<size_t>(shard.index - 1));
      if (IsWhole(*finished, wanted)) {
        LogInfo(shown + ": is complete already");
        return;
      }
      LogWarning(shown + ": does not hold all that it should, and is made anew");
      replaces = true;
    }
  }
  OutputDirectory directory(folder, replaces,
                            {CheckpointJournal(), CheckpointJournal(), arguments.resume});
  QuantizeOptions run_options = options;
  run_options.spill_directory = directory.contents();
  WithCheckpoint(directory, own, arguments.force, [&](Checkpoint& checkpoint) {
    checkpoint.SetGuard([&stamps] { stamps.Check(); });
    ProgressDisplay display;
    display.StartLayers();
    WarnOfImbalance(shard, QuantizeShard(graph, samples, run_options, shard, &display, checkpoint));
    SetLiveLine("");
    stamps.Check();
    checkpoint.Begin();
    CopyFolder(directory.partial() / kCheckpoint, directory.contents() / kCheckpoint);
    directory.Commit();
  });
  LogInfo(fmt::format("wrote {}; once all {} are there, --merge-shards {} makes {} of them", shown,
                      shard.count, shard.count, Printable(output.string(), 4096)));
}

std::vector<std::unique_ptr<Checkpoint>> OpenShards(const fs::path& output,
                                                    const std::vector<ShardContents>& contents,
                                                    const Inputs& inputs) {
  std::vector<std::unique_ptr<Checkpoint>> shards;
  for (const ShardContents& wanted : contents) {
    const Shard shard = {static_cast<int64_t>(shards.size()) + 1,
                         static_cast<int64_t>(contents.size())};
    const fs::path folder = ShardFolder(output, shard);
    try {
      shards.push_back(OpenFinished(folder, InputsOf(shard, inputs)));
      if (shards.back() && !IsWhole(*shards.back(), wanted)) {
        throw Error(ErrorCode::kMalformed, Printable(folder.string(), 4096) +
                                               ": does not hold all that it should, or more; copy "
                                               "it again from where it was made");
      }
    } catch (const Error& error) {
      throw error.WithContext("shard " + TextOf(shard) + ", which --shard " + TextOf(shard) +
                              " --force makes anew");
    }
    if (shards.back()) continue;
    throw Error(ErrorCode::kInvalidArgument, Printable(folder.string(), 4096) +
                                                 ": is not there; the same command with --shard " +
                                                 TextOf(shard) +
                                                 " in place of --merge-shards makes it");
  }
  return shards;
}

}  // namespace adaround::cli
