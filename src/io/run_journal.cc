#include "adaround/io/run_journal.h"

#include <set>
#include <utility>

#include "adaround/base/error.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

using Inputs = std::map<std::string, std::string>;

constexpr int64_t kVersion = 1;

// "model_sha256 was '1f..', is '2e..'; ..."; "" where there are none.
std::string Differences(const Inputs& then, const Inputs& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : then) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  const auto shown = [](const Inputs& inputs, const std::string& name) {
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

RunJournal::RunJournal(const std::filesystem::path& path, std::string format, Inputs inputs)
    : journal_(path), format_(std::move(format)), inputs_(std::move(inputs)) {
  if (journal_.records().empty()) return;
  try {
    CheckFirstRecord();
    for (size_t i = 1; i < journal_.records().size(); ++i) {
      ParseStrictJson(journal_.records()[i], PlaceOf(i));
    }
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kMalformed) throw;
    throw Error(error.code(), std::string(error.what()) + "; --force starts afresh");
  }
  records_.assign(journal_.records().begin() + 1, journal_.records().end());
}

// "FILE: line 1", in messages.
std::string RunJournal::PlaceOf(size_t index) const {
  return Printable(path().string(), 4096) + ": line " + std::to_string(index + 1);
}

void RunJournal::CheckFirstRecord() const {
  const std::string file = PlaceOf(0);
  const nlohmann::json document = ParseStrictJson(journal_.records().front(), file);
  const JsonView root(document, file);
  root.CheckKeys({"format", "version", "inputs"}, {});
  if (root.At("format").AsString() != format_) {
    root.At("format").FailMalformed("is '" + Printable(root.At("format").AsString()) +
                                    "', wanted '" + format_ + "'");
  }
  root.At("version").AsInt(kVersion, kVersion);
  const JsonView inputs = root.At("inputs");
  inputs.CheckObject();
  Inputs then;
  for (const auto& [name, unused] : inputs.value().items()) {
    then.emplace(name, inputs.At(name).AsString());
  }
  const std::string differences = Differences(then, inputs_);
  if (differences.empty()) return;
  throw Error(ErrorCode::kInvalidArgument,
              Printable(path().string(), 4096) +
                  ": the interrupted run was made from something else: " + differences +
                  "; restore it, or start afresh with --force");
}

void RunJournal::Begin() {
  if (!journal_.records().empty()) return;
  const nlohmann::ordered_json first = {
      {"format", format_}, {"version", kVersion}, {"inputs", inputs_}};
  journal_.Append(first.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

void RunJournal::Append(const std::string& record) {
  Begin();
  journal_.Append(record);
  records_.push_back(record);
}

}  // namespace adaround
