// Whether float32 values are numbers.
#pragma once

#include <cstdint>

namespace adaround {

// The index of the first value that is infinite or NaN; `count` where there is none.
int64_t FirstNotFinite(const float* values, int64_t count);

}  // namespace adaround
