// How a long computation reports where it is, and learns that it should stop.
#pragma once

#include <cstdint>
#include <string>

namespace adaround {

// Called from any thread: ShouldStop at any time, by several at once; the others one at a time.
class ProgressObserver {
 public:
  virtual ~ProgressObserver() = default;
  // `done` of `total` units of the current stage ("layer3.0.conv1", "reading", ...).
  virtual void OnProgress(const std::string& stage, int64_t done, int64_t total) = 0;
  // A sentence for the user about something that happened as it should not have had to.
  virtual void OnWarning(const std::string& message) = 0;
  // True asks the computation to end soon with Error(kCancelled).
  virtual bool ShouldStop() const = 0;
};

}  // namespace adaround
