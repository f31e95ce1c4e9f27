// Every file's benchmarks, listed by main().
#pragma once

namespace adaround::bench {

void RegisterPeak();
void RegisterSolver();
void RegisterForward();

}  // namespace adaround::bench
