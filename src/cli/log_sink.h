// Messages to the user: on stderr, and in a log file where one is asked for.
#pragma once

#include <string>

namespace adaround::cli {

struct LogOptions {
  int verbosity = 0;  // -1 quiet (errors only), 0 normal, 1 verbose
  bool no_color = false;
  std::string file;  // "" = none
  // "auto" (where stderr is a terminal), "always" or "never".
  std::string progress = "auto";
};

// The log file is begun anew, or goes on (`appends`) behind what is in it.
// Throws Error(kIo) where the log file cannot be written.
void SetUpLog(const LogOptions& options, bool appends = false);

void LogError(const std::string& message);
void LogWarning(const std::string& message);
void LogInfo(const std::string& message);     // hidden by --quiet
void LogVerbose(const std::string& message);  // shown by --verbose

// Whether all that was said is in the log file, or none is asked for.
bool IsLogWhole();

// Whether a line on stderr may be rewritten in place.
bool ShowsLiveProgress();
// Shows `line` in place of the last live line; "" removes it. Log messages pass above it.
void SetLiveLine(const std::string& line);

}  // namespace adaround::cli
