#include "cli/option_binding.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "cli/method_options.h"

namespace adaround::cli {
namespace {

constexpr const char* kData = "Data";
constexpr const char* kScheme = "Scheme";
constexpr const char* kActivations = "Activations";
constexpr const char* kTransforms = "Before and after rounding";
constexpr const char* kOptimizer = "Optimizer";
constexpr const char* kDiscrete = "Discrete methods";
constexpr const char* kLayers = "Layers";

double ParseNumber(const std::string& text, const std::string& option) {
  double value = 0.0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::kInvalidArgument,
                option + ": '" + Printable(text) + "' is not a number");
  }
  return value;
}

// "20:2"
std::pair<double, double> ParseStartAndEnd(const std::string& text, const std::string& option) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                option + ": '" + Printable(text) + "' is not START:END, two numbers");
  }
  return {ParseNumber(text.substr(0, colon), option),
          ParseNumber(text.substr(colon + 1), option)};
}

// "RE=8"; the expression may hold '=' itself.
std::pair<std::string, int> ParseLayerBits(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) {
    throw Error(ErrorCode::kInvalidArgument,
                "--layer-bits: '" + Printable(text) + "' is not EXPRESSION=BITS, such as conv1=8");
  }
  const double bits = ParseNumber(text.substr(equals + 1), "--layer-bits");
  if (bits != std::floor(bits) || std::abs(bits) > 1000) {
    throw Error(ErrorCode::kInvalidArgument, "--layer-bits: bits must be a whole number, 2 to 8");
  }
  return {text.substr(0, equals), static_cast<int>(bits)};
}

// Whether another value of the number would give a layer another grid.
template <typename T>
bool DecidesSomeGrid(const QuantizeOptions& options, T LayerGrid::*member) {
  const LayerGrid usual = options.DefaultGrid();
  LayerGrid other = usual;
  other.*member += 1;
  return !usual.SameAs(other) ||
         std::any_of(options.plan.begin(), options.plan.end(), [&](const LayerPlan& layer) {
           return !layer.keep_float && !layer.AppliedTo(usual).SameAs(layer.AppliedTo(other));
         });
}

// A flag that has an effect only beside another.
struct DependentFlag {
  const char* flag;
  const char* needed;
  bool (*is_read)(const QuantizeOptions& options);
};

constexpr DependentFlag kDependentFlags[] = {
    {"--group-size", "--granularity group",
     [](const QuantizeOptions& o) { return DecidesSomeGrid(o, &LayerGrid::group_size); }},
    {"--percentile", "--range-estimator percentile",
     [](const QuantizeOptions& o) { return DecidesSomeGrid(o, &LayerGrid::percentile); }},
    {"--act-range-estimator", "--act-bits",
     [](const QuantizeOptions& o) { return o.act_bits.has_value(); }},
    {"--act-percentile", "--act-bits",
     [](const QuantizeOptions& o) { return o.act_bits.has_value(); }},
    {"--act-percentile", "--act-range-estimator percentile",
     [](const QuantizeOptions& o) {
       return o.act_range_estimator == ActivationEstimator::kPercentile;
     }},
    {"--rounding-seed", "a --method that draws random numbers",
     [](const QuantizeOptions& o) { return FindRoundingMethod(o.method).random; }},
};

std::string CheckSeed(const std::string& text) {
  uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  return whole ? std::string() : "'" + text + "' is not a whole number below 2^64";
}

}  // namespace

