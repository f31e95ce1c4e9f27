#include "pipeline/output_distance.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/vector_math.h"

namespace adaround {
namespace {

// So many positions are measured side by side, class by class: what is kept of each stays in the
// first-level cache, and loops over them vectorize.
constexpr int64_t kPositionsAtOnce = 128;

struct PositionSums {
  using Values = std::array<double, kPositionsAtOnce>;
  Values largest_output;
  Values largest_reference;
  Values output_sum = {};     // of e^(score - largest)
  Values reference_sum = {};  // likewise
  Values cross = {};          // of e^(reference - largest) times the difference of both exponents
  Values signal = {};
  Values noise = {};
};

void AddClass(const float* output, const float* reference, int64_t count, PositionSums& sums) {
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const double found = output[i];
    const double wanted = reference[i];
    const double found_exponent = found - sums.largest_output[at];
    const double wanted_exponent = wanted - sums.largest_reference[at];
    const double weight = ExpOfNegative(wanted_exponent);
    sums.output_sum[at] += ExpOfNegative(found_exponent);
    sums.reference_sum[at] += weight;
    sums.cross[at] += weight * (wanted_exponent - found_exponent);
    sums.signal[at] += wanted * wanted;
    sums.noise[at] += (found - wanted) * (found - wanted);
  }
}

// With exponents u = wanted - largest wanted and v = found - largest found, and sums over classes,
//   KL = sum(e^u (u - v)) / sum(e^u) - log sum(e^u) + log sum(e^v).
void AddPositions(const NetworkOutput& output, const NetworkOutput& reference, int64_t begin,
                  int64_t count, OutputDistance& distance) {
  PositionSums sums;
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    sums.largest_output[at] = output.Score(output.ClassAt(begin + i), begin + i);
    sums.largest_reference[at] = reference.Score(reference.ClassAt(begin + i), begin + i);
  }
  std::array<float, kPositionsAtOnce> output_copy;
  std::array<float, kPositionsAtOnce> reference_copy;
  for (int64_t c = 0; c < output.num_classes(); ++c) {
    AddClass(output.Scores(c, begin, count, output_copy.data()),
             reference.Scores(c, begin, count, reference_copy.data()), count, sums);
  }
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    distance.signal += sums.signal[i];
    distance.noise += sums.noise[i];
    distance.kl_divergence += sums.cross[i] / sums.reference_sum[i] -
                              std::log(sums.reference_sum[i]) + std::log(sums.output_sum[i]);
  }
}

}  // namespace

OutputDistance DistanceBetween(const NetworkOutput& output, const NetworkOutput& reference) {
  OutputDistance distance;
  distance.num_positions = output.num_positions();
  for (int64_t position = 0; position < output.num_positions(); ++position) {
    if (output.ClassAt(position) == reference.ClassAt(position)) ++distance.num_agreeing;
  }
  if (!output.has_scores()) return distance;
  for (int64_t begin = 0; begin < output.num_positions(); begin += kPositionsAtOnce) {
    AddPositions(output, reference, begin,
                 std::min(kPositionsAtOnce, output.num_positions() - begin), distance);
  }
  return distance;
}

}  // namespace adaround
