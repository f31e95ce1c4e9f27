#include "pipeline/measure_moments.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/runtime/executor.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "graph/channel_constant.h"
#include "pipeline/activation_calibration.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

// Samples are summed in chunks, and the chunks in order: so many that threads are kept busy, so few
// that the sums take little memory.
constexpr int64_t kMaxChunks = 64;

struct Sums {
  double count = 0.0;
  std::vector<double> sum;
  std::vector<double> sum_of_squares;

  void Add(const Tensor& value, const ChannelPlace& place) {
    const auto channels = place.num_channels;
    int64_t inner = 1;
    for (int64_t d = value.rank() - place.from_end + 1; d < value.rank(); ++d) {
      inner *= value.dim(d);
    }
    const int64_t outer = value.num_elements() / (channels * std::max<int64_t>(1, inner));
    sum.resize(static_cast<size_t>(channels));
    sum_of_squares.resize(static_cast<size_t>(channels));
    count += static_cast<double>(outer * inner);
    const float* x = value.data<float>();
    for (int64_t o = 0; o < outer; ++o) {
      for (int64_t c = 0; c < channels; ++c) {
        double first = 0.0;
        double second = 0.0;
        for (int64_t i = 0; i < inner; ++i) {
          const double v = *x++;
          first += v;
          second += v * v;
        }
        sum[static_cast<size_t>(c)] += first;
        sum_of_squares[static_cast<size_t>(c)] += second;
      }
    }
  }

  void Add(const Sums& other) {
    sum.resize(other.sum.size());
    sum_of_squares.resize(other.sum.size());
    count += other.count;
    for (size_t c = 0; c < other.sum.size(); ++c) {
      sum[c] += other.sum[c];
      sum_of_squares[c] += other.sum_of_squares[c];
    }
  }
};

}  // namespace

void MeasureMoments(const Graph& graph, const std::vector<LinearLayer>& layers,
                    const CalibrationSet& samples, const SampleSplit& split, int num_threads,
                    ProgressObserver* observer, ChannelMomentsMap& moments, MomentPasses& passes) {
  std::map<std::string, ChannelPlace> places;
  std::set<std::string> wanted;
  for (const LinearLayer& layer : layers) {
    if (moments.contains(layer.output)) continue;
    places[layer.output] = OutputChannels(layer);
    wanted.insert(layer.output);
  }
  wanted = ReachedTensors(graph, samples, wanted);
  if (wanted.empty()) return;
  const Executor executor(graph);
  const ExecutionPlan plan = executor.PlanAndFree(samples.names(), wanted);
  std::vector<int64_t> measured;
  for (int64_t sample = 0; sample < samples.num_samples(); ++sample) {
    if (!split.held_out[static_cast<size_t>(sample)]) measured.push_back(sample);
  }
  const auto num_search = static_cast<int64_t>(measured.size());
  const int64_t num_samples = std::min(num_search, passes.max_samples.value_or(num_search));
  const int64_t num_chunks = std::min(kMaxChunks, num_samples);
  std::vector<std::map<std::string, Sums>> chunks(static_cast<size_t>(num_chunks));
  ProgressCounter progress(num_samples, ReportTo(observer, "channel moments"));
  ParallelFor(num_chunks, num_threads, [&](int64_t chunk) {
    std::map<std::string, Sums>& sums = chunks[static_cast<size_t>(chunk)];
    const int64_t end = (chunk + 1) * num_samples / num_chunks;
    for (int64_t i = chunk * num_samples / num_chunks; i < end; ++i) {
      if (observer != nullptr && observer->ShouldStop()) {
        throw Error(ErrorCode::kCancelled, "stopped on request");
      }
      executor.Run(plan,
                   GivenTensors(samples, plan.needed, measured[static_cast<size_t>(i)], false),
                   [&](const std::string& name, const Tensor& value) {
                     if (wanted.contains(name)) sums[name].Add(value, places.at(name));
                   });
      progress.Advance();
    }
  });
  passes.num_macs += executor.num_macs();
  for (const std::string& name : wanted) {
    Sums all;
    for (const auto& chunk : chunks) {
      const auto found = chunk.find(name);
      if (found != chunk.end()) all.Add(found->second);
    }
    if (all.count == 0.0) continue;
    ChannelMoments& found = moments[name];
    for (size_t c = 0; c < all.sum.size(); ++c) {
      const double mean = all.sum[c] / all.count;
      const double variance = std::max(0.0, all.sum_of_squares[c] / all.count - mean * mean);
      if (!std::isfinite(mean) || !std::isfinite(all.sum_of_squares[c])) {
        throw Error(ErrorCode::kNumerical,
                    "tensor '" + Printable(name) +
                        "' is not finite for some calibration sample; check preprocessing and "
                        "weights");
      }
      found.mean.push_back(mean);
      found.std.push_back(std::sqrt(variance));
    }
  }
}

}  // namespace adaround
