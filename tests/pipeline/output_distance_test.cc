#include "pipeline/output_distance.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "support/graph_testing.h"

namespace adaround {
namespace {

using testing::RandomTensor;

// By the textbook, one position at a time.
OutputDistance NaiveDistance(const NetworkOutput& output, const NetworkOutput& reference) {
  OutputDistance distance;
  distance.num_positions = output.num_positions();
  const auto log_sum_exp = [](const NetworkOutput& scores, int64_t position) {
    double sum = 0.0;
    for (int64_t c = 0; c < scores.num_classes(); ++c) {
      sum += std::exp(static_cast<double>(scores.Score(c, position)));
    }
    return std::log(sum);
  };
  const auto best_of = [](const NetworkOutput& scores, int64_t position) {
    int64_t best = 0;
    for (int64_t c = 1; c < scores.num_classes(); ++c) {
      if (scores.Score(c, position) > scores.Score(best, position)) best = c;
    }
    return best;
  };
  for (int64_t i = 0; i < output.num_positions(); ++i) {
    if (best_of(output, i) == best_of(reference, i)) ++distance.num_agreeing;
    const double output_norm = log_sum_exp(output, i);
    const double reference_norm = log_sum_exp(reference, i);
    for (int64_t c = 0; c < output.num_classes(); ++c) {
      const double wanted = reference.Score(c, i);
      const double found = output.Score(c, i);
      const double log_wanted = wanted - reference_norm;
      distance.signal += wanted * wanted;
      distance.noise += (found - wanted) * (found - wanted);
      distance.kl_divergence += std::exp(log_wanted) * (log_wanted - (found - output_norm));
    }
  }
  return distance;
}

struct OutputCase {
  std::string name;
  Shape shape;
  bool channels_last = false;
};

class DistanceBetweenOutputs : public ::testing::TestWithParam<OutputCase> {};

// Extents that end in the middle of a stretch of positions, and one that fills it.
INSTANTIATE_TEST_SUITE_P(Shapes, DistanceBetweenOutputs,
                         ::testing::Values(OutputCase{"vector", {1, 1000}},
                                           OutputCase{"one_class", {1, 1, 5, 5}},
                                           OutputCase{"map", {1, 7, 19, 21}},
                                           OutputCase{"full_stretches", {1, 3, 16, 32}},
                                           OutputCase{"channels_last", {1, 19, 21, 7}, true}),
                         [](const auto& output) { return output.param.name; });

TEST_P(DistanceBetweenOutputs, MatchesTheTextbook) {
  const auto [name, shape, channels_last] = GetParam();
  const NetworkOutput output(RandomTensor(shape, 1, -8.0F, 8.0F), channels_last, "y", 0);
  const NetworkOutput reference(RandomTensor(shape, 2, -8.0F, 8.0F), channels_last, "y", 0);
  const OutputDistance found = DistanceBetween(output, reference);
  const OutputDistance wanted = NaiveDistance(output, reference);
  EXPECT_EQ(found.num_positions, wanted.num_positions);
  EXPECT_EQ(found.num_agreeing, wanted.num_agreeing);
  // Both sum in double, in another order.
  EXPECT_NEAR(found.signal, wanted.signal, 1e-12 * wanted.signal);
  EXPECT_NEAR(found.noise, wanted.noise, 1e-12 * wanted.noise);
  EXPECT_NEAR(found.kl_divergence, wanted.kl_divergence, 1e-12 * (1.0 + wanted.kl_divergence));
  EXPECT_EQ(DistanceBetween(reference, reference).kl_divergence, 0.0);
}

TEST(DistanceBetween, ClassesWithoutScoresAreCounted) {
  const NetworkOutput output(Tensor::FromVector<int64_t>({1, 1, 3}, {1, 2, 3}), false, "y", 0);
  const NetworkOutput reference(Tensor::FromVector<int64_t>({1, 1, 3}, {1, 5, 3}), false, "y", 0);
  const OutputDistance distance = DistanceBetween(output, reference);
  EXPECT_EQ(distance.num_agreeing, 2);
  EXPECT_EQ(distance.num_positions, 3);
  EXPECT_EQ(distance.signal, 0.0);
}

// The first of equals, also where the largest score is the least float.
TEST(NetworkOutput, TheFirstOfTheLargestIsTheClass) {
  const float least = std::numeric_limits<float>::lowest();
  const NetworkOutput output(testing::Floats({1, 3, 1, 3}, {least, 1, 2, least, 4, 2, least, 4, 1}),
                             false, "y", 0);
  EXPECT_EQ(output.ClassAt(0), 0);
  EXPECT_EQ(output.ClassAt(1), 1);
  EXPECT_EQ(output.ClassAt(2), 0);
}

}  // namespace
}  // namespace adaround
