// Random rounding problems and the naive arithmetic that judges their solutions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "quant/range_estimator.h"
#include "rounding/rounding_problem.h"
#include "rounding/soft_rounding.h"

namespace adaround::testing {

// f by its textbook formula, in double.
inline double NaiveActivation(const Activation& f, double z) {
  const auto sigmoid = [](double v) { return 1.0 / (1.0 + std::exp(-v)); };
  switch (f.kind) {
    case Activation::Kind::kPiecewiseLinear: {
      const double value = z > 0 ? z : z * static_cast<double>(f.negative_slope);
      return std::min<double>(f.upper, std::max<double>(f.lower, value));
    }
    case Activation::Kind::kSigmoid: return sigmoid(z);
    case Activation::Kind::kHardSigmoid:
      return std::clamp(static_cast<double>(f.alpha) * z + static_cast<double>(f.beta), 0.0, 1.0);
    case Activation::Kind::kHardSwish: return z * std::clamp(z / 6 + 0.5, 0.0, 1.0);
    case Activation::Kind::kTanh: return std::tanh(z);
    case Activation::Kind::kGelu: return 0.5 * z * (1 + std::erf(z / std::sqrt(2.0)));
    case Activation::Kind::kGeluTanh:
      return 0.5 * z * (1 + std::tanh(std::sqrt(2.0 / M_PI) * (z + 0.044715 * z * z * z)));
    case Activation::Kind::kSilu: return z * sigmoid(z);
    case Activation::Kind::kMish: return z * std::tanh(std::log1p(std::exp(z)));
  }
  return std::numeric_limits<double>::quiet_NaN();
}

// h(V) by its textbook formula, in double.
inline double NaiveSoftRounding(const SoftRounding& h, double v) {
  const double sigmoid = 1.0 / (1.0 + std::exp(-v / static_cast<double>(h.temperature)));
  const double zeta = h.zeta;
  const double gamma = h.gamma;
  return std::clamp(sigmoid * (zeta - gamma) + gamma, 0.0, 1.0);
}

struct ProblemShape {
  int64_t num_groups = 1;
  int64_t num_rows = 8;
  int64_t row_length = 10;
  int64_t num_samples = 128;
  int bit_width = 4;
  bool symmetric = true;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 16;
  Activation activation = {};
  uint32_t seed = 1;
};

// A problem with its samples. Inputs are correlated, as activations are, and x_hat differs from x.
struct ExampleProblem {
  SampledColumns samples;
  RoundingProblem problem;

  ExampleProblem() = default;
  ExampleProblem(const ExampleProblem&) = delete;
  ExampleProblem& operator=(const ExampleProblem&) = delete;

  // target = W x + b for x = x_hat + `difference` noise, and a min-max grid.
  void Finish(const ProblemShape& shape, float difference) {
    std::mt19937 generator(shape.seed + 1000);
    std::normal_distribution<float> normal;
    const int64_t length = samples.row_length;
    std::vector<float> x = samples.x_hat;
    for (float& value : x) value += difference * normal(generator);
    samples.target.resize(static_cast<size_t>(samples.num_rows * samples.num_samples));
    for (int64_t row = 0; row < samples.num_rows; ++row) {
      const int64_t group = row / samples.RowsPerGroup();
      for (int64_t n = 0; n < samples.num_samples; ++n) {
        double z = problem.bias[static_cast<size_t>(row)];
        for (int64_t k = 0; k < length; ++k) {
          z += static_cast<double>(problem.weights[static_cast<size_t>(row * length + k)]) *
               static_cast<double>(
                   x[static_cast<size_t>((group * samples.num_samples + n) * length + k)]);
        }
        samples.target[static_cast<size_t>(row * samples.num_samples + n)] = static_cast<float>(z);
      }
    }
    problem.grid =
        MakeGrid(shape.bit_width, shape.symmetric, shape.granularity, shape.group_size);
    problem.activation.function = shape.activation;
    problem.samples = &samples;
    EstimateRange({RangeEstimator::kMinMax}, {problem.weights.data(), samples.num_rows, length}, {},
                  1, problem.grid);
  }

  // Draws inputs, weights and bias, without target and grid.
  void Draw(const ProblemShape& shape) {
    samples.num_groups = shape.num_groups;
    samples.num_rows = shape.num_rows;
    samples.row_length = shape.row_length;
    samples.num_samples = shape.num_samples;
    std::mt19937 generator(shape.seed);
    std::normal_distribution<float> normal;
    samples.x_hat.resize(
        static_cast<size_t>(shape.num_groups * shape.num_samples * shape.row_length));
    float* out = samples.x_hat.data();
    for (int64_t i = 0; i < shape.num_groups * shape.num_samples; ++i) {
      const float common = normal(generator);
      for (int64_t k = 0; k < shape.row_length; ++k) *out++ = 0.3F + common + normal(generator);
    }
    problem.weights.resize(static_cast<size_t>(shape.num_rows * shape.row_length));
    for (float& weight : problem.weights) weight = 0.5F * normal(generator);
    problem.bias.resize(static_cast<size_t>(shape.num_rows));
    for (float& bias : problem.bias) bias = 0.3F * normal(generator);
  }

