#include "cli/method_options.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "adaround/rounding/rounding_method.h"

namespace adaround::cli {
namespace {

std::string TextOf(bool value) { return value ? "true" : "false"; }
std::string TextOf(int64_t value) { return std::to_string(value); }
std::string TextOf(double start, double end) {
  return cli::TextOf(start) + ":" + cli::TextOf(end);
}

using Options = QuantizeOptions;

// Whether layers have the estimator by default, or the plan gives it to one.
bool AnyLayerHas(RangeEstimator estimator, const QuantizeOptions& options) {
  return options.range_estimator == estimator ||
         std::any_of(options.plan.begin(), options.plan.end(),
                     [&](const LayerPlan& layer) { return layer.range_estimator == estimator; });
}

}  // namespace

std::string TextOf(double value) {
  char text[32];
  const std::to_chars_result result =
      std::to_chars(text, text + sizeof text, value, std::chars_format::general);
  return std::string(text, result.ptr);
}

const std::vector<MethodOption>& MethodOptions() {
  static const std::vector<MethodOption> rows = {
      {"asymmetric_reconstruction", "--symmetric-reconstruction",
       [](const Options& o) { return TextOf(o.asymmetric_reconstruction); }},
      {"activation_in_loss", "--no-activation-in-loss",
       [](const Options& o) { return TextOf(o.activation_in_loss); }},
      {"positions_per_draw", nullptr,
       [](const Options& o) { return TextOf(o.positions_per_draw); }},
      {"iterations", "--iterations",
       [](const Options& o) { return TextOf(o.rounding.adaround.iterations); }},
      {"learning_rate", "--learning-rate",
       [](const Options& o) { return cli::TextOf(o.rounding.adaround.learning_rate); }},
      {"lambda", "--lambda",
       [](const Options& o) { return cli::TextOf(o.rounding.adaround.lambda); }},
      {"beta", "--beta",
       [](const Options& o) {
         return TextOf(o.rounding.adaround.beta_start, o.rounding.adaround.beta_end);
       }},
      {"warm_start", "--warm-start",
       [](const Options& o) { return cli::TextOf(o.rounding.adaround.warm_start_fraction); }},
      {"batch_size", "--batch-size",
       [](const Options& o) { return TextOf(o.rounding.adaround.batch_size); }},
      {"normalize_rows", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.normalize_rows); }},
      {"exact_gradient", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.exact_gradient); }},
      {"ridge", "--ridge",
       [](const Options& o) {
         const std::optional<double>& ridge = o.rounding.adaround.ridge;
         return ridge ? cli::TextOf(*ridge) : std::string("auto");
       }},
      {"descent_sweeps", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.descent_sweeps); }},
      {"second_order_start", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.second_order_start); }},
      {"max_relaxed_row_length", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.max_relaxed_row_length); }},
      {"max_ridge_choice_length", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.max_ridge_choice_length); }},
      {"enumerate_row_length", nullptr,
       [](const Options& o) { return TextOf(o.rounding.adaround.enumerate_row_length); }},
      {"sweeps", "--sweeps",
       [](const Options& o) { return TextOf(o.rounding.descent.max_sweeps); }},
      {"cem_population", "--cem-population",
       [](const Options& o) { return cli::TextOf(o.rounding.cross_entropy.population); }},
      {"cem_elite", "--cem-elite",
       [](const Options& o) { return cli::TextOf(o.rounding.cross_entropy.elite_fraction); }},
      {"cem_smoothing", "--cem-smoothing",
       [](const Options& o) { return cli::TextOf(o.rounding.cross_entropy.smoothing); }},
      {"cem_rounds", "--cem-rounds",
       [](const Options& o) { return TextOf(o.rounding.cross_entropy.max_rounds); }},
      {"cem_budget", "--cem-budget",
       [](const Options& o) { return cli::TextOf(o.rounding.cross_entropy.max_operations); }},
      {"tabu_flips", "--tabu-flips",
       [](const Options& o) { return TextOf(o.rounding.tabu.flips_per_weight); }},
      {"tabu_restarts", "--tabu-restarts",
       [](const Options& o) { return TextOf(o.rounding.tabu.restarts); }},
      {"tabu_tenure", "--tabu-tenure",
       [](const Options& o) { return TextOf(o.rounding.tabu.tenure); }},
      {"gptq_damping", "--gptq-damping",
       [](const Options& o) { return cli::TextOf(o.rounding.gptq.damping); }},
      {"gptq_activation_order", "--gptq-activation-order",
       [](const Options& o) { return TextOf(o.rounding.gptq.activation_order); }},
      {"hessian_draws", "--hessian-draws",
       [](const Options& o) { return TextOf(o.task_hessian.num_drawn_classes); }},
      {"calib_labels", "--calib-labels", nullptr},
      {"temperature", "--temperature",
       [](const Options& o) {
         return TextOf(o.rounding.annealing.temperature_start,
                       o.rounding.annealing.temperature_end);
       }},
      {"ste_reach", "--ste-reach",
       [](const Options& o) { return cli::TextOf(o.rounding.straight_through.reach); }},
      {"ste_dampening", "--ste-dampening",
       [](const Options& o) { return cli::TextOf(o.rounding.straight_through.dampening); }},
  };
  return rows;
}

bool IsRead(const MethodOption& option, const QuantizeOptions& options) {
  // This estimator chooses by the output's error on the columns that a search would get.
  const std::string_view name = option.name;
  if ((name == "asymmetric_reconstruction" || name == "positions_per_draw") &&
      AnyLayerHas(RangeEstimator::kOutputMse, options)) {
    return true;
  }
  // A label per sample leaves nothing to draw.
  const std::optional<Labels>& labels = options.task_hessian.labels;
  if (name == "hessian_draws" && labels && !labels->maps) return false;
  return FindRoundingMethod(options.method).Reads(name);
}

}  // namespace adaround::cli
