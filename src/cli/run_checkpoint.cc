#include "cli/run_checkpoint.h"

#include <memory>
#include <system_error>

#include "adaround/base/error.h"
#include "cli/log_sink.h"
#include "cli/path_names.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Checkpoint> OpenCheckpoint(const OutputDirectory& directory,
                                           const std::map<std::string, std::string>& inputs,
                                           bool force) {
  const fs::path folder = directory.partial() / kCheckpoint;
  try {
    return std::make_unique<Checkpoint>(folder, inputs);
  } catch (const Error& error) {
    if (!force || error.code() == ErrorCode::kIo) throw;
    LogWarning(std::string(error.what()) + ": --force is given");
    directory.DropJournal();
    return std::make_unique<Checkpoint>(folder, inputs);
  }
}

}  // namespace

std::string CheckpointJournal() {
  return std::string(kCheckpoint) + "/" + Checkpoint::kJournal;
}

void WithCheckpoint(const OutputDirectory& directory,
                    const std::map<std::string, std::string>& inputs, bool force,
                    const std::function<void(Checkpoint&)>& run) {
  try {
    const std::unique_ptr<Checkpoint> checkpoint =
        OpenCheckpoint(directory, inputs, force);
    run(*checkpoint);
  } catch (const Error& error) {
    SetLiveLine("");
    const bool can_go_on = error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo;
    if (!can_go_on || !directory.HoldsJournal()) throw;
    throw Error(error.code(), std::string(error.what()) + "; the layers that are finished are in " +
                                  Printable(directory.partial().string(), 4096) +
                                  ": the same command with --resume goes on from there");
  }
}

void RemoveOwnCheckpoint(const fs::path& output, const std::map<std::string, std::string>& inputs) {
  const fs::path partial = BesideOutput(output, ".partial");
  if (!fs::exists(fs::symlink_status(partial))) return;
  try {
    const OutputDirectory directory(output, true, {kFinishedFile, CheckpointJournal(), true});
    const Checkpoint own(directory.partial() / kCheckpoint, inputs);
    directory.DropJournal();
  } catch (const Error&) {
    LogVerbose(Printable(partial.string(), 4096) + ": is another run's, and stays");
  }
}

}  // namespace adaround::cli