int64_t ParseBytes(const std::string& text) {
  size_t digits = text.size();
  double factor = 1.0;
  if (!text.empty() && std::isalpha(static_cast<unsigned char>(text.back()))) {
    constexpr std::pair<char, double> kUnits[] = {
        {'K', 0x1p10}, {'M', 0x1p20}, {'G', 0x1p30}, {'T', 0x1p40}};
    const char unit = static_cast<char>(std::toupper(static_cast<unsigned char>(text.back())));
    factor = 0.0;
    for (const auto& [name, value] : kUnits) factor = name == unit ? value : factor;
    --digits;
  }
  const double value = factor == 0.0 ? 0.0 : ParseNumber(text.substr(0, digits), "--memory-limit");
  if (!(value > 0.0) || value * factor > 0x1p60) {
    throw Error(ErrorCode::kInvalidArgument,
                "--memory-limit: '" + Printable(text) + "' is not a size such as 3G or 512M");
  }
  return static_cast<int64_t>(value * factor);
}

void QuantizeBinding::AddAll() {
  const std::vector<const CLI::Option*> before = std::as_const(app_).get_options();
  AddScheme();
  AddTransforms();
  AddActivations();
  AddOptimizer();
  AddDiscrete();
  AddLayers();
  AddRun();
  CheckMethodOptions();
  for (const CLI::Option* option : std::as_const(app_).get_options()) {
    if (std::find(before.begin(), before.end(), option) == before.end()) {
      names_.push_back(option->get_name());
    }
  }
}

void QuantizeBinding::CheckMethodOptions() const {
  const auto& rows = MethodOptions();
  const auto has_row = [&](const char* MethodOption::*member, const std::string& value) {
    return std::any_of(rows.begin(), rows.end(), [&](const MethodOption& row) {
      return row.*member != nullptr && row.*member == value;
    });
  };
  for (const MethodOption& row : rows) {
    ADAROUND_CHECK(row.flag == nullptr || app_.get_option_no_throw(row.flag) != nullptr);
  }
  for (const CLI::Option* option : std::as_const(app_).get_options()) {
    const bool of_methods = option->get_group() == kOptimizer || option->get_group() == kDiscrete;
    ADAROUND_CHECK(!of_methods || option->get_name() == "--preset" ||
                   has_row(&MethodOption::flag, option->get_name()));
  }
  for (const RoundingMethod& method : RoundingMethods()) {
    for (const std::string& name : method.options) {
      ADAROUND_CHECK(has_row(&MethodOption::name, name));
    }
  }
}

void QuantizeBinding::AddScheme() {
  Bind<int>("--bits", "bits per weight, 2 to 8", kScheme,
            [](QuantizeOptions& o) -> int& { return o.bits; });
  auto granularity = std::make_shared<std::string>(
      std::string(GranularityName(QuantizeOptions{}.granularity)));
  CLI::Option* granularity_option =
      app_.add_option("--granularity", *granularity, "weights that share a scale")
          ->check(CLI::IsMember(GranularityNames()))
          ->capture_default_str()
          ->group(kScheme);
  overlays_.push_back([granularity, granularity_option](QuantizeOptions& options) {
    if (granularity_option->count() == 0) return;
    options.granularity = ParseGranularity(*granularity);
  });
  Bind<int64_t>("--group-size", "weights per scale with --granularity group", kScheme,
                [](QuantizeOptions& o) -> int64_t& { return o.group_size; });
  CLI::Option* symmetric =
      app_.add_flag("--symmetric")->description("grid around zero (default)")->group(kScheme);
  CLI::Option* asymmetric =
      app_.add_flag("--asymmetric")->description("grid with a zero point")->group(kScheme);
  symmetric->excludes(asymmetric);
  overlays_.push_back([symmetric, asymmetric](QuantizeOptions& options) {
    if (symmetric->count() > 0) options.symmetric = true;
    if (asymmetric->count() > 0) options.symmetric = false;
  });
  auto estimator = std::make_shared<std::string>(
      std::string(RangeEstimatorName(QuantizeOptions{}.range_estimator)));
  CLI::Option* estimator_option =
      app_.add_option("--range-estimator", *estimator,
                      "how the scale is chosen (mse per channel is OMSE)")
          ->check(CLI::IsMember(RangeEstimatorNames()))
          ->capture_default_str()
          ->group(kScheme);
  overlays_.push_back([estimator, estimator_option](QuantizeOptions& options) {
    if (estimator_option->count() > 0) options.range_estimator = ParseRangeEstimator(*estimator);
  });
  Bind<double>("--percentile",
               "percent of the weights inside the range, with --range-estimator percentile",
               kScheme, [](QuantizeOptions& o) -> double& { return o.percentile; });
  app_.add_flag("--narrow-range")
      ->description("symmetric integers from -2^(b-1)+1 (accelerators)")
      ->group(kScheme);
  app_.add_flag("--power-of-two-scales")
      ->description("scales that hardware applies by shifts (accelerators)")
      ->group(kScheme);
  overlays_.push_back([this](QuantizeOptions& options) {
    if (app_.count("--narrow-range") > 0) options.narrow_range = true;
    if (app_.count("--power-of-two-scales") > 0) options.power_of_two_scales = true;
  });
  Bind<std::string>("--method", "how weights are rounded", kScheme,
                    [](QuantizeOptions& o) -> std::string& { return o.method; })
      ->check(CLI::IsMember(RoundingMethodNames()));
  AddAblations();
}

