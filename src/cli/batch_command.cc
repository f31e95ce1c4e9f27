#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <set>
#include <string_view>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/batch_manifest.h"
#include "adaround/io/result_report.h"
#include "adaround/pipeline/quantize.h"
#include "adaround/report/batch_report.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/first_failure.h"
#include "cli/option_binding.h"
#include "cli/option_sources.h"
#include "cli/output_checks.h"
#include "cli/progress_display.h"
#include "cli/shard_option.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

struct BatchArguments {
  std::string manifest;
  std::string report;
  std::string junit;
  std::string shard;
  bool force = false;
  bool fail_fast = false;
  bool dry_run = false;
  CommonOptions common;
};

// One run of `quantize`.
struct BatchItem {
  std::string name;
  std::string model;
  std::vector<std::string> words;   // its command line
  std::vector<std::string> places;  // files and folders that it reads or writes
};

// Options that name what a model's run reads or writes.
constexpr const char* kPlaces[] = {"model", "calib", "data", "labels", "calib-labels", "plan",
                                   "output", "report", "html", "save-plan"};

// Options that are the batch's own.
const std::set<std::string> kOwnOptions = {"model",   "force",    "resume",   "dry-run", "json",
                                           "verbose", "quiet",    "log-file", "progress",
                                           "threads", "no-color", "config",
                                           "shard",   "merge-shards"};

std::vector<std::string> Glob(const std::string& pattern, const std::string& place) {
  glob_t found = {};
  const int failure = glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (failure != 0 || paths.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                place + ": no file matches '" + Printable(pattern) +
                    "'; patterns are relative to the manifest's folder");
  }
  return paths;
}

// The model's file name without its ending; for NAME/model.json and NAME/, NAME.
std::string StemOf(const std::string& model) {
  fs::path path = fs::path(model).lexically_normal();
  if (path.filename().empty()) path = path.parent_path();
  if (path.filename() == "model.json") path = path.parent_path();
  if (fs::is_directory(path)) return fs::weakly_canonical(path).filename().string();
  return path.stem().string();
}

using Options = std::map<std::string, ManifestOption>;

std::string ResultName(const ManifestEntry& entry, const std::string& model,
                       const Options& options) {
  if (entry.name) return *entry.name;
  const auto bits = options.find("bits");
  const bool is_told = bits != options.end() && bits->second.values.size() == 1;
  return StemOf(model) + "-w" +
         (is_told ? bits->second.values.front() : std::to_string(QuantizeOptions{}.bits));
}

// A result's folder is replaced as a whole: no other result lies in it.
void CheckApart(const std::set<std::string>& outputs, const std::string& file) {
  for (const std::string& output : outputs) {
    if (outputs.contains(output + ".partial")) {
      throw Error(ErrorCode::kInvalidArgument,
                  file + ": '" + Printable(output + ".partial", 1000) + "' is where the result '" +
                      Printable(output, 1000) +
                      "' is made; give one of the two models another \"output\"");
    }
    for (fs::path above = fs::path(output).parent_path(); above.has_relative_path();
         above = above.parent_path()) {
      if (!outputs.contains(above.string())) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  file + ": '" + Printable(output, 1000) + "' would lie in '" +
                      Printable(above.string(), 1000) +
                      "', the result of another model; give one of them another \"output\"");
    }
  }
}

// A file that a model's run writes beside its result is no other model's; `files` has those so far.
void CheckOwnFile(const GivenOption& option, const std::string& place,
                  std::set<std::string>& files) {
  if (option.name != "report" && option.name != "html" && option.name != "save-plan") return;
  for (const std::string& file : option.values) {
    std::error_code error;
    const bool is_special = fs::exists(file, error) && !fs::is_regular_file(file, error);
    if (file.empty() || is_special) continue;
    if (files.insert(fs::weakly_canonical(fs::absolute(file)).string()).second) continue;
    throw Error(ErrorCode::kInvalidArgument,
                place + ": two models would write '" + Printable(file, 1000) + "'; give each \"" +
                    option.name + "\" of its own");
  }
}

