// Shows on stderr where a run is: a line per finished layer, and a live line inside one.
#pragma once

#include <chrono>
#include <mutex>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// Installs handlers for SIGINT and SIGTERM that make ShouldStop() true; a second signal ends the
// process at once.
void InstallStopSignals();

class ProgressDisplay final : public QuantizeObserver {
 public:
  ProgressDisplay();
  ~ProgressDisplay() override;
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void OnProgress(const std::string& stage, int64_t done, int64_t total) override;
  void OnWarning(const std::string& message) override;
  void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double fraction) override;
  bool ShouldStop() const override;

 private:
  using Clock = std::chrono::steady_clock;
  std::mutex mutex_;
  Clock::time_point start_;
  Clock::time_point last_shown_;
  double fraction_ = 0.0;
};

}  // namespace adaround::cli
