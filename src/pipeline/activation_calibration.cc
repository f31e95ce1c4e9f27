#include "pipeline/activation_calibration.h"

#include <atomic>
#include <cmath>
#include <mutex>

#include "adaround/base/error.h"
#include "base/parallel_for.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

// What of `points` can be computed from the samples: all of them where a plan for all exists.
ExecutionPlan PlanForPoints(const Executor& executor, const CalibrationSet& samples,
                            const std::set<std::string>& points) {
  try {
    return executor.PlanAndFree(samples.names(), points);
  } catch (const Error&) {
    std::set<std::string> reached;
    for (const std::string& point : points) {
      try {
        executor.PlanAndFree(samples.names(), {point});
        reached.insert(point);
      } catch (const Error&) {
        continue;  // not reached: it keeps its float values
      }
    }
    return executor.PlanAndFree(samples.names(), reached);
  }
}

template <typename Observe>
void ForEachValue(const Executor& executor, const ExecutionPlan& plan,
                  const CalibrationSet& samples, const std::set<std::string>& points,
                  int num_threads, ProgressObserver* observer, Observe observe) {
  std::atomic<int64_t> done{0};
  ParallelFor(samples.num_samples(), num_threads, [&](int64_t sample) {
    if (observer != nullptr && observer->ShouldStop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    executor.Run(plan, GivenTensors(samples, plan.needed, sample, false),
                 [&](const std::string& name, const Tensor& value) {
                   if (value.dtype() == DType::kFloat32 && points.contains(name)) {
                     observe(name, value);
                   }
                 });
    const int64_t now_done = ++done;
    if (observer != nullptr) {
      observer->OnProgress("activation ranges", now_done, samples.num_samples());
    }
  });
}

}  // namespace

std::map<std::string, ActivationGrid> CalibrateActivations(const Executor& float_executor,
                                                           const CalibrationSet& samples,
                                                           const std::set<std::string>& points,
                                                           const ActivationRangeOptions& options,
                                                           int num_threads,
                                                           ProgressObserver* observer) {
  const ExecutionPlan plan = PlanForPoints(float_executor, samples, points);
  std::mutex mutex;
  std::map<std::string, ActivationBounds> bounds;
  ForEachValue(float_executor, plan, samples, points, num_threads, observer,
               [&](const std::string& name, const Tensor& value) {
                 ActivationBounds own;
                 own.Include(value);
                 const std::lock_guard lock(mutex);
                 bounds[name].Include(own);
               });
  for (const auto& [name, found] : bounds) {
    if (!std::isfinite(found.low) || !std::isfinite(found.high)) {
      throw Error(ErrorCode::kNumerical,
                  "tensor '" + Printable(name) +
                      "' is not finite for some calibration sample; check preprocessing and "
                      "weights");
    }
  }
  std::map<std::string, ActivationHistogram> histograms;
  if (NeedsHistogram(options.estimator)) {
    for (const auto& [name, found] : bounds) histograms.emplace(name, found);
    ForEachValue(float_executor, plan, samples, points, num_threads, observer,
                 [&](const std::string& name, const Tensor& value) {
                   ActivationHistogram& all = histograms.at(name);
                   ActivationHistogram own(all.bounds());
                   own.Add(value);
                   const std::lock_guard lock(mutex);
                   all.Add(own);
                 });
  }
  std::map<std::string, ActivationGrid> grids;
  for (const auto& [name, found] : bounds) {
    const auto histogram = histograms.find(name);
    grids[name] = EstimateActivationGrid(
        options, found, histogram == histograms.end() ? nullptr : &histogram->second);
  }
  return grids;
}

}  // namespace adaround
