#include <algorithm>
#include <set>

#include "adaround/base/error.h"
#include "adaround/pipeline/quantize.h"
#include "base/enum_names.h"
#include "pipeline/layer_pattern.h"

namespace adaround {
namespace {

// Without relaxation the time goes to forward passes, Gram matrices and their factors: fewer
// samples and columns, no trials of ridges for long rows, and few sweeps, of which later ones flip
// little.
void SetFast(QuantizeOptions& options) {
  options.rounding.adaround.iterations = 0;
  options.rounding.adaround.descent_sweeps = 4;
  options.rounding.adaround.max_ridge_choice_length = 2048;
  options.enough_samples = 192;
  options.search_columns = 2048;
  options.held_out_columns = 512;
}

void SetBest(QuantizeOptions& options) {
  options.rounding.adaround.iterations = 10'000;
  options.rounding.adaround.enumerate_row_length = 12;
  options.rounding.adaround.descent_sweeps = 60;
  options.rounding.adaround.max_relaxed_row_length = 8192;
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
  options.rounding.adaround.second_order_start = false;
  options.rounding.adaround.enumerate_row_length = 0;
  options.rounding.straight_through.dampening = 0.0;
  options.rounding.straight_through.reach = 2.0;
  options.rounding.keep_nearest_rows = false;
  options.positions_per_draw = 64;
  options.search_columns = 64;  // at least positions_per_draw of every image
  options.fall_back_to_nearest = false;
}

struct PresetRow {
  Preset preset;
  void (*set)(QuantizeOptions&);
};

const std::vector<PresetRow>& PresetRows() {
  static const std::vector<PresetRow> rows = {
      {{"fast",
        "no relaxation, fewer sweeps and columns, at most 192 samples: a third to a sixth of "
        "default's time"},
       SetFast},
      {{"default",
        "start from second order, 2,000 steps where they gain, descent; MobileNetV2 with 300 "
        "images in 35 s on 2 cores"},
       [](QuantizeOptions&) {}},
      {{"best", "10,000 steps, three times the sweeps, twice the columns, short rows enumerated"},
       SetBest},
      {{"paper",
        "the publication's: one symmetric MSE scale per tensor, 10,000 steps from the float "
        "weights, nothing after"},
       SetPaper},
  };
  return rows;
}

constexpr EnumName<BiasCorrection> kBiasCorrections[] = {
    {BiasCorrection::kNone, "none"},
    {BiasCorrection::kEmpirical, "empirical"},
    {BiasCorrection::kAnalytic, "analytic"},
};

}  // namespace

std::string BiasCorrectionName(BiasCorrection correction) {
  return std::string(NameIn(kBiasCorrections, correction));
}

std::vector<std::string> BiasCorrectionNames() { return NamesIn(kBiasCorrections); }

BiasCorrection ParseBiasCorrection(const std::string& name) {
  return ParseIn(kBiasCorrections, "bias correction", name);
}

std::vector<std::string> QuantizeOptions::Validate() const {
  std::vector<std::string> violations = rounding.Validate();
  const auto require = [&](bool holds, const std::string& rule) {
    if (!holds) violations.push_back(rule);
  };
  for (const std::string& violation : transform.Validate()) violations.push_back(violation);
  for (const std::string& violation : task_hessian.Validate()) violations.push_back(violation);
  const auto in_range = [](int b) { return b >= kMinBitWidth && b <= kMaxBitWidth; };
  for (const std::string& violation : DefaultGrid().Validate()) violations.push_back(violation);
  for (const auto& [pattern, width] : layer_bits) {
    require(in_range(width), "layer-bits '" + Printable(pattern) + "' asks for " +
                                 std::to_string(width) + " bits, must be 2 to 8");
  }
  const auto require_pattern = [&](const char* option, const std::string& expression) {
    try {
      LayerPattern(option, expression);
    } catch (const Error& error) {
      violations.emplace_back(error.what());
    }
  };
  for (const std::string& expression : include) require_pattern("--include", expression);
  for (const std::string& expression : exclude) require_pattern("--exclude", expression);
  for (const auto& [expression, width] : layer_bits) require_pattern("--layer-bits", expression);
  require(symmetric || !narrow_range, "narrow-range needs a symmetric grid");
  if (act_bits) {
    require(in_range(*act_bits),
            "act-bits is " + std::to_string(*act_bits) + ", must be 2 to 8");
  }
  require(act_percentile >= 50 && act_percentile <= 100, "act-percentile must be 50 to 100");
  require(enough_samples == 0 || enough_samples >= 2,
          "enough-samples must be 0 (all) or at least 2");
  require(search_columns >= 1, "search-columns must be at least 1");
  require(held_out_columns >= 1, "held-out-columns must be at least 1");
  require(positions_per_draw >= 0, "positions-per-draw must be 0 or more");
  require(held_out_fraction >= 0 && held_out_fraction <= 0.5,
          "held-out-fraction must be 0 to 0.5");
  require(num_threads >= 1, "threads must be at least 1");
  require(!memory_limit || *memory_limit > 0, "memory-limit must be above 0");
  require(plan.empty() || (include.empty() && exclude.empty() && layer_bits.empty()),
          "a plan names its layers itself: give no --include, --exclude or --layer-bits beside it, "
          "edit the plan instead");
  std::set<std::string> planned;
  for (const LayerPlan& layer : plan) {
    require(planned.insert(layer.name).second,
            "the plan has two entries for layer '" + Printable(layer.name) + "'");
    for (const std::string& violation : layer.AppliedTo(DefaultGrid()).Validate()) {
      require(false, "the plan's layer '" + Printable(layer.name) + "': " + violation);
    }
  }
  return violations;
}

LayerGrid QuantizeOptions::DefaultGrid() const {
  return {bits, symmetric, granularity, group_size, range_estimator, percentile};
}

QuantizeOptions WithDecisions(QuantizeOptions options, const std::vector<LayerPlan>& decisions) {
  LayerGrid usual = options.DefaultGrid();
  int64_t most = 0;
  for (const LayerPlan& layer : decisions) {
    if (layer.keep_float) continue;
    const LayerGrid grid = layer.AppliedTo(LayerGrid{});
    const int64_t count =
        std::count_if(decisions.begin(), decisions.end(), [&](const LayerPlan& other) {
          return !other.keep_float && other.AppliedTo(LayerGrid{}).SameAs(grid);
        });
    if (count <= most) continue;
    most = count;
    usual = grid;
  }
  options.bits = usual.bits;
  options.symmetric = usual.symmetric;
  options.granularity = usual.granularity;
  options.group_size = usual.group_size;
  options.range_estimator = usual.range_estimator;
  options.percentile = usual.percentile;
  options.include.clear();
  options.exclude.clear();
  options.layer_bits.clear();
  options.plan.clear();
  for (const LayerPlan& layer : decisions) {
    if (layer.keep_float || !layer.AppliedTo(LayerGrid{}).SameAs(usual)) {
      options.plan.push_back(layer);
    }
  }
  return options;
}

void ApplyPreset(const std::string& preset, QuantizeOptions& options) {
  std::string known;
  for (const PresetRow& row : PresetRows()) {
    if (preset == row.preset.name) {
      row.set(options);
      return;
    }
    known += (known.empty() ? "" : ", ") + row.preset.name;
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no preset '" + Printable(preset) + "'; known are " + known);
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) names.push_back(preset.name);
  return names;
}

std::vector<Preset> Presets() {
  std::vector<Preset> presets;
  for (const PresetRow& row : PresetRows()) presets.push_back(row.preset);
  return presets;
}

}  // namespace adaround
