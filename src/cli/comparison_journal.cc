#include "cli/comparison_journal.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "adaround-comparison-journal";
// Of objects and lists in one another; records have four. Showing a deeper value would cost stack.
constexpr int kMaxDepth = 8;

// Our own complaint about a record; the caller knows file and line.
struct Misfit {
  std::string what;
};

Json Parse(const std::string& record) {
  bool is_too_deep = false;
  const auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    is_too_deep = is_too_deep || depth > kMaxDepth;
    return !is_too_deep;
  };
  Json json = Json::parse(record, watch_depth, false);
  if (is_too_deep) throw Misfit{"is nested deeper than this program writes"};
  if (json.is_discarded()) throw Misfit{"is no JSON"};
  return json;
}

// JSON has no number for these.
constexpr std::pair<const char*, double> kNamedNumbers[] = {
    {"infinite", std::numeric_limits<double>::infinity()},
    {"-infinite", -std::numeric_limits<double>::infinity()},
};
constexpr const char* kNotANumber = "nan";

Json NumberToJson(double value) {
  for (const auto& [name, named] : kNamedNumbers) {
    if (value == named) return name;
  }
  if (std::isnan(value)) return kNotANumber;
  return value;
}

double NumberFrom(const Json& json) {
  for (const auto& [name, named] : kNamedNumbers) {
    if (json == name) return named;
  }
  if (json == kNotANumber) return std::numeric_limits<double>::quiet_NaN();
  if (!json.is_number()) throw Misfit{"holds " + json.dump() + " in place of a number"};
  return json.get<double>();
}

int64_t CountFrom(const Json& json) {
  constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!json.is_number_unsigned() || json.get<uint64_t>() > kMost) {
    throw Misfit{"holds " + json.dump() + " as a count"};
  }
  return json.get<int64_t>();
}

std::string TextFrom(const Json& json) {
  if (!json.is_string()) throw Misfit{"holds " + json.dump() + " in place of text"};
  return json.get<std::string>();
}

void CheckKeys(const Json& json, const std::set<std::string>& wanted) {
  if (!json.is_object()) throw Misfit{"is no object"};
  std::set<std::string> found;
  for (const auto& [key, value] : json.items()) found.insert(key);
  if (found != wanted) throw Misfit{"has other keys than this program writes"};
}

Json ToJson(const NetworkMeasures& network) {
  Json json = Json::object();
  for (const MeasureColumn& column : MeasureColumns()) {
    if (const auto value = network.*column.member) json[column.key] = NumberToJson(*value);
  }
  return json;
}

NetworkMeasures NetworkFrom(const Json& json) {
  if (!json.is_object()) throw Misfit{"has measures that are no object"};
  NetworkMeasures network;
  size_t num_known = 0;
  for (const MeasureColumn& column : MeasureColumns()) {
    if (!json.contains(column.key)) continue;
    network.*column.member = NumberFrom(json[column.key]);
    ++num_known;
  }
  if (num_known != json.size()) throw Misfit{"has a measure that this program does not know"};
  return network;
}

Json ToJson(const std::string& key, const ComparisonRun& run) {
  Json json = {
      {"run", key},
      {"failure", run.failure},
      {"network", ToJson(run.network)},
      {"transformed", Json::array()},
      {"local_loss", NumberToJson(run.local_loss)},
      {"num_layers", run.num_layers},
      {"num_above_nearest", run.num_above_nearest},
      {"num_rows_above_nearest", run.num_rows_above_nearest},
      {"num_held_out_samples", run.num_held_out_samples},
      {"grids", run.grids},
      {"solve_seconds", run.solve_seconds},
      {"forward_seconds", run.forward_seconds},
      {"peak_bytes", run.peak_bytes},
      {"peak_is_own", run.peak_is_own},
  };
  for (const TransformedNetwork& step : run.transformed) {
    json["transformed"].push_back(
        {{"step", step.step}, {"detail", step.detail}, {"network", ToJson(step.network)}});
  }
  return json;
}

