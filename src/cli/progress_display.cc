#include "cli/progress_display.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>

#include "adaround/base/error.h"
#include "adaround/report/run_report.h"
#include "cli/log_sink.h"
#include "cli/report_rows.h"

namespace adaround::cli {
namespace {

// Set by a signal on one thread, read by all.
std::atomic<bool> stop_requested = false;
static_assert(std::atomic<bool>::is_always_lock_free);  // as a signal handler must have it

void RequestStop(int) { stop_requested = true; }

// Before this part of the work is done, the time that is left is anybody's guess.
constexpr double kLeastFraction = 0.02;
constexpr auto kRefresh = std::chrono::milliseconds(100);

}  // namespace

void InstallStopSignals() {
  // Without SA_RESTART, so that a blocked read ends too; the second signal meets the default.
  struct sigaction action = {};
  action.sa_handler = RequestStop;
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  // A terminal that closes; nohup has it ignored, which stays so.
  struct sigaction inherited = {};
  sigaction(SIGHUP, nullptr, &inherited);
  if (inherited.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

void ThrowIfStopRequested() {
  if (stop_requested) throw Error(ErrorCode::kCancelled, "stopped on request");
}

ProgressDisplay::ProgressDisplay() : start_(Clock::now()) {}

ProgressDisplay::~ProgressDisplay() { SetLiveLine(""); }

void ProgressDisplay::OnProgress(const std::string& stage, int64_t done, int64_t total) {
  if (!ShowsLiveProgress()) return;
  const Clock::time_point now = Clock::now();
  if (now - last_shown_ < kRefresh) return;
  last_shown_ = now;
  constexpr int kWidth = 24;
  const auto filled =
      static_cast<int>(total > 0 ? kWidth * done / total : 0);
  std::string line = fmt::format("[{}{}] {}  {}/{}", std::string(filled, '#'),
                                 std::string(kWidth - filled, '.'), Printable(stage, 40), done,
                                 total);
  if (fraction_ > kLeastFraction) {
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    const double left = elapsed * std::max(0.0, 1.0 - fraction_) / fraction_;
    line += "  about " + FormatSeconds(left) + " left";
  }
  SetLiveLine(line);
}

void ProgressDisplay::OnWarning(const std::string& message) { LogWarning(message); }

void ProgressDisplay::OnTransform(const TransformStep& step, const Graph& graph) {
  if (transform_action_) transform_action_(step, graph);
  StartLayers();
}

void ProgressDisplay::StartLayers() {
  start_ = Clock::now();
}

void ProgressDisplay::OnLayer(const LayerReport& layer, int64_t done, int64_t total,
                              double fraction) {
  fraction_ = fraction;
  std::string line = LayerLine(layer, done, total);
  const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
  if (done < total && fraction > kLeastFraction) {
    const double left = elapsed * std::max(0.0, 1.0 - fraction) / fraction;
    line += "  (about " + FormatSeconds(left) + " left)";
  }
  if (layer.fell_back) {
    LogWarning(line);
  } else {
    LogInfo(line);
  }
  LogVerbose(fmt::format("    {}, activation {}, {} columns, {} of {} weights not at nearest, {} "
                         "undecided, {} descent flips",
                         layer.strategy, layer.activation, layer.num_search_columns,
                         layer.num_changed, layer.num_rows * layer.row_length,
                         layer.num_undecided, layer.num_descent_flips));
}

bool ProgressDisplay::ShouldStop() const { return stop_requested; }

}  // namespace adaround::cli