void QuantizeBinding::AddAblations() {
  app_.add_flag("--symmetric-reconstruction")
      ->description("search on the float network's inputs, not on those of the quantized one")
      ->group(kScheme);
  app_.add_flag("--no-activation-in-loss")
      ->description("compare layers before their activation functions")
      ->group(kScheme);
  overlays_.push_back([this](QuantizeOptions& options) {
    if (app_.count("--symmetric-reconstruction") > 0) options.asymmetric_reconstruction = false;
    if (app_.count("--no-activation-in-loss") > 0) options.activation_in_loss = false;
  });
}

void QuantizeBinding::AddTransforms() {
  app_.add_flag("--equalize")
      ->description("first rescale channels between layers so that their weights' ranges match")
      ->group(kTransforms);
  app_.add_flag("--absorb-bias")
      ->description("first move what channels always exceed into the next layers' biases")
      ->group(kTransforms);
  Bind<double>(
      "--split-outliers",
      "first duplicate this part of each layer's input channels with half the weight, those "
      "with the largest weights; 0 = none",
      kTransforms, [](QuantizeOptions& o) -> double& { return o.transform.split_outliers; })
      ->type_name("RATIO");
  auto correction = std::make_shared<std::string>(
      BiasCorrectionName(QuantizeOptions{}.bias_correction));
  CLI::Option* correction_option =
      app_.add_option("--bias-correction", *correction,
                      "after rounding, correct biases for the shift of each output's mean")
          ->check(CLI::IsMember(BiasCorrectionNames()))
          ->capture_default_str()
          ->group(kTransforms);
  overlays_.push_back([this, correction, correction_option](QuantizeOptions& options) {
    if (app_.count("--equalize") > 0) options.transform.equalize = true;
    if (app_.count("--absorb-bias") > 0) options.transform.absorb_bias = true;
    if (correction_option->count() > 0) {
      options.bias_correction = ParseBiasCorrection(*correction);
    }
  });
}

void QuantizeBinding::AddActivations() {
  auto bits = std::make_shared<int>(0);
  CLI::Option* bits_option =
      app_.add_option("--act-bits", *bits,
                      "bits per activation that layers read, 2 to 8 (default: left in float)")
          ->group(kActivations);
  overlays_.push_back([bits, bits_option](QuantizeOptions& options) {
    if (bits_option->count() > 0) options.act_bits = *bits;
  });
  auto estimator = std::make_shared<std::string>(
      std::string(ActivationEstimatorName(QuantizeOptions{}.act_range_estimator)));
  CLI::Option* estimator_option =
      app_.add_option("--act-range-estimator", *estimator, "how an activation's range is chosen")
          ->check(CLI::IsMember(ActivationEstimatorNames()))
          ->capture_default_str()
          ->group(kActivations);
  overlays_.push_back([estimator, estimator_option](QuantizeOptions& options) {
    if (estimator_option->count() > 0) {
      options.act_range_estimator = ParseActivationEstimator(*estimator);
    }
  });
  Bind<double>("--act-percentile",
               "percent of the values inside the range, with --act-range-estimator percentile",
               kActivations, [](QuantizeOptions& o) -> double& { return o.act_percentile; });
}

