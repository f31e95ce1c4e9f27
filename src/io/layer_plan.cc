#include "adaround/io/layer_plan.h"

#include <set>

#include "adaround/base/did_you_mean.h"
#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "io/file_error.h"
#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "adaround-plan";
constexpr int64_t kVersion = 1;
constexpr int64_t kMaxBytes = int64_t{64} << 20;

// The key's value where it is there.
template <typename T, typename Read>
std::optional<T> Optional(const JsonView& entry, const std::string& key, Read read) {
  if (!entry.Has(key)) return std::nullopt;
  return read(entry.At(key));
}

bool AsBool(const JsonView& view) {
  if (!view.value().is_boolean()) view.FailMalformed("expected true or false");
  return view.value().get<bool>();
}

// One of `known`.
const std::string& AsNameOf(const JsonView& view, const std::vector<std::string>& known) {
  const std::string& name = view.AsString();
  for (const std::string& candidate : known) {
    if (candidate == name) return name;
  }
  view.FailMalformed("is " + Quoted(name) + DidYouMean(name, known));
}

void CheckMeaning(const JsonView& entry, const LayerPlan& layer) {
  const auto says_nothing = [&](const std::string& key, const std::string& without) {
    entry.At(key).FailMalformed("says nothing " + without + "; remove one of the two");
  };
  if (layer.keep_float) {
    for (const auto& [key, unused] : entry.value().items()) {
      if (key != "name" && key != "keep_float") says_nothing(key, "beside keep_float");
    }
  }
  if (layer.group_size && layer.granularity && *layer.granularity != Granularity::kPerGroup) {
    says_nothing("group_size", "beside a granularity other than group");
  }
  if (layer.percentile && layer.range_estimator &&
      *layer.range_estimator != RangeEstimator::kPercentile) {
    says_nothing("percentile", "beside a range_estimator other than percentile");
  }
}

LayerPlan ReadEntry(const JsonView& entry, const std::string& file) {
  entry.CheckKeys({"name"}, {"keep_float", "bits", "symmetric", "granularity", "group_size",
                             "range_estimator", "percentile"});
  LayerPlan layer;
  layer.name = entry.At("name").AsString();
  layer.place = file + ": " + entry.At("name").place();
  layer.keep_float = Optional<bool>(entry, "keep_float", AsBool).value_or(false);
  layer.bits = Optional<int>(entry, "bits", [](const JsonView& view) {
    return static_cast<int>(view.AsInt(kMinBitWidth, kMaxBitWidth));
  });
  layer.symmetric = Optional<bool>(entry, "symmetric", AsBool);
  layer.granularity = Optional<Granularity>(entry, "granularity", [](const JsonView& view) {
    return ParseGranularity(AsNameOf(view, GranularityNames()));
  });
  layer.group_size = Optional<int64_t>(
      entry, "group_size", [](const JsonView& view) { return view.AsInt(1, 1 << 30); });
  layer.range_estimator =
      Optional<RangeEstimator>(entry, "range_estimator", [](const JsonView& view) {
        return ParseRangeEstimator(AsNameOf(view, RangeEstimatorNames()));
      });
  layer.percentile = Optional<double>(entry, "percentile", [](const JsonView& view) {
    const double value = view.AsNumber();
    if (value < 50 || value > 100) view.FailMalformed("must be from 50 to 100");
    return value;
  });
  CheckMeaning(entry, layer);
  return layer;
}

// As it is; in quotes where it has what could be taken for what stands around it.
std::string NameInText(const std::string& name) {
  std::string escaped;
  for (const char c : name) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c;
  }
  escaped = Printable(escaped, 4 * escaped.size() + 1);
  const bool is_plain =
      !name.empty() && escaped == name && name.find_first_of(":;, ") == std::string::npos;
  return is_plain ? name : "\"" + escaped + "\"";
}

}  // namespace

LayerPlan LayerPlan::Of(const std::string& name, const LayerGrid& grid) {
  LayerPlan layer;
  layer.name = name;
  layer.bits = grid.bits;
  layer.symmetric = grid.symmetric;
  layer.granularity = grid.granularity;
  if (grid.granularity == Granularity::kPerGroup) layer.group_size = grid.group_size;
  layer.range_estimator = grid.range_estimator;
  if (grid.range_estimator == RangeEstimator::kPercentile) layer.percentile = grid.percentile;
  return layer;
}

