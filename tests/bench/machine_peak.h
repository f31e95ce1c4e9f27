// What one thread of this machine can do at most: other figures are set beside these.
#pragma once

#include <cstdint>
#include <vector>

namespace adaround::bench {

// Multiply-adds in registers, independent of one another, in the widest registers that this build
// may use.  Returns the floating-point operations done, two for each multiply-add.
int64_t MultiplyAdd();

// a[i] = b[i] + s * c[i] over three arrays that take `bytes` together.
class Triad {
 public:
  explicit Triad(int64_t bytes);
  // Returns the bytes read and written.
  int64_t Run();

 private:
  std::vector<float> a_;
  std::vector<float> b_;
  std::vector<float> c_;
};

// Resident in the second-level cache of any recent machine, and in none of its caches.
inline constexpr int64_t kTriadBytesInL2 = int64_t{768} << 10;
inline constexpr int64_t kTriadBytesInMemory = int64_t{768} << 20;

// The best of several runs by the thread's processor time, measured at the first call:
// floating-point operations a second, and bytes a second of a triad within the second-level cache.
double PeakFlops();
double L2BytesPerSecond();

}  // namespace adaround::bench