void QuantizeBinding::AddOptimizer() {
  app_.add_option("--preset", preset_, "settings of the optimizer; `paper` reproduces the paper's")
      ->check(CLI::IsMember(PresetNames()))
      ->capture_default_str()
      ->group(kOptimizer);
  Bind<int64_t>("--iterations", "Adam steps per layer", kOptimizer,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.adaround.iterations; });
  Bind<double>("--learning-rate", "Adam's step size", kOptimizer,
               [](QuantizeOptions& o) -> double& { return o.rounding.adaround.learning_rate; });
  Bind<double>("--lambda", "weight of the rounding regularizer", kOptimizer,
               [](QuantizeOptions& o) -> double& { return o.rounding.adaround.lambda; });
  BindStartAndEnd(
      "--beta", "regularizer's exponent, start and end",
      [](QuantizeOptions& o) -> double& { return o.rounding.adaround.beta_start; },
      [](QuantizeOptions& o) -> double& { return o.rounding.adaround.beta_end; });
  Bind<double>(
      "--warm-start", "part of the iterations without regularizer", kOptimizer,
      [](QuantizeOptions& o) -> double& { return o.rounding.adaround.warm_start_fraction; });
  auto ridge = std::make_shared<double>(0.0);
  CLI::Option* ridge_option =
      app_.add_option("--ridge", *ridge,
                      "guard against fitting few samples; 0 = none, as in the paper (default: "
                      "chosen for each layer by adaround and gptq, 0.3 for other methods)")
          ->group(kOptimizer);
  overlays_.push_back([ridge, ridge_option](QuantizeOptions& options) {
    if (ridge_option->count() > 0) options.rounding.adaround.ridge = *ridge;
  });
  Bind<int64_t>("--batch-size", "columns per step (images, in preset paper)", kOptimizer,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.adaround.batch_size; });
  Bind<int64_t>("--hessian-draws",
                "draws per sample for the task loss's curvature, beyond 16 classes or of maps",
                kOptimizer,
                [](QuantizeOptions& o) -> int64_t& { return o.task_hessian.num_drawn_classes; });
  app_.add_option("--calib-labels", calib_labels_,
                  "classes of the calibration samples, as --labels: the task loss's curvature by "
                  "them, not by the network's own predictions")
      ->type_name("FILE")
      ->group(kData);
  BindStartAndEnd(
      "--temperature", "of the sigmoid, with --method sigmoid-annealing",
      [](QuantizeOptions& o) -> double& { return o.rounding.annealing.temperature_start; },
      [](QuantizeOptions& o) -> double& { return o.rounding.annealing.temperature_end; });
  Bind<double>("--ste-reach", "steps of its grid that a weight may move by, with --method ste",
               kOptimizer,
               [](QuantizeOptions& o) -> double& { return o.rounding.straight_through.reach; });
  Bind<double>("--ste-dampening",
               "pull of the grid point on a weight, with --method ste; 0 is the paper's estimator",
               kOptimizer,
               [](QuantizeOptions& o) -> double& { return o.rounding.straight_through.dampening; });
}