  int64_t row_length() const { return samples.row_length; }
};

inline std::unique_ptr<ExampleProblem> MakeExample(const ProblemShape& shape) {
  auto example = std::make_unique<ExampleProblem>();
  example->Draw(shape);
  example->Finish(shape, 0.1F);
  return example;
}

// The two integers a weight may round to, after clipping; equal where there is no choice, or where
// one of them dequantizes to the weight itself.
struct IntegerPair {
  int lower = 0;
  int upper = 0;
};

inline IntegerPair Neighbours(const RoundingProblem& problem, int64_t row, int64_t k) {
  const int64_t length = problem.samples->row_length;
  const auto s = static_cast<size_t>(problem.grid.ScaleIndex(row, k, length));
  const double position =
      static_cast<double>(problem.weights[static_cast<size_t>(row * length + k)]) /
          static_cast<double>(problem.grid.scale[s]) +
      problem.grid.zero_point[s];
  const auto clip = [&](double q) {
    return static_cast<int>(std::clamp(q, static_cast<double>(problem.grid.q_min),
                                       static_cast<double>(problem.grid.q_max)));
  };
  const IntegerPair pair{clip(std::floor(position)), clip(std::ceil(position))};
  for (const int integer : {pair.lower, pair.upper}) {
    const float value = problem.grid.scale[s] *
                        static_cast<float>(integer - problem.grid.zero_point[s]);
    if (value == problem.weights[static_cast<size_t>(row * length + k)]) return {integer, integer};
  }
  return pair;
}

inline double RealWeight(const RoundingProblem& problem, int64_t row, int64_t k, int integer) {
  const auto s = static_cast<size_t>(
      problem.grid.ScaleIndex(row, k, problem.samples->row_length));
  return static_cast<double>(problem.grid.scale[s]) * (integer - problem.grid.zero_point[s]);
}

// Mean over the samples of (f(w x_hat + b) - f(target))^2 for pre-activations z of one row.
inline double NaiveLoss(const RoundingProblem& problem, int64_t row, const std::vector<double>& z) {
  const SampledColumns& samples = *problem.samples;
  const Activation activation = problem.activation.Of(row);
  double sum = 0.0;
  for (int64_t n = 0; n < samples.num_samples; ++n) {
    const double difference =
        NaiveActivation(activation, z[static_cast<size_t>(n)]) -
        NaiveActivation(activation, static_cast<double>(samples.RowTarget(row)[n]));
    sum += difference * difference;
  }
  return sum / static_cast<double>(samples.num_samples);
}

// Adds weight * x_hat_k to z.
inline void AddFeature(const RoundingProblem& problem, int64_t row, int64_t k, double weight,
                       std::vector<double>& z) {
  const SampledColumns& samples = *problem.samples;
  const float* columns = samples.GroupColumns(row / samples.RowsPerGroup());
  for (int64_t n = 0; n < samples.num_samples; ++n) {
    z[static_cast<size_t>(n)] +=
        weight * static_cast<double>(columns[n * samples.row_length + k]);
  }
}

inline double NaiveRowError(const RoundingProblem& problem, int64_t row,
                            const std::vector<int16_t>& integers) {
  const int64_t length = problem.samples->row_length;
  std::vector<double> z(static_cast<size_t>(problem.samples->num_samples),
                        problem.bias[static_cast<size_t>(row)]);
  for (int64_t k = 0; k < length; ++k) {
    AddFeature(problem, row, k,
               RealWeight(problem, row, k, integers[static_cast<size_t>(row * length + k)]), z);
  }
  return NaiveLoss(problem, row, z);
}

// The smallest error that any combination of clipped floors and ceilings reaches.
inline double BruteForceRowError(const RoundingProblem& problem, int64_t row, int64_t k,
                                 const std::vector<double>& z) {
  if (k == problem.samples->row_length) return NaiveLoss(problem, row, z);
  const IntegerPair pair = Neighbours(problem, row, k);
  double best = std::numeric_limits<double>::infinity();
  for (int integer = pair.lower; integer <= pair.upper; ++integer) {
    std::vector<double> next = z;
    AddFeature(problem, row, k, RealWeight(problem, row, k, integer), next);
    best = std::min(best, BruteForceRowError(problem, row, k + 1, next));
  }
  return best;
}

inline double BruteForceRowError(const RoundingProblem& problem, int64_t row) {
  return BruteForceRowError(problem, row, 0,
                            std::vector<double>(static_cast<size_t>(problem.samples->num_samples),
                                                problem.bias[static_cast<size_t>(row)]));
}

// Solvers compare losses summed in float32: two that differ by less than this count as equal.
inline constexpr double kFloatLossTolerance = 1e-4;

}  // namespace adaround::testing
