// The figures that stand beside each benchmark's time; rates are by the thread's processor time.
// Parts of a limit are rates too, seconds at the limit for a second of work: 0.3/s says 30 %.
#pragma once

#include <benchmark/benchmark.h>

#include "bench/machine_peak.h"

namespace adaround::bench {

// Floating-point operations a second, and their part of the peak; a multiply-add counts as two.
inline void CountFlops(benchmark::State& state, double per_iteration) {
  const double total = per_iteration * static_cast<double>(state.iterations());
  state.counters["flops"] = benchmark::Counter(total, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(total / PeakFlops(), benchmark::Counter::kIsRate);
}

// Bytes read and written a second, and their part of what the second-level cache gives.
inline void CountBytes(benchmark::State& state, double per_iteration) {
  const double total = per_iteration * static_cast<double>(state.iterations());
  state.counters["bytes"] =
      benchmark::Counter(total, benchmark::Counter::kIsRate, benchmark::Counter::kIs1024);
  state.counters["of_l2"] =
      benchmark::Counter(total / L2BytesPerSecond(), benchmark::Counter::kIsRate);
}

// Seconds for one of `per_iteration` weights, or other parts of the work.
inline void CountParts(benchmark::State& state, const char* name, double per_iteration) {
  state.counters[name] =
      benchmark::Counter(per_iteration * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

}  // namespace adaround::bench
