#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "adaround/base/build_info.h"
#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/labels.h"
#include "adaround/io/model_file.h"
#include "adaround/io/result_report.h"
#include "adaround/io/sha256.h"
#include "adaround/io/text_file.h"
#include "adaround/pipeline/comparison.h"
#include "adaround/report/comparison_report.h"
#include "adaround/report/run_report.h"
#include "cli/commands.h"
#include "cli/comparison_journal.h"
#include "cli/comparison_rows.h"
#include "cli/comparison_runner.h"
#include "cli/data_files.h"
#include "cli/data_options.h"
#include "cli/image_options.h"
#include "cli/log_sink.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"
#include "cli/path_names.h"
#include "cli/paper_tables.h"
#include "cli/progress_display.h"
#include "cli/run_inputs.h"
#include "cli/shell_words.h"

namespace adaround::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr const char* kFinishedFile = "compare.json";
constexpr const char* kJournalFile = "journal";
constexpr const char* kOwnCalibration = "calib";  // the name of --calib among the others

struct CompareArguments {
  std::string model;
  std::string calib;
  std::vector<std::string> other_calibs;
  std::vector<int64_t> calib_samples;
  std::string data;
  std::string labels;
  ImageOptions image;
  RowRequest rows;
  int64_t num_repeats = 1;
  std::string output;
  bool force = false;
  bool resume = false;
  bool dry_run = false;
  CommonOptions common;
};

std::vector<CalibrationChoice> Calibrations(const CompareArguments& arguments) {
  std::vector<CalibrationChoice> choices = {{kOwnCalibration, arguments.calib, {}, ""}};
  for (const std::string& other : arguments.other_calibs) {
    const size_t equals = other.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == other.size()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "--other-calib: '" + Printable(other) + "' is not NAME=PATH");
    }
    const std::string name = other.substr(0, equals);
    for (const CalibrationChoice& choice : choices) {
      if (choice.name != name) continue;
      throw Error(ErrorCode::kInvalidArgument,
                  "--other-calib: the name '" + Printable(name) + "' is taken");
    }
    choices.push_back({name, other.substr(equals + 1), {}, ""});
  }
  return choices;
}

// Everything but the rows that the results come from. What a row says itself is in its runs' keys.
std::map<std::string, std::string> InputsOf(const CLI::App& command,
                                            const QuantizeBinding& binding,
                                            const CompareArguments& arguments,
                                            const ComparisonSetup& setup) {
  std::map<std::string, std::string> inputs = {
      {"adaround_version", Version()},
      {"instruction_set", InstructionSet()},
      {"program_sha256", ProgramDigest()},
      {"model_sha256", setup.model_digest},
      {"seed", std::to_string(setup.base.seed)},
  };
  for (const CalibrationChoice& choice : setup.calibrations) {
    inputs["calibration_sha256 of " + choice.name] = choice.digest;
  }
  if (!arguments.data.empty()) inputs["data_sha256"] = CalibrationDigest(arguments.data);
  if (!arguments.labels.empty()) inputs["labels_sha256"] = CalibrationDigest(arguments.labels);
  std::map<std::string, std::vector<std::string>> set = binding.SetOptions();
  if (set.erase("--calib-labels") > 0) {
    inputs["calib_labels_sha256"] = CalibrationDigest(QuantizeBinding::CalibLabels({&binding}));
  }
  for (const auto& [flag, values] : set) {
    inputs["option " + flag] = JoinShellWords(values);
  }
  inputs.merge(GivenImageOptions(command));
  return inputs;
}

// Of all that the whole comparison depends on.
std::string FingerprintOfAll(std::map<std::string, std::string> inputs,
                             const ComparisonRunner& runner, int64_t num_repeats) {
  std::vector<std::string> rows = {std::to_string(num_repeats), std::to_string(runner.num_runs())};
  for (const ComparisonRow& row : runner.report().rows) {
    rows.insert(rows.end(), {row.table, row.label, row.options, row.scope, row.calibration,
                             std::to_string(row.num_calib_samples), row.note});
  }
  inputs["rows"] = JoinShellWords(rows);
  return FingerprintOf(inputs);
}

