// How the search for a layer's rounding went, look by look.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adaround {

// Soft roundings h(V) are counted in so many equal parts of 0 ... 1; 1 belongs to the last.
inline constexpr int64_t kSoftRoundingBins = 20;

// One look at a search.
struct SearchPoint {
  // What was done last: "nearest", "second order", "enumeration", "descent", "pairs";
  // "relaxation" of a search that follows a gradient, then "rounded", "finish" (descent once more)
  // and "better rows" (those of before, where they are no worse); "search" of a method that shows
  // no course.
  std::string stage;
  int64_t iteration = 0;  // Adam steps so far, in the stage "relaxation"
  // Mean squared error per element of the activation's output, or of the layer's where the method
  // leaves the activation out, without regularizer and ridge: of the soft weights in a relaxation,
  // else of integers. Over a few of the search's own columns, the same at every look: to be set
  // beside other looks, not beside LayerReport::error.
  double loss = 0.0;
  // Of soft weights: how many have their h(V) in each part, kSoftRoundingBins numbers; those that
  // have no choice count as 0. Otherwise empty.
  std::vector<int64_t> soft_roundings;
  int64_t num_undecided = 0;  // of them strictly between 0.01 and 0.99
};

// In order of time.
using SearchTrace = std::vector<SearchPoint>;

}  // namespace adaround