std::pair<std::string, ComparisonRun> RunFrom(const Json& json) {
  CheckKeys(json, {"run", "failure", "network", "transformed", "local_loss", "num_layers",
                   "num_above_nearest", "num_rows_above_nearest", "num_held_out_samples", "grids",
                   "solve_seconds", "forward_seconds", "peak_bytes", "peak_is_own"});
  ComparisonRun run;
  run.failure = TextFrom(json["failure"]);
  run.network = NetworkFrom(json["network"]);
  if (!json["transformed"].is_array()) throw Misfit{"has steps that are no list"};
  for (const Json& step : json["transformed"]) {
    CheckKeys(step, {"step", "detail", "network"});
    run.transformed.push_back(
        {TextFrom(step["step"]), TextFrom(step["detail"]), NetworkFrom(step["network"])});
  }
  run.local_loss = NumberFrom(json["local_loss"]);
  run.num_layers = CountFrom(json["num_layers"]);
  run.num_above_nearest = CountFrom(json["num_above_nearest"]);
  run.num_rows_above_nearest = CountFrom(json["num_rows_above_nearest"]);
  run.num_held_out_samples = CountFrom(json["num_held_out_samples"]);
  run.grids = TextFrom(json["grids"]);
  run.solve_seconds = NumberFrom(json["solve_seconds"]);
  run.forward_seconds = NumberFrom(json["forward_seconds"]);
  run.peak_bytes = CountFrom(json["peak_bytes"]);
  if (!json["peak_is_own"].is_boolean()) throw Misfit{"has a peak_is_own that is no truth value"};
  run.peak_is_own = json["peak_is_own"].get<bool>();
  return {TextFrom(json["run"]), std::move(run)};
}

// "model_sha256 was '1f..', is '2e..'; ..."
std::string Differences(const std::map<std::string, std::string>& then,
                        const std::map<std::string, std::string>& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : then) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  const auto shown = [](const std::map<std::string, std::string>& inputs, const std::string& name) {
    const auto found = inputs.find(name);
    return found == inputs.end() ? std::string("not given")
                                 : "'" + Printable(found->second, 80) + "'";
  };
  std::string text;
  for (const std::string& name : names) {
    const auto before = then.find(name);
    const auto after = now.find(name);
    if (before != then.end() && after != now.end() && before->second == after->second) continue;
    text += (text.empty() ? "" : "; ") + Printable(name) + " was " + shown(then, name) + ", is " +
            shown(now, name);
  }
  return text;
}

}  // namespace

ComparisonJournal::ComparisonJournal(const std::filesystem::path& path,
                                     std::map<std::string, std::string> inputs)
    : journal_(path), inputs_(std::move(inputs)) {
  for (size_t i = 0; i < journal_.records().size(); ++i) {
    try {
      ReadRecord(i);
    } catch (const Misfit& misfit) {
      throw Error(ErrorCode::kMalformed, Printable(path.string(), 4096) + ": line " +
                                             std::to_string(i + 1) + " " +
                                             Printable(misfit.what, 400) +
                                             "; --force starts afresh");
    }
  }
  num_found_ = static_cast<int64_t>(runs_.size());
}

void ComparisonJournal::ReadRecord(size_t line) {
  const Json json = Parse(journal_.records()[line]);
  if (line > 0) {
    if (!runs_.insert(RunFrom(json)).second) throw Misfit{"repeats a run"};
    return;
  }
  CheckKeys(json, {"format", "version", "inputs"});
  if (json["format"] != kFormat || json["version"] != 1) {
    throw Misfit{"is not the beginning of a comparison's journal, version 1"};
  }
  std::map<std::string, std::string> then;
  if (!json["inputs"].is_object()) throw Misfit{"has inputs that are no object"};
  for (const auto& [name, value] : json["inputs"].items()) then[name] = TextFrom(value);
  const std::string differences = Differences(then, inputs_);
  if (differences.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              Printable(journal_.path().string(), 4096) +
                  ": the interrupted comparison was made from something else: " + differences +
                  "; restore it, or start afresh with --force");
}

const ComparisonRun* ComparisonJournal::Find(const std::string& key) const {
  const auto found = runs_.find(key);
  return found == runs_.end() ? nullptr : &found->second;
}

void ComparisonJournal::Append(const std::string& key, const ComparisonRun& run) {
  const auto text = [](const Json& json) {
    return json.dump(-1, ' ', true, Json::error_handler_t::replace);
  };
  if (journal_.records().empty()) {
    journal_.Append(text({{"format", kFormat}, {"version", 1}, {"inputs", inputs_}}));
  }
  journal_.Append(text(ToJson(key, run)));
  runs_.emplace(key, run);
}

}  // namespace adaround::cli
