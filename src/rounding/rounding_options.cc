#include "adaround/rounding/rounding_options.h"

#include <cmath>

namespace adaround {

std::vector<std::string> AdaRoundOptions::Validate() const {
  std::vector<std::string> violations;
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) violations.emplace_back(rule);
  };
  require(iterations >= 0 && iterations <= 10'000'000, "iterations must be 0 to 10,000,000");
  require(std::isfinite(learning_rate) && learning_rate > 0, "learning_rate must be above 0");
  require(std::isfinite(lambda) && lambda >= 0, "lambda must be 0 or more");
  require(std::isfinite(beta_start) && beta_start <= 1000 && beta_end >= 1 &&
              beta_start >= beta_end,
          "beta must fall from at most 1000 to at least 1, such as 20:2");
  require(warm_start_fraction >= 0 && warm_start_fraction <= 1, "warm_start must be 0 to 1");
  require(batch_size >= 1 && batch_size <= 1'000'000, "batch_size must be 1 to 1,000,000");
  require(!ridge || (std::isfinite(*ridge) && *ridge >= 0), "ridge must be 0 or more");
  require(max_ridge_choice_length >= 0, "max_ridge_choice_length must be 0 or more");
  require(descent_sweeps >= 0, "descent_sweeps must be 0 or more");
  require(max_relaxed_row_length >= 0, "max_relaxed_row_length must be 0 or more");
  require(enumerate_row_length >= 0 && enumerate_row_length <= 16,
          "enumerate_row_length must be 0 to 16");
  return violations;
}

std::vector<std::string> AnnealingOptions::Validate() const {
  if (temperature_start <= 1e6 && temperature_end >= 1e-6 && temperature_start >= temperature_end) {
    return {};
  }
  return {"temperature must fall from at most 1e6 to at least 1e-6, such as 1:0.001"};
}

std::vector<std::string> StraightThroughOptions::Validate() const {
  std::vector<std::string> violations;
  if (!(std::isfinite(reach) && reach > 0)) violations.emplace_back("ste-reach must be above 0");
  if (!(std::isfinite(dampening) && dampening >= 0)) {
    violations.emplace_back("ste-dampening must be 0 or more");
  }
  return violations;
}

std::vector<std::string> CrossEntropyOptions::Validate() const {
  std::vector<std::string> violations;
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) violations.emplace_back(rule);
  };
  require(population >= 1 && population <= 10'000, "cem-population must be 1 to 10,000");
  require(elite_fraction > 0 && elite_fraction <= 1, "cem-elite must be above 0, at most 1");
  require(smoothing > 0 && smoothing <= 1, "cem-smoothing must be above 0, at most 1");
  require(max_rounds >= 1 && max_rounds <= 1'000'000, "cem-rounds must be 1 to 1,000,000");
  require(max_operations > 0 && max_operations <= 1e18, "cem-budget must be above 0, at most 1e18");
  return violations;
}

std::vector<std::string> TabuOptions::Validate() const {
  std::vector<std::string> violations;
  const auto require = [&](bool holds, const char* rule) {
    if (!holds) violations.emplace_back(rule);
  };
  require(flips_per_weight >= 1 && flips_per_weight <= 1'000'000,
          "tabu-flips must be 1 to 1,000,000");
  require(restarts >= 0 && restarts <= 1'000'000, "tabu-restarts must be 0 to 1,000,000");
  require(tenure >= 0 && tenure <= 1'000'000, "tabu-tenure must be 0 to 1,000,000");
  return violations;
}

std::vector<std::string> CoordinateDescentOptions::Validate() const {
  if (max_sweeps >= 1 && max_sweeps <= 1'000'000) return {};
  return {"sweeps must be 1 to 1,000,000"};
}

std::vector<std::string> GptqOptions::Validate() const {
  if (damping >= 1e-8 && damping <= 100) return {};
  return {"gptq-damping must be 1e-8 to 100"};
}

std::vector<std::string> RoundingOptions::Validate() const {
  std::vector<std::string> violations = adaround.Validate();
  for (const auto& more : {cross_entropy.Validate(), tabu.Validate(), descent.Validate(),
                           gptq.Validate(), annealing.Validate(), straight_through.Validate()}) {
    violations.insert(violations.end(), more.begin(), more.end());
  }
  return violations;
}

}  // namespace adaround
