// The limits of the machine that the other figures are parts of.
#include <benchmark/benchmark.h>

#include "bench/counters.h"
#include "bench/machine_peak.h"
#include "bench/registration.h"

namespace adaround::bench {
namespace {

void MultiplyAddPeak(benchmark::State& state) {
  int64_t flops = 0;
  for (auto _ : state) flops = MultiplyAdd();
  CountFlops(state, static_cast<double>(flops));
}

void TriadBandwidth(benchmark::State& state, int64_t bytes) {
  Triad triad(bytes);
  int64_t moved = 0;
  for (auto _ : state) moved = triad.Run();
  CountBytes(state, static_cast<double>(moved));
}

}  // namespace

void RegisterPeak() {
  benchmark::RegisterBenchmark("peak/multiply_add", MultiplyAddPeak);
  benchmark::RegisterBenchmark("peak/triad_in_l2", TriadBandwidth, kTriadBytesInL2);
  benchmark::RegisterBenchmark("peak/triad_in_memory", TriadBandwidth, kTriadBytesInMemory);
}

}  // namespace adaround::bench
