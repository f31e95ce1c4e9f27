#include "rounding/quadratic_problem.h"

#include <algorithm>
#include <cmath>

namespace adaround {

std::vector<std::string> QuadraticProblem::Validate() const {
  std::vector<std::string> violations;
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) violations.emplace_back(rule);
  };
  const size_t size = step.size();
  const auto finite = [](float value) { return std::isfinite(value); };
  require(curvature != nullptr || size == 0, "no curvature given");
  require(gradient.size() == size, "gradient must have one entry per variable");
  require(reference.size() == size, "reference must have one entry per variable");
  require(fraction.size() == size, "fraction must have one entry per variable");
  require(std::all_of(step.begin(), step.end(), [&](float s) { return finite(s) && s >= 0.0F; }),
          "steps must be finite and not negative");
  require(std::all_of(gradient.begin(), gradient.end(), finite), "gradient is not finite");
  require(std::all_of(reference.begin(), reference.end(), [](uint8_t u) { return u <= 1; }),
          "reference must hold 0 and 1");
  require(std::all_of(fraction.begin(), fraction.end(),
                      [](float f) { return f >= 0.0F && f <= 1.0F; }),
          "fractions must be 0 to 1");
  if (curvature != nullptr) {
    require(std::all_of(curvature, curvature + size * size, finite), "curvature is not finite");
  }
  return violations;
}

std::vector<double> GradientAt(const QuadraticProblem& problem, const std::vector<uint8_t>& up) {
  const int64_t size = problem.num_variables();
  std::vector<double> field(problem.gradient.begin(), problem.gradient.end());
  for (int64_t j = 0; j < size; ++j) {
    const auto at = static_cast<size_t>(j);
    if (up[at] == problem.reference[at] || problem.step[at] == 0.0F) continue;
    const auto step = static_cast<double>(problem.step[at]);
    const double change = up[at] != 0 ? step : -step;
    const float* row = problem.CurvatureRow(j);
    for (int64_t i = 0; i < size; ++i) {
      field[static_cast<size_t>(i)] += change * static_cast<double>(row[i]);
    }
  }
  return field;
}

double Energy(const QuadraticProblem& problem, const std::vector<uint8_t>& up) {
  // 1/2 v^T Q v + c^T v = 1/2 v^T (c + (c + Q v)).
  const std::vector<double> field = GradientAt(problem, up);
  double energy = 0.0;
  for (size_t i = 0; i < field.size(); ++i) {
    const double difference =
        static_cast<double>(up[i]) - static_cast<double>(problem.reference[i]);
    energy += 0.5 * static_cast<double>(problem.step[i]) * difference *
              (static_cast<double>(problem.gradient[i]) + field[i]);
  }
  return energy;
}

}  // namespace adaround
