#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <memory>
#include <tuple>

#include "adaround/base/error.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/labels.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/pipeline/sensitivity.h"
#include "adaround/report/html_report.h"
#include "adaround/report/sensitivity_report.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/data_options.h"
#include "cli/first_failure.h"
#include "cli/image_options.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"
#include "cli/progress_display.h"
#include "cli/report_rows.h"

namespace adaround::cli {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

struct AnalyzeArguments {
  std::string model;
  std::string calib;
  std::string data;
  std::string labels;
  std::string report;
  std::string csv;
  std::string html;
  std::string plan;
  std::string save_plan;
  ImageOptions image;
  std::optional<int64_t> calib_samples;
  std::optional<int64_t> eval_samples;
  SensitivityOptions sensitivity;
  bool force = false;
  CommonOptions common;
};

// A line per measured network, with the time that is left.
class AnalysisDisplay final : public SensitivityObserver {
 public:
  void OnProgress(const std::string& stage, int64_t done, int64_t total) override {
    display_.OnProgress(stage, done, total);
  }
  void OnWarning(const std::string& message) override { display_.OnWarning(message); }
  bool ShouldStop() const override { return display_.ShouldStop(); }
  void OnTransform(const TransformStep& step, const Graph& graph) override {
    display_.OnTransform(step, graph);
  }
  void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double) override {
    LogVerbose(LayerLine(layer, done, total));
    if (done == total) LogInfo(fmt::format("rounded {} layers", total));
  }
  void OnMeasured(const std::string& what, const Evaluation& evaluation, int64_t done,
                  int64_t total) override {
    const Clock::time_point now = Clock::now();
    if (!first_measured_) first_measured_ = now;
    std::string line = fmt::format("[{:>{}}/{}] {}", done, std::to_string(total).size(), total,
                                   Printable(what));
    const NetworkRow row = MakeNetworkRow("", evaluation);
    if (row.sqnr_db) line += fmt::format("  SQNR {:.2f} dB", *row.sqnr_db);
    line += fmt::format("  agreement {:.2f} %", *row.agreement);
    if (const auto accuracy = HeadlineAccuracy(evaluation)) {
      line += fmt::format("  {} {:.2f} %", row.miou ? "mIoU" : "top-1", *accuracy);
    }
    if (done > 1 && done < total) {
      const double elapsed = std::chrono::duration<double>(now - *first_measured_).count();
      const auto measured = static_cast<double>(done - 1);  // since the first
      line += fmt::format(
          "  (about {} left)",
          FormatSeconds(elapsed / measured * static_cast<double>(total - done)));
    }
    LogInfo(line);
  }

 private:
  ProgressDisplay display_;
  std::optional<Clock::time_point> first_measured_;
};

SensitivityReport MakeReport(const SensitivityResult& result) {
  SensitivityReport report;
  report.layers.resize(result.layers.size());
  for (const LayerSensitivity& layer : result.layers) {
    SensitivityRow row;
    row.name = layer.name;
    row.op = layer.op;
    row.sharing = layer.sharing;
    row.num_weights = layer.num_weights;
    row.bits = layer.bits;
    row.suggested_bits = layer.suggested_bits;
    row.rank_by_noise = layer.rank_by_noise;
    row.rank_by_accuracy = layer.rank_by_accuracy;
    row.alone = MakeNetworkRow("", layer.alone);
    row.all_but = MakeNetworkRow("", layer.all_but);
    report.layers[static_cast<size_t>(layer.rank_by_noise - 1)] = std::move(row);
  }
  if (const auto row = MakeReferenceRow(result.quantized)) report.networks.push_back(*row);
  report.networks.push_back(MakeNetworkRow("all layers", result.quantized));
  report.networks.push_back(MakeNetworkRow("suggestion", result.suggested));
  report.num_evaluated = result.quantized.num_samples;
  report.num_suggested = result.num_suggested;
  report.average_bits = result.average_bits;
  report.suggested_average_bits = result.suggested_average_bits;
  return report;
}

