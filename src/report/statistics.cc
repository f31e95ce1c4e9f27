#include "report/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "adaround/base/error.h"

namespace adaround {
namespace {

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// Ranks from 1; equal values share the mean of theirs.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin + 1;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    const double shared = 0.5 * static_cast<double>(begin + 1 + end);
    for (size_t i = begin; i < end; ++i) ranks[order[i]] = shared;
    begin = end;
  }
  return ranks;
}

// From the mean, the largest being 1, so that no square leaves the range of doubles. Empty where
// the values do not vary.
std::vector<double> Deviations(std::vector<double> values) {
  const double mean = Mean(values);
  double largest = 0.0;
  for (double& value : values) {
    value -= mean;
    largest = std::max(largest, std::abs(value));
  }
  if (!(largest > 0.0) || !std::isfinite(largest)) return {};
  for (double& value : values) value /= largest;
  return values;
}

}  // namespace

double Mean(const std::vector<double>& values) {
  ADAROUND_CHECK(!values.empty());
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

std::optional<double> StandardDeviation(const std::vector<double>& values) {
  if (values.size() < 2 || !AllFinite(values)) return std::nullopt;
  const double mean = Mean(values);
  double sum = 0.0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size() - 1));
}

std::optional<double> PearsonCorrelation(const std::vector<double>& a,
                                         const std::vector<double>& b) {
  ADAROUND_CHECK(a.size() == b.size());
  if (a.size() < 3 || !AllFinite(a) || !AllFinite(b)) return std::nullopt;
  const std::vector<double> from_a = Deviations(a);
  const std::vector<double> from_b = Deviations(b);
  if (from_a.empty() || from_b.empty()) return std::nullopt;
  double both = 0.0;
  double square_a = 0.0;
  double square_b = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    both += from_a[i] * from_b[i];
    square_a += from_a[i] * from_a[i];
    square_b += from_b[i] * from_b[i];
  }
  return std::clamp(both / std::sqrt(square_a * square_b), -1.0, 1.0);
}

std::optional<double> SpearmanCorrelation(const std::vector<double>& a,
                                          const std::vector<double>& b) {
  ADAROUND_CHECK(a.size() == b.size());
  return PearsonCorrelation(Ranks(a), Ranks(b));
}

}  // namespace adaround
