#include "adaround/base/error.h"
#include "adaround/pipeline/quantize.h"

namespace adaround {
namespace {

void SetFast(QuantizeOptions& options) {
  options.rounding.adaround.iterations = 300;
  options.rounding.adaround.learning_rate = 3e-2;
  options.rounding.adaround.batch_size = 32;
  options.rounding.adaround.descent_sweeps = 2;
  options.search_columns = 2048;
  options.held_out_columns = 512;
}

void SetBest(QuantizeOptions& options) {
  options.rounding.adaround.iterations = 10'000;
  options.rounding.adaround.enumerate_row_length = 12;
  options.rounding.adaround.descent_sweeps = 20;
  options.search_columns = 16'384;
}

// Nagel et al. 2020, section 4 (experimental setup) and METHOD's reading of it: per-tensor
// symmetric MSE grid, Adam at 1e-3, 10,000 iterations, 32 images a step, no discrete finish.
void SetPaper(QuantizeOptions& options) {
  options.symmetric = true;
  options.granularity = Granularity::kPerTensor;
  options.range_estimator = RangeEstimator::kMse;
  options.rounding.adaround.iterations = 10'000;
  options.rounding.adaround.learning_rate = 1e-3;
  options.rounding.adaround.batch_size = 32;
  options.rounding.adaround.normalize_rows = false;
  options.rounding.adaround.ridge = 0.0;
  options.rounding.adaround.exact_gradient = false;
  options.rounding.adaround.descent_sweeps = 0;
  options.rounding.adaround.enumerate_row_length = 0;
  options.rounding.keep_nearest_rows = false;
  options.positions_per_draw = 64;
  options.search_columns = 64;  // at least positions_per_draw of every image
  options.fall_back_to_nearest = false;
}

struct Preset {
  const char* name;
  void (*set)(QuantizeOptions&);
};

constexpr Preset kPresets[] = {
    {"fast", SetFast},
    {"default", [](QuantizeOptions&) {}},
    {"best", SetBest},
    {"paper", SetPaper},
};

}  // namespace

std::vector<std::string> QuantizeOptions::Validate() const {
  std::vector<std::string> violations = rounding.Validate();
  const auto require = [&](bool holds, const std::string& rule) {
    if (!holds) violations.push_back(rule);
  };
  for (const std::string& violation : transform.Validate()) violations.push_back(violation);
  for (const std::string& violation : task_hessian.Validate()) violations.push_back(violation);
  const auto in_range = [](int b) { return b >= kMinBitWidth && b <= kMaxBitWidth; };
  require(in_range(bits), "bits is " + std::to_string(bits) + ", must be 2 to 8");
  for (const auto& [pattern, width] : layer_bits) {
    require(in_range(width), "layer-bits '" + Printable(pattern) + "' asks for " +
                                 std::to_string(width) + " bits, must be 2 to 8");
  }
  require(symmetric || !narrow_range, "narrow-range needs a symmetric grid");
  if (act_bits) {
    require(in_range(*act_bits),
            "act-bits is " + std::to_string(*act_bits) + ", must be 2 to 8");
  }
  require(act_percentile >= 50 && act_percentile <= 100, "act-percentile must be 50 to 100");
  require(group_size >= 1 && group_size <= (1 << 30), "group-size must be 1 to 2^30");
  require(search_columns >= 1, "search-columns must be at least 1");
  require(held_out_columns >= 1, "held-out-columns must be at least 1");
  require(positions_per_draw >= 0, "positions-per-draw must be 0 or more");
  require(held_out_fraction >= 0 && held_out_fraction <= 0.5,
          "held-out-fraction must be 0 to 0.5");
  require(num_threads >= 1, "threads must be at least 1");
  require(!memory_limit || *memory_limit > 0, "memory-limit must be above 0");
  return violations;
}

void ApplyPreset(const std::string& preset, QuantizeOptions& options) {
  std::string known;
  for (const Preset& row : kPresets) {
    if (preset == row.name) {
      row.set(options);
      return;
    }
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no preset '" + Printable(preset) + "'; known are " + known);
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& row : kPresets) names.emplace_back(row.name);
  return names;
}

}  // namespace adaround