// No two outputs at one place, and none over an input.
void CheckOutputs(const AnalyzeArguments& arguments, const std::string& calib_labels) {
  const std::vector<std::string> inputs = {arguments.model, arguments.calib, arguments.data,
                                           arguments.labels, calib_labels};
  std::vector<std::string> files = {arguments.plan, arguments.common.config};
  const std::tuple<const char*, const std::string&, bool> outputs[] = {
      {"--log-file", arguments.common.log.file, true},
      {"--report", arguments.report, arguments.force},
      {"--csv", arguments.csv, arguments.force},
      {"--html", arguments.html, arguments.force},
      {"--save-plan", arguments.save_plan, arguments.force}};
  for (const auto& [option, path, replace] : outputs) {
    CheckOutputFile(option, path, inputs, replace, files);
    files.push_back(path);
  }
}

// How many of `available` samples to measure on.
int64_t EvaluationSamples(const AnalyzeArguments& arguments, const Graph& graph,
                          const CalibrationSet& samples, const QuantizeOptions& options,
                          int64_t available) {
  if (!arguments.eval_samples) {
    const QuantizePrediction prediction = PredictQuantization(graph, samples, options);
    return std::min(available, DefaultEvaluationSamples(prediction));
  }
  if (*arguments.eval_samples > available) {
    throw Error(ErrorCode::kInvalidArgument,
                "--eval-samples asks for " + std::to_string(*arguments.eval_samples) +
                    " samples, there are " + std::to_string(available));
  }
  return *arguments.eval_samples == 0 ? available : *arguments.eval_samples;
}

void RunAnalyze(const AnalyzeArguments& arguments, const QuantizeBinding& binding) {
  const std::string calib_labels = QuantizeBinding::CalibLabels({&binding});
  CheckOutputs(arguments, calib_labels);
  SetUpLog(arguments.common.log);
  const Clock::time_point start = Clock::now();
  std::vector<LayerPlan> plan;
  if (!arguments.plan.empty()) plan = ReadLayerPlan(arguments.plan);
  QuantizeOptions options = binding.Options(std::move(plan));
  options.num_threads = arguments.common.NumThreads();
  std::error_code failure;
  options.spill_directory = fs::temp_directory_path(failure);
  if (failure) {
    throw Error(ErrorCode::kIo, "no folder for temporary files: " + failure.message() +
                                    "; let TMPDIR name one that exists");
  }
  ThrowIfAny(ErrorCode::kInvalidArgument, options.Validate());
  ThrowIfAny(ErrorCode::kInvalidArgument, arguments.sensitivity.Validate());
  if (!arguments.labels.empty() && arguments.data.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--labels needs --data");
  }

  const InputStamps stamps = StampsOf(
      arguments.model, {arguments.calib, arguments.data, arguments.labels, calib_labels});
  Graph graph = ReadFloatModel(arguments.model);
  ApplyImageOptions(arguments.image, graph);
  const CalibrationSet samples =
      OpenCalibration(arguments.calib, graph, arguments.calib_samples, options);
  if (!calib_labels.empty()) {
    const Labels all = ReadCalibLabels(calib_labels, arguments.calib, graph);
    options.task_hessian.labels = SelectLabels(all, samples.indices());
    binding.CheckOptionsAreRead(options);
  }
  const std::string& data_path = arguments.data.empty() ? arguments.calib : arguments.data;
  std::optional<Labels> labels;
  const CalibrationSet all_data(OpenCalibrationFiles(data_path, graph), graph);
  if (!ReachesOutput(graph, all_data)) {
    throw Error(ErrorCode::kInvalidArgument,
                Printable(data_path) + " does not reach the network's output, at which layers' "
                                       "sensitivity is measured; give the network's inputs");
  }
  if (!arguments.data.empty()) labels = ReadLabels(arguments.labels, arguments.data, graph);
  if (labels) CheckLabels(graph, all_data, *labels);
  const CalibrationSet data = all_data.Spread(
      EvaluationSamples(arguments, graph, samples, options, all_data.num_samples()));
  if (labels) labels = SelectLabels(*labels, data.indices());
  options.caller_bytes = samples.cache_bytes() + data.cache_bytes();

  AnalysisDisplay display;
  const SensitivityResult result =
      AnalyzeSensitivity(graph, samples, data, labels ? &*labels : nullptr, options,
                         arguments.sensitivity, &display);
  SetLiveLine("");
  for (const std::string& note : result.quantized.notes) LogWarning(note);
  if (!result.target_reached) {
    LogWarning("the suggestion does not reach --target-sqnr; allow more with --budget-bits");
  }

  SensitivityReport report = MakeReport(result);
  report.model = fs::absolute(arguments.model).lexically_normal().string();
  report.method = options.method;
  report.num_samples = samples.num_samples();
  report.evaluated_on = arguments.data.empty() ? "calibration samples" : "test samples";
  report.total_seconds = std::chrono::duration<double>(Clock::now() - start).count();
  stamps.Check();
  FirstFailure unwritten;
  const auto write = [&](const std::string& path, const auto& text) {
    if (path.empty()) return;
    unwritten.Attempt([&] { WriteFileAtomically(path, text()); });
  };
  write(arguments.report, [&] { return ToJson(report); });
  write(arguments.csv, [&] { return ToCsv(report); });
  write(arguments.html, [&] { return ToHtml(report); });
  if (!arguments.save_plan.empty()) {
    unwritten.Attempt([&] { WriteLayerPlan(arguments.save_plan, result.plan); });
  }
  std::cout << (arguments.common.json ? ToJson(report) : ToText(report));
  unwritten.ThrowIfAny();
  if (!arguments.save_plan.empty()) {
    LogInfo("wrote " + Printable(arguments.save_plan) + ": `adaround quantize --plan` applies it");
  }
}