void QuantizeBinding::AddDiscrete() {
  Bind<int64_t>("--sweeps", "passes of coordinate descent at most", kDiscrete,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.descent.max_sweeps; });
  Bind<double>("--cem-population",
               "cross-entropy method: draws per round, times the square root of a row's weights",
               kDiscrete,
               [](QuantizeOptions& o) -> double& { return o.rounding.cross_entropy.population; });
  Bind<double>(
      "--cem-elite", "part of the draws that the next round moves towards", kDiscrete,
      [](QuantizeOptions& o) -> double& { return o.rounding.cross_entropy.elite_fraction; });
  Bind<double>("--cem-smoothing", "how far it moves, of the way", kDiscrete,
               [](QuantizeOptions& o) -> double& { return o.rounding.cross_entropy.smoothing; });
  Bind<int64_t>("--cem-rounds", "rounds at most", kDiscrete,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.cross_entropy.max_rounds; });
  Bind<double>(
      "--cem-budget", "multiply-adds per row at most; fewer draws where that needs them", kDiscrete,
      [](QuantizeOptions& o) -> double& { return o.rounding.cross_entropy.max_operations; });
  Bind<int64_t>("--tabu-flips", "tabu search: flips per start, times a row's weights", kDiscrete,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.tabu.flips_per_weight; });
  Bind<int64_t>("--tabu-restarts", "further starts", kDiscrete,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.tabu.restarts; });
  Bind<int64_t>("--tabu-tenure", "flips for which a flipped weight rests", kDiscrete,
                [](QuantizeOptions& o) -> int64_t& { return o.rounding.tabu.tenure; });
  Bind<double>("--gptq-damping", "added to the Hessian's diagonal, as a part of its mean",
               kDiscrete,
               [](QuantizeOptions& o) -> double& { return o.rounding.gptq.damping; });
  Bind<bool>("--gptq-activation-order", "round the weights with the strongest inputs first",
             kDiscrete,
             [](QuantizeOptions& o) -> bool& { return o.rounding.gptq.activation_order; });
}

void QuantizeBinding::BindStartAndEnd(const std::string& flag, const std::string& help,
                                      double& (*start)(QuantizeOptions&),
                                      double& (*end)(QuantizeOptions&)) {
  QuantizeOptions defaults;
  auto value = std::make_shared<std::string>();
  CLI::Option* option =
      app_.add_option(flag, *value, help)
          ->type_name("START:END")
          ->default_str(TextOf(start(defaults)) + ":" + TextOf(end(defaults)))
          ->group(kOptimizer);
  overlays_.push_back([flag, value, option, start, end](QuantizeOptions& options) {
    if (option->count() == 0) return;
    std::tie(start(options), end(options)) = ParseStartAndEnd(*value, flag);
  });
}

void QuantizeBinding::AddLayers() {
  Bind<std::vector<std::string>>(
      "--include", "quantize only layers whose name matches (repeatable)", kLayers,
      [](QuantizeOptions& o) -> std::vector<std::string>& { return o.include; })
      ->type_name("REGEX")
      ->allow_extra_args(false);
  Bind<std::vector<std::string>>(
      "--exclude", "leave layers in float whose name matches (repeatable)", kLayers,
      [](QuantizeOptions& o) -> std::vector<std::string>& { return o.exclude; })
      ->type_name("REGEX")
      ->allow_extra_args(false);
  auto widths = std::make_shared<std::vector<std::string>>();
  app_.add_option("--layer-bits", *widths, "other bits for layers whose name matches (repeatable)")
      ->type_name("REGEX=BITS")
      ->allow_extra_args(false)
      ->group(kLayers);
  overlays_.push_back([widths](QuantizeOptions& options) {
    for (const std::string& entry : *widths) options.layer_bits.push_back(ParseLayerBits(entry));
  });
}