// What a run left that was killed while it tidied up behind its last step: never a journal, which
// may be another comparison's of the same inputs.
void RemoveRemains(const fs::path& output) {
  const fs::path partial = BesideOutput(output, ".partial");
  std::error_code error;
  if (!fs::exists(fs::symlink_status(partial, error))) return;
  try {
    const OutputDirectory directory(output, true, {kFinishedFile, kJournalFile, true});
  } catch (const Error&) {
    LogVerbose(Printable(partial.string(), 4096) + ": is not ours, and stays");
  }
}

void ThrowIfFailed(int64_t num_failed, int64_t num_runs) {
  if (num_failed == 0) return;
  throw Error(ErrorCode::kNumerical, fmt::format("{} of {} runs failed: the tables say why",
                                                 num_failed, num_runs));
}

void PrintPlan(const ComparisonRunner& runner) {
  for (const ComparisonRow& row : runner.report().rows) {
    std::cout << (row.table.empty() ? "" : row.table.substr(0, row.table.find(':')) + ": ")
              << Printable(row.label) << "  (" << row.scope << ", " << row.num_calib_samples
              << " samples of " << Printable(row.calibration) << ")  " << Printable(row.options)
              << (row.note.empty() ? "" : "  - " + row.note) << "\n";
  }
  std::cout << "rows: " << runner.report().rows.size() << ", runs: " << runner.num_runs() << "\n";
}

void WriteResults(const fs::path& folder, const ComparisonReport& report) {
  WriteFileAtomically(folder / "compare.csv", RunsToCsv(report));
  WriteFileAtomically(folder / "summary.csv", SummariesToCsv(report));
  WriteFileAtomically(folder / "compare.md", ToMarkdown(report));
  const std::vector<Scatter> scatters = FindScatters(report);
  for (size_t i = 0; i < scatters.size(); ++i) {
    const std::string name = i == 0 ? "scatter.svg" : fmt::format("scatter-{}.svg", i + 1);
    WriteFileAtomically(folder / name, ScatterToSvg(report, scatters[i]));
  }
  if (!scatters.empty()) {
    WriteFileAtomically(folder / "scatter.csv", ScatterToCsv(report, scatters));
  }
  WriteFileAtomically(folder / kFinishedFile, ToJson(report));
}

// Runs everything and fills the folder; a stop says what is kept.
ComparisonReport Compare(ComparisonRunner& runner, ComparisonBench& bench,
                         const std::map<std::string, std::string>& inputs,
                         const OutputDirectory& directory, int64_t data_bytes) {
  ProgressDisplay display;
  ComparisonJournal journal(directory.journal(), inputs);
  if (journal.num_found() > 0) {
    LogInfo(fmt::format("{} finished runs are in {}", journal.num_found(),
                        Printable(directory.journal().string(), 4096)));
  }
  try {
    const NetworkMeasures float_network = bench.MeasureFloat(&display);
    ComparisonReport report = runner.Run(bench, journal, directory.contents(), data_bytes, display);
    report.float_network = float_network;
    return report;
  } catch (const Error& error) {
    SetLiveLine("");
    const bool can_go_on = error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo;
    if (!can_go_on || !directory.HoldsJournal()) throw;
    throw Error(error.code(),
                std::string(error.what()) + "; what is finished is kept in " +
                    Printable(directory.partial().string(), 4096) +
                    ": the same command with --resume goes on from there");
  }
}

