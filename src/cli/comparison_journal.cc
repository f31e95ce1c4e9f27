#include "cli/comparison_journal.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "adaround/base/error.h"

namespace adaround::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "adaround-comparison-journal";

// Our own complaint about a record; the caller knows file and line.
struct Misfit {
  std::string what;
};

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

}  // namespace

ComparisonJournal::ComparisonJournal(const std::filesystem::path& path,
                                     std::map<std::string, std::string> inputs)
    : journal_(path, kFormat, std::move(inputs)) {
  for (size_t i = 0; i < journal_.records().size(); ++i) {
    try {
      if (!runs_.insert(RunFrom(Json::parse(journal_.records()[i]))).second) {
        throw Misfit{"repeats a run"};
      }
    } catch (const Misfit& misfit) {
      throw Error(ErrorCode::kMalformed, Printable(path.string(), 4096) + ": line " +
                                             std::to_string(RunJournal::LineOf(i)) + " " +
                                             Printable(misfit.what, 400) +
                                             "; --force starts afresh");
    }
  }
  num_found_ = static_cast<int64_t>(runs_.size());
}

const ComparisonRun* ComparisonJournal::Find(const std::string& key) const {
  const auto found = runs_.find(key);
  return found == runs_.end() ? nullptr : &found->second;
}

void ComparisonJournal::Append(const std::string& key, const ComparisonRun& run) {
  journal_.Append(ToJson(key, run).dump(-1, ' ', true, Json::error_handler_t::replace));
  runs_.emplace(key, run);
}

}  // namespace adaround::cli
