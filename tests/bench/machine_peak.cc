#include "bench/machine_peak.h"

#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>

namespace adaround::bench {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif
typedef float Vector __attribute__((vector_size(kVectorBytes)));
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(float));

// Two multiply-adds start in a cycle and each takes four or five: with 12 chains none waits for
// another, and chains and constants fit into 16 registers.
constexpr int kChains = 12;
constexpr int kRounds = 4096;

double ThreadSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best rate of `work`, which returns how much it did.
template <typename Work>
double BestRate(Work work) {
  constexpr int kAttempts = 20;
  constexpr double kSeconds = 0.01;
  double best = 0.0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const double start = ThreadSeconds();
    double done = 0.0;
    double seconds = 0.0;
    while (seconds < kSeconds) {
      done += static_cast<double>(work());
      seconds = ThreadSeconds() - start;
    }
    best = std::max(best, done / seconds);
  }
  return best;
}

}  // namespace

int64_t MultiplyAdd() {
  float start = 0.0F;
  benchmark::DoNotOptimize(start);  // else the compiler would know the result
  const Vector factor = Vector{} + 0.999F + start;
  const Vector summand = Vector{} + 0.001F + start;
  Vector chains[kChains];
  for (Vector& chain : chains) chain = Vector{} + start;
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (int chain = 0; chain < kChains; ++chain) chains[chain] = chains[chain] * factor + summand;
  }
  for (Vector& chain : chains) benchmark::DoNotOptimize(chain);
  return int64_t{2} * kLanes * kChains * kRounds;
}

Triad::Triad(int64_t bytes)
    : a_(static_cast<size_t>(bytes) / (3 * sizeof(float)), 1.0F), b_(a_), c_(a_) {}

int64_t Triad::Run() {
  const float* __restrict b = b_.data();
  const float* __restrict c = c_.data();
  float* __restrict a = a_.data();
  const size_t count = a_.size();
  for (size_t i = 0; i < count; ++i) a[i] = b[i] + 0.5F * c[i];
  benchmark::ClobberMemory();
  return static_cast<int64_t>(3 * count * sizeof(float));
}

double PeakFlops() {
  static const double peak = BestRate(MultiplyAdd);
  return peak;
}

double L2BytesPerSecond() {
  static const double rate = [] {
    Triad triad(kTriadBytesInL2);
    return BestRate([&] { return triad.Run(); });
  }();
  return rate;
}

}  // namespace adaround::bench