LayerGrid LayerPlan::AppliedTo(LayerGrid grid) const {
  grid.bits = bits.value_or(grid.bits);
  grid.symmetric = symmetric.value_or(grid.symmetric);
  grid.granularity = granularity.value_or(grid.granularity);
  grid.group_size = group_size.value_or(grid.group_size);
  grid.range_estimator = range_estimator.value_or(grid.range_estimator);
  grid.percentile = percentile.value_or(grid.percentile);
  return grid;
}

std::string LayerPlan::ToText() const {
  std::string text;
  const auto add = [&](const std::string& word) { text += (text.empty() ? " " : ", ") + word; };
  if (keep_float) add("float");
  if (bits) add("bits " + std::to_string(*bits));
  if (symmetric) add(*symmetric ? "symmetric" : "asymmetric");
  if (granularity) add("granularity " + std::string(GranularityName(*granularity)));
  if (group_size) add("group_size " + std::to_string(*group_size));
  if (range_estimator) add("range_estimator " + std::string(RangeEstimatorName(*range_estimator)));
  // Shortest text that gives the same number back.
  if (percentile) add("percentile " + Json(*percentile).dump());
  return NameInText(name) + ":" + text;
}

std::vector<LayerPlan> ReadLayerPlan(const std::filesystem::path& path) {
  const InputFile file(path);
  const nlohmann::json document = ParseStrictJson(file.ReadText(kMaxBytes), file.name());
  const JsonView root(document, file.name());
  root.CheckObject();
  if (!root.Has("format")) root.FailMalformed("the key 'format' is missing");
  if (root.At("format").AsString() != kFormat) {
    root.At("format").FailMalformed("is " + Quoted(root.At("format").AsString()) +
                                    ", a plan has '" + kFormat + "'");
  }
  root.CheckKeys({"format", "version", "layers"}, {});
  if (root.At("version").AsInt(1, INT64_MAX) > kVersion) {
    root.At("version").FailUnsupported("only version " + std::to_string(kVersion) + " is known");
  }
  const JsonView layers = root.At("layers");
  std::vector<LayerPlan> plan;
  std::set<std::string> names;
  for (size_t i = 0; i < layers.ArraySize(); ++i) {
    plan.push_back(ReadEntry(layers.At(i), file.name()));
    if (!names.insert(plan.back().name).second) {
      layers.At(i).At("name").FailMalformed("layer " + Quoted(plan.back().name) +
                                            " has an entry already; keep one of them");
    }
  }
  return plan;
}

void WriteLayerPlan(const std::filesystem::path& path, const std::vector<LayerPlan>& plan) {
  Json layers = Json::array();
  for (const LayerPlan& layer : plan) {
    Json entry = {{"name", layer.name}};
    if (layer.keep_float) entry["keep_float"] = true;
    if (layer.bits) entry["bits"] = *layer.bits;
    if (layer.symmetric) entry["symmetric"] = *layer.symmetric;
    if (layer.granularity) entry["granularity"] = GranularityName(*layer.granularity);
    if (layer.group_size) entry["group_size"] = *layer.group_size;
    if (layer.range_estimator) {
      entry["range_estimator"] = RangeEstimatorName(*layer.range_estimator);
    }
    if (layer.percentile) entry["percentile"] = *layer.percentile;
    layers.push_back(std::move(entry));
  }
  // A layer a line: made to be edited.
  const std::string name = Printable(path.string(), 4096);
  std::string text = "{\n \"format\": \"" + std::string(kFormat) +
                     "\",\n \"version\": " + std::to_string(kVersion) + ",\n \"layers\": [";
  for (size_t i = 0; i < layers.size(); ++i) {
    text += (i == 0 ? "\n  " : ",\n  ") + DumpJson(layers[i], -1, name);
  }
  text += "\n ]\n}\n";
  WriteFileAtomically(path, text);
}

}  // namespace adaround
