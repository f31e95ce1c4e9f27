// The commands of the program: each adds itself to the command line and runs once it is parsed.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/log_sink.h"

namespace adaround::cli {

// Options that every command takes.
struct CommonOptions {
  LogOptions log;
  int threads = 0;  // 0 = all cores
  bool json = false;
  // Both are dealt with before the command runs (option_sources.h).
  std::string config;
  bool print_config = false;

  int NumThreads() const;
};
void AddCommonOptions(CLI::App& app, CommonOptions& options);
// The log file as CheckOutputFile() has it, which may replace one, but not the configuration.
void CheckLogFile(const CommonOptions& options, const std::vector<std::string>& inputs,
                  std::vector<std::string> files = {});

// --list-methods, --list-presets and --list-formats: each prints names with what they cost or give,
// and does nothing else.
void AddListMethods(CLI::App& app);
void AddListPresets(CLI::App& app);
void AddListFormats(CLI::App& app);

// How a caller runs `quantize`, and what it is told.
struct QuantizeCall {
  // End where the command line is known to be sound by itself: nothing but a plan is read.
  bool only_check = false;

  std::string output;         // the result's folder, once that is known
  bool is_complete = false;   // the result is in place
  bool was_complete = false;  // by an earlier run, and left alone
};

// With a call it prints nothing on stdout and leaves the log as it is.
void AddQuantizeCommand(CLI::App& app, QuantizeCall* call = nullptr);
void AddBatchCommand(CLI::App& app);
void AddEvaluateCommand(CLI::App& app);
void AddCompareCommand(CLI::App& app);
void AddInspectCommand(CLI::App& app);
void AddConvertCommand(CLI::App& app);
void AddAnalyzeCommand(CLI::App& app);
// Prints completions of `app` itself, with all of its commands.
void AddCompletionCommand(CLI::App& app);

}  // namespace adaround::cli