std::vector<BatchItem> PlanItems(const BatchArguments& arguments, const BatchManifest& manifest,
                                 const std::string& file) {
  std::vector<BatchItem> items;
  std::set<std::string> outputs;
  std::set<std::string> files;
  for (const ManifestEntry& entry : manifest.entries) {
    const std::string place = file + ": " + entry.place;
    Options options = entry.options;
    options.insert(manifest.options.begin(), manifest.options.end());
    const std::vector<std::string> models =
        entry.is_glob ? Glob(entry.path, place) : std::vector<std::string>{entry.path};
    for (const std::string& found : models) {
      const std::string model = found.starts_with("-") ? "./" + found : found;  // is no option
      std::vector<GivenOption> given = {{"model", {model}, false, place}};
      // The model's own first: they come before those that they exclude.
      for (const Options* part : {&entry.options, &manifest.options}) {
        for (const auto& [name, option] : *part) {
          if (kOwnOptions.contains(name)) {
            throw Error(ErrorCode::kInvalidArgument,
                        place + ": '" + Printable(name) +
                            "' is not a model's own: give it to `adaround batch`, or run the model "
                            "with `adaround quantize`");
          }
          if (part == &manifest.options && entry.options.contains(name)) continue;
          given.push_back({name, option.values, option.is_list, place});
        }
      }
      const std::string name = ResultName(entry, model, options);
      const auto told = options.find("output");
      std::string output = (fs::path(manifest.output) / name).string();
      if (told == options.end()) {
        given.push_back({"output", {output}, false, place});
      } else if (!told->second.values.empty()) {
        output = told->second.values.front();
      }
      if (!outputs.insert(fs::weakly_canonical(fs::absolute(output)).string()).second) {
        throw Error(ErrorCode::kInvalidArgument,
                    place + ": two models would be written to '" + Printable(output) +
                        "'; give one of them a \"name\", or an \"output\" among its options");
      }
      given.push_back({"resume", {"true"}, false, place});
      given.push_back({"force", {arguments.force ? "true" : "false"}, false, place});
      given.push_back({"threads", {std::to_string(arguments.common.threads)}, false, place});
      BatchItem item{name, model, WordsOf("quantize", given), {}};
      for (const GivenOption& option : given) {
        CheckOwnFile(option, place, files);
        const bool is_place = std::find(std::begin(kPlaces), std::end(kPlaces), option.name) !=
                              std::end(kPlaces);
        if (is_place) {
          item.places.insert(item.places.end(), option.values.begin(), option.values.end());
        }
      }
      items.push_back(std::move(item));
    }
  }
  CheckApart(outputs, file);
  return items;
}

// Before any work, so that the last model's options are not found wrong after hours.
void CheckItems(const std::vector<BatchItem>& items) {
  for (const BatchItem& item : items) {
    try {
      ParseOnly(*MakeCommandLine(), item.words);
    } catch (const CLI::ParseError& error) {
      throw Error(ErrorCode::kInvalidArgument,
                  "model '" + Printable(item.name) + "': " + Printable(error.what(), 1000));
    }
  }
}

void SetFailure(int exit_code, const std::string& message, BatchRow& row) {
  row.status = exit_code == kExitGate ? BatchStatus::kGateMissed : BatchStatus::kFailed;
  row.exit_code = exit_code;
  row.message = message;
  LogError(Printable(row.name) + ": " + message);
}

// Whatever becomes of the model, but for a user who wants an end.
void RunItem(const BatchItem& item, BatchRow& row) {
  const Clock::time_point start = Clock::now();
  QuantizeOutcome outcome;
  try {
    CLI::App app;
    AddQuantizeCommand(app, &outcome);
    app.parse(std::vector<std::string>(item.words.rbegin(), item.words.rend()));
    row.status = outcome.was_complete ? BatchStatus::kComplete : BatchStatus::kDone;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    SetFailure(ExitCodeOf(error.code()), error.what(), row);
  } catch (const std::bad_alloc&) {
    SetFailure(kExitInternal, "out of memory; memory-limit keeps activations on disk", row);
  } catch (const std::exception& error) {
    SetFailure(kExitInternal, std::string("internal failure: ") + error.what(), row);
  }
  SetLiveLine("");
  row.output = outcome.output;
  row.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (outcome.is_complete) row.result = ReadFinishedResult(outcome.output).summary;
}

void WriteReports(const BatchArguments& arguments, const BatchReport& report) {
  FirstFailure failure;
  if (!arguments.report.empty()) {
    failure.Attempt([&] { WriteFileAtomically(arguments.report, ToJson(report)); });
  }
  if (!arguments.junit.empty()) {
    failure.Attempt([&] { WriteFileAtomically(arguments.junit, ToJUnit(report)); });
  }
  std::cout << (arguments.common.json ? ToJson(report) : ToText(report));
  failure.ThrowIfAny();
}

