#include "adaround/quant/layer_grid.h"

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "base/enum_names.h"

namespace adaround {
namespace {

constexpr EnumName<Granularity> kGranularities[] = {
    {Granularity::kPerChannel, "channel"},
    {Granularity::kPerTensor, "tensor"},
    {Granularity::kPerGroup, "group"},
};

}  // namespace

bool LayerGrid::SameAs(const LayerGrid& other) const {
  return bits == other.bits && symmetric == other.symmetric && granularity == other.granularity &&
         (granularity != Granularity::kPerGroup || group_size == other.group_size) &&
         range_estimator == other.range_estimator &&
         (range_estimator != RangeEstimator::kPercentile || percentile == other.percentile);
}

std::vector<std::string> LayerGrid::Validate() const {
  std::vector<std::string> violations;
  const auto require = [&](bool holds, const std::string& rule) {
    if (!holds) violations.push_back(rule);
  };
  require(bits >= kMinBitWidth && bits <= kMaxBitWidth,
          "bits is " + std::to_string(bits) + ", must be 2 to 8");
  require(group_size >= 1 && group_size <= (1 << 30), "group-size must be 1 to 2^30");
  require(percentile >= 50 && percentile <= 100, "percentile must be 50 to 100");
  return violations;
}

std::string_view GranularityName(Granularity granularity) {
  return NameIn(kGranularities, granularity);
}

std::vector<std::string> GranularityNames() { return NamesIn(kGranularities); }

Granularity ParseGranularity(const std::string& name) {
  if (const auto found = FindIn(kGranularities, name)) return *found;
  throw Error(ErrorCode::kInvalidArgument, "there is no granularity '" + Printable(name) + "'" +
                                               DidYouMean(name, GranularityNames()));
}

}  // namespace adaround
