// Progress of work that several threads share.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <utility>

#include "adaround/base/progress.h"

namespace adaround {

// Counts units as they are finished, and reports each: one call at a time, `done` rising by 1.
class ProgressCounter {
 public:
  using Report = std::function<void(int64_t done, int64_t total)>;

  // `report` may be empty; it is called under a lock, and must not call Advance().
  ProgressCounter(int64_t total, Report report) : total_(total), report_(std::move(report)) {}

  // From any thread, after each unit.
  void Advance() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++done_;
    if (report_) report_(done_, total_);
  }

 private:
  std::mutex mutex_;
  int64_t done_ = 0;
  int64_t total_;
  Report report_;
};

// To `observer`, which may be null, as units of `stage`.
inline ProgressCounter::Report ReportTo(ProgressObserver* observer, std::string stage) {
  if (observer == nullptr) return {};
  return [observer, stage = std::move(stage)](int64_t done, int64_t total) {
    observer->OnProgress(stage, done, total);
  };
}

}  // namespace adaround
