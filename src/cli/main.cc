#include <malloc.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "cli/command_line.h"
#include "cli/exit_code.h"
#include "cli/log_sink.h"
#include "cli/option_sources.h"
#include "cli/progress_display.h"

namespace adaround::cli {
namespace {

// Activations of one pass are freed and asked for again at the next sample: kept in the heap, they
// are not paged in anew each time.
void KeepLargeBlocksInHeap() {
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
}

// A full disk behind the log file has not ended the run. Whether there is something to tell.
bool TellLostLog() {
  if (IsLogWhole()) return false;
  LogError("cannot write the log file to its end; free some space or write elsewhere");
  return true;
}

// A full disk behind standard output shows only when the last bytes leave.
int FlushOutput(int exit_code) {
  if (!std::cout.flush() || std::fflush(stdout) != 0) {
    LogError("cannot write to standard output");
    return kExitIo;
  }
  return TellLostLog() ? kExitIo : exit_code;
}

// Of a run that failed before.
int Failed(int exit_code) {
  TellLostLog();
  return exit_code;
}

// What the user may have meant by the first word that the command line does not know; "" for none.
std::string Suggestion(const CLI::App& app, int argc, char** argv) {
  if (argc < 2) return "";
  std::vector<std::string> commands;
  const CLI::App* chosen = nullptr;
  for (const CLI::App* command : app.get_subcommands(nullptr)) {
    commands.push_back(command->get_name());
    if (command->get_name() == argv[1]) chosen = command;
  }
  const std::string first = argv[1];
  if (chosen == nullptr) {
    return first.starts_with("-") ? "" : "'" + Printable(first) + "'" + DidYouMean(first, commands);
  }
  std::vector<std::string> flags;
  for (const CLI::Option* option : chosen->get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  for (int i = 2; i < argc; ++i) {
    const std::string word = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (!word.starts_with("--") || word == "--") continue;
    if (std::find(flags.begin(), flags.end(), word) != flags.end()) continue;
    const std::string meant = DidYouMean(word, flags);
    // Where nothing is near, the list of all flags would be the help page.
    if (meant.find("did you mean") == std::string::npos) continue;
    return "'" + Printable(word) + "'" + meant;
  }
  return "";
}

// What else than the command line may be wrong.
std::string SourcesText(const std::vector<std::string>& sources) {
  std::string text;
  for (const std::string& source : sources) text += (text.empty() ? "" : ", ") + source;
  return text.empty() ? "" : " (options were also taken from " + text + ")";
}

int Run(int argc, char** argv) {
  const std::unique_ptr<CLI::App> command_line = MakeCommandLine();
  CLI::App& app = *command_line;
  std::vector<std::string> sources;
  try {
    CompletedWords completed = CompleteWords({argv + 1, argv + argc});
    sources = std::move(completed.sources);
    std::reverse(completed.words.begin(), completed.words.end());
    app.parse(std::move(completed.words));
    return FlushOutput(kExitOk);
  } catch (const CLI::CallForHelp& help) {
    return FlushOutput(app.exit(help));
  } catch (const CLI::CallForAllHelp& help) {
    return FlushOutput(app.exit(help));
  } catch (const CLI::CallForVersion& version) {
    return FlushOutput(app.exit(version));
  } catch (const CLI::Success&) {  // --list-methods and its like
    return FlushOutput(kExitOk);
  } catch (const CLI::ParseError& error) {
    const std::string suggestion = Suggestion(app, argc, argv);
    LogError(Printable(error.what(), 1000) + (suggestion.empty() ? "" : "; " + suggestion) +
             SourcesText(sources) + "; `adaround --help` shows the commands, "
             "`adaround COMMAND --help` their options");
    return kExitUsage;
  } catch (const Error& error) {
    const bool is_usage = error.code() == ErrorCode::kInvalidArgument;
    LogError(error.what() + (is_usage ? SourcesText(sources) : ""));
    return Failed(ExitCodeOf(error.code()));
  } catch (const std::bad_alloc&) {
    LogError("out of memory; --memory-limit keeps activations on disk, --calib-samples uses fewer");
    return Failed(kExitInternal);
  } catch (const std::exception& error) {
    LogError(std::string("internal failure: ") + error.what());
    return Failed(kExitInternal);
  }
}

}  // namespace
}  // namespace adaround::cli

int main(int argc, char** argv) {
  adaround::cli::KeepLargeBlocksInHeap();
  adaround::cli::InstallStopSignals();
  return adaround::cli::Run(argc, argv);
}
