// Random numbers that depend on (seed, layer, step) alone, never on who draws first.
#pragma once

#include <cstdint>

namespace adaround {

// SplitMix64 (Steele, Lea, Flood 2014): each draw advances a counter and mixes it. Streams of
// different keys start at counters mixed apart.
class Rng {
 public:
  Rng(uint64_t seed, uint64_t layer, uint64_t step)
      : state_(Mix(Mix(Mix(seed) + layer) + step)) {}

  uint64_t Next() {
    state_ += kIncrement;
    return Finish(state_);
  }

  // Uniform in 0 ... bound - 1, by multiplication (bias below 2^-32 for bounds below 2^32).
  // REQUIRES: 0 < bound < 2^32.
  int64_t Below(int64_t bound) {
    return static_cast<int64_t>(((Next() >> 32) * static_cast<uint64_t>(bound)) >> 32);
  }

  // Uniform in [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  static constexpr uint64_t kIncrement = 0x9E3779B97F4A7C15ULL;
  static uint64_t Finish(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
  }
  static uint64_t Mix(uint64_t key) { return Finish(key + kIncrement); }

  uint64_t state_;
};

}  // namespace adaround