// As a shell takes it for one word, whatever is in it.
std::string Quoted(const std::string& word) {
  const auto is_plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_-./,=:@%+").find(static_cast<char>(c)) !=
                                       std::string_view::npos;
  };
  if (!word.empty() && std::all_of(word.begin(), word.end(), is_plain)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void PrintPlan(const std::vector<BatchItem>& items) {
  for (const BatchItem& item : items) {
    std::string line = "adaround";
    for (const std::string& word : item.words) line += " " + Quoted(word);
    std::cout << Printable(line, 1 << 20) << "\n";
  }
}

void RunBatch(BatchArguments arguments) {
  const Clock::time_point start = Clock::now();
  for (std::string* path : {&arguments.report, &arguments.junit}) {
    if (!path->empty()) *path = fs::absolute(*path).string();
  }
  SetUpLog(arguments.common.log);
  const Shard shard = ParseShard(arguments.shard);
  const std::string file = Printable(arguments.manifest, 4096);
  const BatchManifest manifest = ReadBatchManifest(arguments.manifest);
  // Paths in the manifest mean the same wherever the program is called.
  const fs::path folder = fs::absolute(arguments.manifest).parent_path();
  std::error_code failure;
  fs::current_path(folder, failure);
  if (failure) {
    throw Error(ErrorCode::kIo, Printable(folder.string(), 4096) +
                                    ": cannot be entered: " + failure.message() +
                                    "; check its permissions");
  }
  const std::vector<BatchItem> items = PlanItems(arguments, manifest, file);
  CheckItems(items);
  std::vector<std::string> places;
  for (const BatchItem& item : items) {
    places.insert(places.end(), item.places.begin(), item.places.end());
  }
  const std::string read = (folder / fs::path(arguments.manifest).filename()).string();
  CheckOutputFile("--report", arguments.report, places, true, {read, arguments.junit});
  CheckOutputFile("--junit", arguments.junit, places, true, {read, arguments.report});
  if (arguments.dry_run) {
    PrintPlan(items);
    return;
  }
  fs::create_directories(manifest.output, failure);
  if (failure) {
    throw Error(ErrorCode::kIo, Printable(manifest.output, 4096) + ": cannot be made: " +
                                    failure.message() + "; check the path's permissions");
  }
  BatchReport report;
  report.manifest = arguments.manifest;
  for (const BatchItem& item : items) {
    BatchRow& row = report.rows.emplace_back();
    row.name = item.name;
    row.model = item.model;
  }
  bool stopped = false;
  for (size_t i = 0; i < items.size() && !stopped; ++i) {
    if (static_cast<int64_t>(i) % shard.count != shard.index - 1) continue;
    LogInfo(fmt::format("model {} of {}: {}", i + 1, items.size(), Printable(items[i].name)));
    try {
      RunItem(items[i], report.rows[i]);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kCancelled) throw;
      stopped = true;
    }
    if (arguments.fail_fast && report.NumFailed() > 0) break;
  }
  report.total_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  WriteReports(arguments, report);
  if (stopped) {
    throw Error(ErrorCode::kCancelled, "stopped on request; the same command goes on from there");
  }
  if (report.NumFailed() == 0) return;
  throw Error(ErrorCode::kBatch, fmt::format("{} of {} models failed: the table says why",
                                             report.NumFailed(), report.rows.size()));
}

}  // namespace

void AddBatchCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand("batch", "Quantize all models of a manifest");
  auto arguments = std::make_shared<BatchArguments>();
  command->add_option("manifest", arguments->manifest, "JSON file that names models and options")
      ->required()
      ->type_name("MANIFEST");
  command->add_flag("--force", arguments->force, "replace results that exist and are others")
      ->group("Output");
  command->add_flag("--fail-fast", arguments->fail_fast, "stop at the first model that fails")
      ->group("Output");
  command->add_flag("--dry-run", arguments->dry_run, "print each model's command line, and stop")
      ->group("Output");
  command->add_option("--report", arguments->report, "write the table as JSON here")
      ->type_name("FILE")
      ->group("Output");
  command->add_option("--junit", arguments->junit, "write the table as JUnit's XML here")
      ->type_name("FILE")
      ->group("Output");
  AddShardOption(*command, arguments->shard,
                 "run the I-th of N parts of the models alone, on machines that share a disk; "
                 "without it, a last run finds all complete and makes the table")
      ->group(kRunGroup);
  AddCommonOptions(*command, arguments->common);
  command->footer(
      "Paths in the manifest are relative to its folder. Results that are complete already are "
      "left alone, and what was interrupted goes on.\n\n"
      "Example of a manifest:\n"
      "  {\"format\": \"adaround-batch\", \"version\": 1, \"output\": \"quantized\",\n"
      "   \"options\": {\"bits\": 4, \"calib\": \"calib/\", \"min-sqnr\": 15},\n"
      "   \"models\": [{\"glob\": \"zoo/*.onnx\"},\n"
      "              {\"model\": \"net/model.json\", \"name\": \"net-w3\",\n"
      "               \"options\": {\"bits\": 3}}]}");
  command->callback([arguments] { RunBatch(*arguments); });
}

}  // namespace adaround::cli