void RunCompare(const CLI::App& command, const CompareArguments& arguments,
                const QuantizeBinding& binding) {
  std::vector<CalibrationChoice> calibrations = Calibrations(arguments);
  std::vector<std::string> inputs = {arguments.model, arguments.data, arguments.labels};
  for (const CalibrationChoice& choice : calibrations) inputs.push_back(choice.path);
  ComparisonSetup setup;
  setup.rows = DefineRows(command, binding, arguments.rows);
  inputs.push_back(QuantizeBinding::CalibLabels({&binding}));
  for (const RowDefinition& row : setup.rows) inputs.push_back(row.calib_labels);
  const fs::path output =
      arguments.output.empty() ? StemOf(arguments.model) + "-compare" : arguments.output;
  std::vector<std::string> read_or_made = inputs;
  read_or_made.push_back(output.string());
  CheckLogFile(arguments.common, read_or_made);
  SetUpLog(arguments.common.log, arguments.resume);
  const SteadyClock::time_point start = SteadyClock::now();
  if (!arguments.labels.empty() && arguments.data.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--labels needs --data");
  }
  setup.base = binding.UncheckedOptions();
  setup.num_repeats = arguments.num_repeats;
  setup.amounts = arguments.calib_samples;
  const int num_threads = arguments.common.NumThreads();
  setup.base.num_threads = num_threads;
  for (RowDefinition& row : setup.rows) row.options.num_threads = num_threads;
  std::vector<std::string> read = inputs;
  read.push_back(arguments.common.config);
  CheckOutputFolder(output, read, false, kFinishedFile);

  setup.stamps = StampsOf(arguments.model, {inputs.begin() + 1, inputs.end()});
  const InputStamps stamps = setup.stamps;
  Graph graph = ReadFloatModel(arguments.model);
  ApplyImageOptions(arguments.image, graph);
  setup.model_digest = ModelDigest(arguments.model);
  for (CalibrationChoice& choice : calibrations) {
    choice.files = CalibrationFiles(choice.path);
    choice.digest = CalibrationDigest(choice.path);
  }
  setup.calibrations = calibrations;
  std::map<std::string, std::string> made_from =
      InputsOf(command, binding, arguments, setup);
  ComparisonRunner runner(graph, std::move(setup));
  if (runner.num_runs() == 0) {
    const ComparisonRow& row = runner.report().rows.front();
    throw Error(ErrorCode::kInvalidArgument, "nothing to compare: no row can run; row '" +
                                                 Printable(row.label) + "': " + row.note);
  }
  if (arguments.dry_run) {
    PrintPlan(runner);
    return;
  }

  std::optional<Labels> labels;
  std::unique_ptr<CalibrationSet> data;
  if (!arguments.data.empty()) {
    data = std::make_unique<CalibrationSet>(OpenCalibrationFiles(arguments.data, graph), graph);
    labels = ReadLabels(arguments.labels, arguments.data, graph);
    if (labels) CheckLabels(graph, *data, *labels);
  } else {
    data = std::make_unique<CalibrationSet>(
        CalibrationSet(OpenCalibrationFiles(arguments.calib, graph), graph)
            .Spread(runner.largest_amount()));
    if (ReachesOutput(graph, *data)) {
      made_from["evaluated_on"] = fmt::format("{} calibration samples", data->num_samples());
    } else {
      data.reset();
    }
  }
  const std::string fingerprint = FingerprintOfAll(made_from, runner, arguments.num_repeats);
  if (arguments.resume) {
    if (const auto num_failed = FindFailedRuns(output / kFinishedFile, fingerprint)) {
      RemoveRemains(output);
      LogInfo(Printable(output.string(), 4096) + ": is complete already");
      if (arguments.common.json) {
        std::cout << ReadTextFile(output / kFinishedFile, kMaxReportBytes);
      }
      ThrowIfFailed(*num_failed, runner.num_runs());
      return;
    }
  }
  OutputDirectory directory(output, arguments.force,
                            {kFinishedFile, kJournalFile, arguments.resume});
  ComparisonBench bench(graph, data.get(), labels ? &*labels : nullptr, num_threads);
  ComparisonReport report =
      Compare(runner, bench, made_from, directory, data ? data->cache_bytes() : 0);
  // Absolute, so that it means the same from any folder.
  report.model = fs::absolute(arguments.model).lexically_normal().string();
  report.fingerprint = fingerprint;
  report.inputs = made_from;
  report.num_threads = num_threads;
  report.notes = bench.notes();
  if (data) {
    report.evaluated_on = arguments.data.empty() ? "calibration samples" : "test samples";
    report.num_evaluated = data->num_samples();
  }
  report.total_seconds = std::chrono::duration<double>(SteadyClock::now() - start).count();
  WriteResults(directory.contents(), report);
  stamps.Check();
  directory.Commit();
  std::cout << (arguments.common.json ? ToJson(report) : ToText(report));
  LogInfo("wrote " + Printable(output.string()) + " in " + FormatSeconds(report.total_seconds));

  ThrowIfFailed(NumFailedRuns(report), runner.num_runs());
}

