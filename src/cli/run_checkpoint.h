// The checkpoint of a run of `quantize`, in OUT.partial.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "adaround/io/atomic_output.h"
#include "adaround/pipeline/checkpoint.h"

namespace adaround::cli {

// By which a result is known to be one of ours.
inline constexpr const char* kFinishedFile = "model.json";
// Its folder, and its journal, in OutputDirectory::partial().
inline constexpr const char* kCheckpoint = "checkpoint";
std::string CheckpointJournal();

// Calls `run` with the directory's checkpoint. With `force`, one that cannot be gone on with is
// dropped, as the errors say.
// Throws what `run` throws, with how to go on from there where that can be done; Error as
// Checkpoint's constructor does.
void WithCheckpoint(const OutputDirectory& directory,
                    const std::map<std::string, std::string>& inputs, bool force,
                    const std::function<void(Checkpoint&)>& run);

// What a run that was killed behind its last step has left; another run's checkpoint stays.
void RemoveOwnCheckpoint(const std::filesystem::path& output,
                         const std::map<std::string, std::string>& inputs);

}  // namespace adaround::cli
