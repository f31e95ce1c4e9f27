#include "base/parallel_for.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "adaround/base/error.h"
#include "adaround/base/threads.h"

namespace adaround {

void ParallelFor(int64_t num_tasks, int num_threads, const std::function<void(int64_t)>& body) {
  ADAROUND_CHECK(num_threads >= 1);
  std::atomic<int64_t> next{0};
  std::atomic<bool> failed{false};
  std::exception_ptr first_failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    omp_set_num_threads(1);
    while (!failed.load(std::memory_order_relaxed)) {
      const int64_t task = next.fetch_add(1);
      if (task >= num_tasks) return;
      try {
        body(task);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(failure_mutex);
        if (!first_failure) first_failure = std::current_exception();
        failed = true;
      }
    }
  };
  const int64_t workers = std::min<int64_t>(num_threads, num_tasks);
  std::vector<std::jthread> threads;
  for (int64_t i = 1; i < workers; ++i) threads.emplace_back(work);
  work();
  threads.clear();  // joins
  if (first_failure) std::rethrow_exception(first_failure);
}

int NumAvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

}  // namespace adaround