void AddData(CLI::App& command, AnalyzeArguments& arguments) {
  AddModelArgument(command, arguments.model);
  AddCalibOption(command, arguments.calib);
  AddCalibSamplesOption(command, arguments.calib_samples);
  AddDataAndLabels(command, "samples to measure on (default: those of --calib)", arguments.data,
                   arguments.labels);
  command
      .add_option("--eval-samples", arguments.eval_samples,
                  "measure on this many, spread evenly; 0 = all (default: 32 to 1,000, so that a "
                  "large network takes minutes)")
      ->check(CLI::NonNegativeNumber)
      ->group("Data");
  AddImageOptions(command, arguments.image);
}

void AddSuggestion(CLI::App& command, AnalyzeArguments& arguments) {
  const char* group = "Suggestion";
  command
      .add_option("--keep-bits", arguments.sensitivity.keep_bits,
                  "bits that the suggestion gives to sensitive layers")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--budget-bits", arguments.sensitivity.budget_bits,
                  fmt::format("bits that a weight may have on average (default: {:g} more than "
                              "without the suggestion)",
                              SensitivityOptions::kExtraBits))
      ->type_name("AVERAGE")
      ->group(group);
  command
      .add_option("--target-sqnr", arguments.sensitivity.target_sqnr_db,
                  "stop suggesting as soon as the network reaches this, in dB")
      ->type_name("DB")
      ->group(group);
}

}  // namespace

void AddAnalyzeCommand(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "analyze", "Measure how much each layer's rounding costs, and suggest where to spend bits");
  auto arguments = std::make_shared<AnalyzeArguments>();
  // Layers are told apart long before their rounding is at its best.
  auto binding = std::make_shared<QuantizeBinding>(*command, "fast");
  AddData(*command, *arguments);
  AddSuggestion(*command, *arguments);
  command->add_option("-o,--report", arguments->report, "write everything as JSON here")
      ->type_name("FILE")
      ->group("Output");
  command->add_option("--csv", arguments->csv, "write the table of layers here")
      ->type_name("FILE")
      ->group("Output");
  command->add_option("--html", arguments->html, "write a page with charts here")
      ->type_name("FILE")
      ->group("Output");
  command->add_flag("--force", arguments->force, "replace output files that exist")
      ->group("Output");
  binding->AddAll();
  command
      ->add_option("--plan", arguments->plan,
                   "what single layers differ in; in place of --include, --exclude and "
                   "--layer-bits")
      ->type_name("FILE")
      ->group("Layers");
  command
      ->add_option("--save-plan", arguments->save_plan,
                   "write the suggestion here, for `quantize --plan`")
      ->type_name("FILE")
      ->group("Layers");
  AddListMethods(*command);
  AddListPresets(*command);
  AddCommonOptions(*command, arguments->common);
  command->footer(
      "Suggested are layers in order of output noise, quantized alone, per byte that more bits\n"
      "would add, as many as the budget allows; the suggestion is then quantized and measured.\n\n"
      "Example:\n  adaround analyze model.json --bits 4 --calib calib/ --data test/ \\\n"
      "      --labels test_labels.npy --save-plan plan.json\n"
      "  adaround quantize model.json --bits 4 --calib calib/ --plan plan.json");
  command->callback([arguments, binding] { RunAnalyze(*arguments, *binding); });
}

}  // namespace adaround::cli
