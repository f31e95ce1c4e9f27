#include "cli/log_sink.h"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string_view>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

struct LogState {
  std::shared_ptr<spdlog::logger> logger;
  bool live = false;
  bool line_shown = false;
  std::ofstream file;  // the log file, where one is asked for
  std::mutex mutex;
};

LogState& State() {
  static LogState state;
  return state;
}

bool TerminalTakesEscapes() {
  const char* terminal = std::getenv("TERM");
  return isatty(STDERR_FILENO) != 0 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

bool ColorsWanted(const LogOptions& options) {
  const char* no_color = std::getenv("NO_COLOR");
  const bool refused = no_color != nullptr && *no_color != '\0';
  return !options.no_color && !refused && TerminalTakesEscapes();
}

void ClearLiveLine(LogState& state) {
  if (!state.line_shown) return;
  std::fputs("\r\033[K", stderr);
  state.line_shown = false;
}

void Write(spdlog::level::level_enum level, const std::string& message) {
  LogState& state = State();
  if (!state.logger) SetUpLog({});
  const std::lock_guard<std::mutex> lock(state.mutex);
  ClearLiveLine(state);
  state.logger->log(level, "{}", message);
}

}  // namespace

void SetUpLog(const LogOptions& options, bool appends) {
  LogState& state = State();
  auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      ColorsWanted(options) ? spdlog::color_mode::always : spdlog::color_mode::never);
  // Plain messages; only warnings and errors say what they are.
  terminal->set_pattern("%v");
  std::vector<spdlog::sink_ptr> sinks = {terminal};
  if (!options.file.empty()) {
    // Of ours, since the library's own file does not tell that it is incomplete.
    state.file = std::ofstream();
    errno = 0;
    state.file.open(options.file, std::ios::binary | (appends ? std::ios::app : std::ios::trunc));
    if (!state.file) {
      throw Error(ErrorCode::kIo, "cannot write the log file " + Printable(options.file) + ": " +
                                      std::strerror(errno) + "; check the path");
    }
    auto file = std::make_shared<spdlog::sinks::ostream_sink_mt>(state.file, true);
    file->set_pattern("%Y-%m-%d %H:%M:%S.%e  %v");
    sinks.push_back(file);
  }
  state.logger = std::make_shared<spdlog::logger>("adaround", sinks.begin(), sinks.end());
  state.logger->set_level(options.verbosity < 0    ? spdlog::level::err
                          : options.verbosity == 0 ? spdlog::level::info
                                                   : spdlog::level::debug);
  state.logger->flush_on(spdlog::level::trace);
  state.live = options.verbosity >= 0 && (options.progress == "always" ||
                                          (options.progress == "auto" && TerminalTakesEscapes()));
}

void LogError(const std::string& message) { Write(spdlog::level::err, "error: " + message); }
void LogWarning(const std::string& message) { Write(spdlog::level::warn, "warning: " + message); }
void LogInfo(const std::string& message) { Write(spdlog::level::info, message); }
void LogVerbose(const std::string& message) { Write(spdlog::level::debug, message); }

bool IsLogWhole() {
  LogState& state = State();
  return !state.file.is_open() || state.file.good();
}

bool ShowsLiveProgress() { return State().live; }

void SetLiveLine(const std::string& line) {
  LogState& state = State();
  if (!state.live) return;
  const std::lock_guard<std::mutex> lock(state.mutex);
  ClearLiveLine(state);
  if (line.empty()) return;
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
  state.line_shown = true;
}

}  // namespace adaround::cli
