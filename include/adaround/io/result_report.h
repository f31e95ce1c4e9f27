// What the report.json of a result folder says to a later run.
#pragma once

#include <filesystem>
#include <string>

namespace adaround {

// Whether the folder holds a finished result of the run with this fingerprint: its report.json says
// so, and its model is the one that was written then. False for anything else that may be there.
bool IsFinishedResult(const std::filesystem::path& folder, const std::string& fingerprint);

}  // namespace adaround
