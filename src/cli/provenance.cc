#include "cli/provenance.h"

#include <string>
#include <vector>

#include "adaround/base/build_info.h"
#include "adaround/rounding/rounding_method.h"
#include "cli/method_options.h"
#include "cli/shell_words.h"

namespace adaround::cli {

std::map<std::string, std::string> Provenance(const SourceDigests& digests,
                                              const QuantizeOptions& options, int64_t num_samples) {
  std::vector<std::string> layer_bits;
  for (const auto& [pattern, bits] : options.layer_bits) {
    layer_bits.push_back(pattern + "=" + std::to_string(bits));
  }
  std::map<std::string, std::string> provenance = {
      {"adaround_version", Version()},
      {"instruction_set", InstructionSet()},
      {"model_sha256", digests.model},
      {"calibration_sha256", digests.calibration},
      {"calibration_samples", std::to_string(num_samples)},
      {"method", options.method},
      {"bits", std::to_string(options.bits)},
      {"granularity", std::string(GranularityName(options.granularity))},
      {"symmetric", options.symmetric ? "true" : "false"},
      {"range_estimator", std::string(RangeEstimatorName(options.range_estimator))},
      {"include", JoinShellWords(options.include)},
      {"exclude", JoinShellWords(options.exclude)},
      {"layer_bits", JoinShellWords(layer_bits)},
      {"narrow_range", options.narrow_range ? "true" : "false"},
      {"power_of_two_scales", options.power_of_two_scales ? "true" : "false"},
      {"seed", std::to_string(options.seed)},
      {"search_columns", std::to_string(options.search_columns)},
      {"held_out_columns", std::to_string(options.held_out_columns)},
      {"held_out_fraction", TextOf(options.held_out_fraction)},
  };
  if (options.transform.equalize) provenance["equalize"] = "true";
  if (options.transform.absorb_bias) provenance["absorb_bias"] = "true";
  if (options.bias_correction != BiasCorrection::kNone) {
    provenance["bias_correction"] = BiasCorrectionName(options.bias_correction);
  }
  if (options.granularity == Granularity::kPerGroup) {
    provenance["group_size"] = std::to_string(options.group_size);
  }
  if (options.range_estimator == RangeEstimator::kPercentile) {
    provenance["percentile"] = TextOf(options.percentile);
  }
  if (!options.plan.empty()) {
    std::string plan;
    for (const LayerPlan& layer : options.plan) plan += (plan.empty() ? "" : "; ") + layer.ToText();
    provenance["plan"] = plan;
  }
  if (options.transform.split_outliers > 0.0) {
    provenance["split_outliers"] = TextOf(options.transform.split_outliers);
  }
  if (options.rounding_seed) {
    provenance["rounding_seed"] = std::to_string(*options.rounding_seed);
  }
  if (options.act_bits) {
    provenance["act_bits"] = std::to_string(*options.act_bits);
    provenance["act_range_estimator"] = ActivationEstimatorName(options.act_range_estimator);
    if (options.act_range_estimator == ActivationEstimator::kPercentile) {
      provenance["act_percentile"] = TextOf(options.act_percentile);
    }
  }
  if (FindRoundingMethod(options.method).searches) {
    provenance["fall_back_to_nearest"] = options.fall_back_to_nearest ? "true" : "false";
    provenance["keep_nearest_rows"] = options.rounding.keep_nearest_rows ? "true" : "false";
  }
  for (const MethodOption& option : MethodOptions()) {
    if (option.text != nullptr && IsRead(option, options)) {
      provenance[option.name] = option.text(options);
    }
  }
  if (!digests.calib_labels.empty() && FindRoundingMethod(options.method).Reads("calib_labels")) {
    provenance["calib_labels_sha256"] = digests.calib_labels;
  }
  return provenance;
}

}  // namespace adaround::cli