void QuantizeBinding::AddRun() {
  Bind<uint64_t>("--seed", "names the random streams", kRunGroup,
                 [](QuantizeOptions& o) -> uint64_t& { return o.seed; })
      ->check(CheckSeed);
  auto rounding_seed = std::make_shared<uint64_t>(0);
  CLI::Option* rounding_seed_option =
      app_.add_option(
              "--rounding-seed", *rounding_seed,
              "those of the rounding alone (default: --seed): one of the draws of `compare`")
          ->check(CheckSeed)
          ->group(kRunGroup);
  overlays_.push_back([rounding_seed, rounding_seed_option](QuantizeOptions& options) {
    if (rounding_seed_option->count() > 0) options.rounding_seed = *rounding_seed;
  });
  auto limit = std::make_shared<std::string>();
  CLI::Option* limit_option =
      app_.add_option("--memory-limit", *limit,
                      "resident memory to stay below, such as 3G; changes speed, never the result")
          ->type_name("SIZE")
          ->group(kRunGroup);
  overlays_.push_back([limit, limit_option](QuantizeOptions& options) {
    if (limit_option->count() > 0) options.memory_limit = ParseBytes(*limit);
  });
}

QuantizeOptions QuantizeBinding::Overlaid(const std::vector<const QuantizeBinding*>& bindings) {
  std::string preset = bindings.front()->default_preset_;
  for (const QuantizeBinding* binding : bindings) {
    if (binding->app_.count("--preset") > 0) preset = binding->preset_;
  }
  QuantizeOptions options;
  ApplyPreset(preset, options);
  for (const QuantizeBinding* binding : bindings) {
    for (const auto& overlay : binding->overlays_) overlay(options);
  }
  return options;
}

QuantizeOptions QuantizeBinding::Options(std::vector<LayerPlan> plan) const {
  QuantizeOptions options = Overlaid({this});
  options.plan = std::move(plan);
  CheckOptionsAreRead(options);
  return options;
}

QuantizeOptions QuantizeBinding::Options(const std::vector<const QuantizeBinding*>& bindings) {
  QuantizeOptions options = Overlaid(bindings);
  bindings.back()->CheckOptionsAreRead(options);
  return options;
}

std::string QuantizeBinding::CalibLabels(const std::vector<const QuantizeBinding*>& bindings) {
  std::string path;
  for (const QuantizeBinding* binding : bindings) {
    if (binding->app_.count("--calib-labels") > 0) path = binding->calib_labels_;
  }
  return path;
}

std::map<std::string, std::vector<std::string>> QuantizeBinding::SetOptions() const {
  std::map<std::string, std::vector<std::string>> set;
  for (const std::string& name : names_) {
    const CLI::Option* option = app_.get_option(name);
    if (option->count() > 0 && name != "--memory-limit") set[name] = option->results();
  }
  return set;
}

void QuantizeBinding::CheckOptionsAreRead(const QuantizeOptions& options) const {
  for (const MethodOption& option : MethodOptions()) {
    if (option.flag == nullptr || app_.count(option.flag) == 0 || IsRead(option, options)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                std::string(option.flag) + " has no effect with --method " + options.method +
                    (options.task_hessian.labels ? " and a label for each sample" : ""));
  }
  for (const DependentFlag& dependent : kDependentFlags) {
    if (app_.count(dependent.flag) == 0 || dependent.is_read(options)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                std::string(dependent.flag) + " needs " + dependent.needed);
  }
}

void QuantizeBinding::CheckSomeReadOptions(const std::vector<QuantizeOptions>& rows) const {
  for (const MethodOption& option : MethodOptions()) {
    if (option.flag == nullptr || app_.count(option.flag) == 0) continue;
    const bool read = std::any_of(rows.begin(), rows.end(),
                                  [&](const QuantizeOptions& row) { return IsRead(option, row); });
    if (!read) {
      throw Error(ErrorCode::kInvalidArgument,
                  std::string(option.flag) + " has no effect: no row's method reads it");
    }
  }
  for (const DependentFlag& dependent : kDependentFlags) {
    if (app_.count(dependent.flag) == 0) continue;
    if (std::any_of(rows.begin(), rows.end(), dependent.is_read)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                std::string(dependent.flag) + " has no effect: no row has " + dependent.needed);
  }
}

}  // namespace adaround::cli