void AddDataOptions(CLI::App& command, CompareArguments& arguments) {
  AddModelArgument(command, arguments.model);
  AddCalibOption(command, arguments.calib);
  command
      .add_option("--other-calib", arguments.other_calibs,
                  "the same rows with other calibration samples, beside (repeatable)")
      ->type_name("NAME=PATH")
      ->allow_extra_args(false)
      ->group("Data");
  command
      .add_option("--calib-samples", arguments.calib_samples,
                  "use this many of them, spread evenly; several: each row with each; 0 = all")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->type_name("N[,N...]")
      ->allow_extra_args(false)
      ->group("Data");
  AddDataAndLabels(command, "samples to measure on (default: those of --calib)", arguments.data,
                   arguments.labels);
  AddImageOptions(command, arguments.image);
}

void AddRowOptions(CLI::App& command, CompareArguments& arguments) {
  RowRequest& rows = arguments.rows;
  command.add_option("--methods", rows.methods, "a row for each (see --list-methods)")
      ->delimiter(',')
      ->type_name("NAME[,NAME...]")
      ->allow_extra_args(false)
      ->group("Rows");
  command
      .add_option("--variant", rows.variants,
                  "a row with further options of `quantize`, quoted as in a shell (repeatable)")
      ->type_name("LABEL=OPTIONS")
      ->allow_extra_args(false)
      ->group("Rows");
  command.add_option("--table", rows.tables, "the rows of a table or figure of the paper")
      ->delimiter(',')
      ->check(CLI::IsMember(PaperTableNames()))
      ->allow_extra_args(false)
      ->group("Rows");
  command
      .add_option(
          "--scope", rows.scopes,
          "layers to quantize, or only the first; both: each row with each (default: what a "
          "table has, else all)")
      ->delimiter(',')
      ->check(CLI::IsMember({"all", "first"}))
      ->allow_extra_args(false)
      ->group("Rows");
  command
      .add_option("--repeats", arguments.num_repeats,
                  "runs of each row, with seeds from --seed upwards: means and standard deviations")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str()
      ->group("Rows");
  command
      .add_option("--stochastic-samples", rows.num_draws,
                  "draws of stochastic rounding per seed (default: 1, in table 1 and fig1 100)")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N")
      ->group("Rows");
}

}  // namespace

void AddCompareCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "compare", "Measure many ways to round one model, on the same data, side by side");
  auto arguments = std::make_shared<CompareArguments>();
  auto binding = std::make_shared<QuantizeBinding>(*command);
  AddDataOptions(*command, *arguments);
  AddRowOptions(*command, *arguments);
  command
      ->add_option("-o,--output", arguments->output, "folder to write (default: STEM-compare)")
      ->type_name("OUT")
      ->group("Output");
  command->add_flag("--force", arguments->force, "replace OUT, or what an interrupted run had done")
      ->group("Output");
  command
      ->add_flag("--resume", arguments->resume,
                 "go on from where an interrupted run stopped, in the log file too")
      ->group("Output");
  command->add_flag("--dry-run", arguments->dry_run, "list the rows, and stop")->group("Output");
  binding->AddAll();
  AddListMethods(*command);
  AddListPresets(*command);
  AddCommonOptions(*command, arguments->common);
  command->footer(
      "Options of `quantize` hold for all rows but where a row says otherwise. No layer falls "
      "back\n"
      "to nearest: the tables count where `quantize` would have. A row that fails is shown as\n"
      "failed, the others go on, and the exit code is 1. --resize, --crop and the other options\n"
      "about pictures hold for all data alike: --calib, --other-calib and --data.\n\n"
      "Examples:\n"
      "  adaround compare model.json --calib calib/ --data test/ --labels test_labels.npy \\\n"
      "      --granularity tensor --methods nearest,adaround \\\n"
      "      --variant \"min-max=--method adaround --range-estimator min-max\" --repeats 3\n"
      "  adaround compare model.json --calib calib/ --data test/ --labels test_labels.npy \\\n"
      "      --table 4,6");
  command->callback([command, arguments, binding] { RunCompare(*command, *arguments, *binding); });
}

}  // namespace adaround::cli
