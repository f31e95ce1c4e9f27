#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <new>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/batch_manifest.h"
#include "adaround/io/result_report.h"
#include "adaround/report/batch_report.h"
#include "cli/batch_plan.h"
#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/first_failure.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"
#include "cli/path_names.h"
#include "cli/progress_display.h"
#include "cli/shard_option.h"
#include "cli/shell_words.h"

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

void SetFailure(int exit_code, const std::string& message, BatchRow& row) {
  row.status = exit_code == kExitGate ? BatchStatus::kGateMissed : BatchStatus::kFailed;
  row.exit_code = exit_code;
  row.message = message;
  LogError(Printable(row.name) + ": " + message);
}

// Whatever becomes of the model, but for a user who wants an end.
void RunItem(const BatchItem& item, BatchRow& row) {
  const Clock::time_point start = Clock::now();
  QuantizeCall call;
  try {
    CLI::App app;
    AddQuantizeCommand(app, &call);
    app.parse(std::vector<std::string>(item.words.rbegin(), item.words.rend()));
    row.status = call.was_complete ? BatchStatus::kComplete : BatchStatus::kDone;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    SetFailure(ExitCodeOf(error.code()), error.what(), row);
  } catch (const std::bad_alloc&) {
    SetFailure(kExitInternal, "out of memory; memory-limit keeps activations on disk", row);
  } catch (const std::exception& error) {
    SetFailure(kExitInternal, std::string("internal failure: ") + error.what(), row);
  }
  SetLiveLine("");
  row.output = call.output;
  row.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  if (call.is_complete) row.result = ReadFinishedResult(call.output).summary;
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

void PrintPlan(const std::vector<BatchItem>& items) {
  for (const BatchItem& item : items) {
    std::cout << "adaround " << ShellLine(item.words) << "\n";
  }
}

void RunBatch(BatchArguments arguments) {
  const Clock::time_point start = Clock::now();
  LogOptions log = arguments.common.log;
  for (std::string* path :
       {&arguments.report, &arguments.junit, &log.file, &arguments.common.config}) {
    if (!path->empty()) *path = fs::absolute(*path).string();
  }
  const Shard shard = ParseShard(arguments.shard);
  const std::string file = Printable(arguments.manifest, 4096);
  const BatchManifest manifest = ReadBatchManifest(arguments.manifest);
  // Paths in the manifest mean the same wherever the program is called.
  const fs::path folder = fs::absolute(arguments.manifest).parent_path();
  std::error_code failure;
  fs::current_path(folder, failure);
  if (failure) {
    throw Error(ErrorCode::kIo, Printable(folder.string(), 4096) + ": cannot be entered: " +
                                    failure.message() + "; check its permissions");
  }
  const std::string read = (folder / fs::path(arguments.manifest).filename()).string();
  const std::vector<BatchItem> items =
      PlanBatch(manifest, file, read, arguments.force, arguments.common.threads);
  std::vector<std::string> places;
  std::vector<std::string> files = {read, arguments.common.config};
  for (const BatchItem& item : items) {
    places.insert(places.end(), item.inputs.begin(), item.inputs.end());
    places.push_back(item.output);
    places.push_back(BesideOutput(item.output, ".partial").string());
    for (const GivenFile& beside : item.files) files.push_back(beside.path);
  }
  const std::pair<const char*, const std::string&> written[] = {
      {"--log-file", log.file}, {"--report", arguments.report}, {"--junit", arguments.junit}};
  for (const auto& [option, path] : written) {
    CheckOutputFile(option, path, places, true, files);
    files.push_back(path);
  }
  // What was interrupted goes on by the same command.
  SetUpLog(log, !arguments.force);
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
