#include "adaround/io/run_journal.h"

#include <utility>

#include "adaround/base/error.h"
#include "adaround/io/input_differences.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

using Inputs = std::map<std::string, std::string>;

constexpr int64_t kVersion = 1;

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
  const std::string differences = InputDifferences(then, inputs_);
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
