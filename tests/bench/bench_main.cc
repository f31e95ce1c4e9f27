#include <benchmark/benchmark.h>
#include <malloc.h>
#include <omp.h>

#include "bench/registration.h"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  // As the command line has it: activations that are freed stay in the heap for the next sample.
  mallopt(M_MMAP_THRESHOLD, 64 << 20);
  mallopt(M_TRIM_THRESHOLD, 128 << 20);
  // Everything is measured on one thread; figures are a thread's own.
  omp_set_num_threads(1);
  adaround::bench::RegisterPeak();
  adaround::bench::RegisterSolver();
  adaround::bench::RegisterForward();
  adaround::bench::RegisterReader();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
