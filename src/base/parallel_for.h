// The one place that starts threads.
#pragma once

#include <cstdint>
#include <functional>

namespace adaround {

// Calls body(i) once for each i in 0 ... num_tasks - 1 on up to num_threads threads, in increasing
// order of starting. Libraries called from body run single-threaded (OpenMP is set to one thread in
// every worker). The first exception stops further tasks from starting and is rethrown here.
// Tasks must be independent; results then do not depend on num_threads.
// REQUIRES: num_threads >= 1.
void ParallelFor(int64_t num_tasks, int num_threads, const std::function<void(int64_t)>& body);

}  // namespace adaround
