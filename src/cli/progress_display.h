// Shows on stderr where a run is: a line per finished layer, and a live line inside one.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

// Installs handlers for SIGINT, SIGTERM and, where it is not ignored, SIGHUP that make ShouldStop()
// true; a second signal ends the process at once.
void InstallStopSignals();

// Throws Error(kCancelled) where one has come. For work that no observer sees.
void ThrowIfStopRequested();

class ProgressDisplay final : public QuantizeObserver {
 public:
  ProgressDisplay();
  ~ProgressDisplay() override;
  ProgressDisplay(const ProgressDisplay&) = delete;
  ProgressDisplay& operator=(const ProgressDisplay&) = delete;

  void OnProgress(const std::string& stage, int64_t done, int64_t total) override;
  void OnWarning(const std::string& message) override;
  void OnTransform(const TransformStep& step, const Graph& graph) override;
  void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double fraction) override;
  bool ShouldStop() const override;

  // What is done with each step of the float network's transformation; nothing at first.
  using TransformAction = std::function<void(const TransformStep& step, const Graph& graph)>;
  void SetTransformAction(TransformAction action) { transform_action_ = std::move(action); }
  // Layers begin after this: what was done before says nothing about the time that they take.
  // Transformations, which come before layers, say it themselves.
  void StartLayers();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;  // of the layers
  Clock::time_point last_shown_;
  double fraction_ = 0.0;
  TransformAction transform_action_;
};

}  // namespace adaround::cli
