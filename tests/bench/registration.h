// Every file's benchmarks, listed by main().
#pragma once

namespace adaround::bench {

void RegisterPeak();
void RegisterSolver();
void RegisterForward();
void RegisterReader();

}  // namespace adaround::bench
