#include "pipeline/activation_calibration.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <mutex>
#include <vector>

#include "adaround/base/error.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "pipeline/prepared_network.h"
#include "runtime/kernel.h"

namespace adaround {

std::set<std::string> ReachedTensors(const Graph& graph, const CalibrationSet& samples,
                                     const std::set<std::string>& points) {
  std::set<std::string> known = samples.names();
  for (const auto& [name, tensor] : graph.initializers) known.insert(name);
  for (const Node& node : graph.nodes) {
    const bool runs = HasKernel(node.op, graph.opset) &&
                      std::all_of(node.inputs.begin(), node.inputs.end(), [&](const auto& input) {
                        return input.empty() || known.contains(input);
                      });
    if (runs) known.insert(node.outputs.begin(), node.outputs.end());
  }
  std::set<std::string> reached;
  std::set_intersection(points.begin(), points.end(), known.begin(), known.end(),
                        std::inserter(reached, reached.end()));
  return reached;
}

namespace {

template <typename Observe>
void ForEachValue(const Executor& executor, const ExecutionPlan& plan,
                  const CalibrationSet& samples, const std::set<std::string>& points,
                  int num_threads, ProgressObserver* observer, Observe observe) {
  ProgressCounter progress(samples.num_samples(), ReportTo(observer, "activation ranges"));
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
    progress.Advance();
  });
}

}  // namespace

std::map<std::string, ActivationGrid> CalibrateActivations(const Executor& float_executor,
                                                           const CalibrationSet& samples,
                                                           const std::set<std::string>& points,
                                                           const ActivationRangeOptions& options,
                                                           int num_threads,
                                                           ProgressObserver* observer) {
  const ExecutionPlan plan =
      float_executor.PlanAndFree(samples.names(),
                                 ReachedTensors(float_executor.graph(), samples, points));
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
  struct Task {
    const ActivationBounds& bounds;
    const ActivationHistogram* histogram;
    ActivationGrid& grid;
  };
  std::vector<Task> tasks;
  for (const auto& [name, found] : bounds) {
    const auto histogram = histograms.find(name);
    tasks.push_back(
        {found, histogram == histograms.end() ? nullptr : &histogram->second, grids[name]});
  }
  ParallelFor(static_cast<int64_t>(tasks.size()), num_threads, [&](int64_t i) {
    const Task& task = tasks[static_cast<size_t>(i)];
    task.grid = EstimateActivationGrid(options, task.bounds, task.histogram);
  });
  return grids;
}

}  // namespace adaround
