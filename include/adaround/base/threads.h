// How many threads there are to use.
#pragma once

namespace adaround {

// Cores that this process may use (its affinity, not the machine's count); at least 1.
int NumAvailableCores();

}  // namespace adaround
