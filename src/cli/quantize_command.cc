#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <tuple>

#include "adaround/base/error.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/input_differences.h"
#include "adaround/io/input_stamps.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/result_report.h"
#include "adaround/io/text_file.h"
#include "cli/data_files.h"
#include "cli/data_options.h"
#include "cli/export_formats.h"
#include "cli/method_options.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"
#include "cli/path_names.h"
#include "cli/progress_display.h"
#include "cli/quantize_run.h"
#include "cli/quantize_shards.h"
#include "cli/run_checkpoint.h"
#include "cli/run_inputs.h"
#include "cli/shard_option.h"
#include "cli/shell_words.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

void PrintPrediction(const QuantizePrediction& prediction, const CalibrationSet& samples) {
  // Measured on two cores with AVX-512: order of magnitude, to plan by.
  constexpr double kSecondsPerMac = 1.0 / 40e9;
  int64_t num_weights = 0;
  for (const LayerReport& layer : prediction.layers) {
    std::cout << Printable(layer.name) << "  " << layer.op << "  " << layer.num_rows << "x"
              << layer.row_length << "  " << layer.bits << " bits  " << layer.activation
              << (layer.shares_weight ? "  (shares an earlier layer's weight)" : "") << "\n";
    num_weights += layer.num_rows * layer.row_length;
  }
  for (const LeftLayer& left : prediction.left) {
    std::cout << "left: " << Printable(left.name) << " (" << left.op
              << "): " << Printable(left.reason) << "\n";
  }
  std::cout << "layers: " << prediction.layers.size() << " to quantize, " << prediction.left.size()
            << " left in float; " << num_weights << " weights; " << samples.num_samples()
            << " samples\n"
            << "weights: " << FormatBytes(prediction.float_bytes) << " -> "
            << FormatBytes(prediction.quantized_bytes) << "\n"
            << "forward passes: " << prediction.forward_macs / 1'000'000'000
            << " G multiply-accumulates\n"
            << "time: about "
            << FormatSeconds(
                   (static_cast<double>(prediction.forward_macs) + prediction.search_work) *
                   kSecondsPerMac)
            << "\npeak memory: about " << FormatBytes(prediction.peak_memory_bytes) << "\n";
  for (const std::string& warning : prediction.warnings) LogWarning(warning);
}

void PrintShards(const std::vector<ShardContents>& shards) {
  for (size_t i = 0; i < shards.size(); ++i) {
    std::cout << "shard " << i + 1 << "/" << shards.size() << "  "
              << fmt::format("{:.0f} %", 100.0 * shards[i].fraction) << " of the search";
    for (const ShardContents::Layer& layer : shards[i].layers) {
      std::cout << "\n  " << Printable(layer.name);
      for (const auto& [first, count] : layer.rows) {
        std::cout << "  rows " << first << "-" << first + count - 1;
      }
    }
    std::cout << "\n";
  }
}

// Null where no test data are given and the calibration samples do not reach the output.
std::unique_ptr<ReferenceOutputs> MakeFloatOutputs(const Graph& graph,
                                                   const CalibrationSet& measured,
                                                   bool is_test_data) {
  constexpr int64_t kMaxKeptBytes = int64_t{64} << 20;
  if (!is_test_data && !ReachesOutput(graph, measured)) return nullptr;
  if (graph.outputs.empty()) {
    throw Error(ErrorCode::kUnsupported, "the model has no output to be measured by --data");
  }
  return std::make_unique<ReferenceOutputs>(graph, graph.outputs.front(), measured, kMaxKeptBytes);
}

// Where no --data are given, the network is measured on calibration samples: on those that no
// search has seen, where they are enough to mean something.
MeasuredSamples ChooseMeasured(const CalibrationSet& calibration, const QuantizeOptions& options) {
  constexpr size_t kEnough = 25;
  const std::vector<int64_t> held_out = HeldOutSamples(calibration.num_samples(), options);
  if (held_out.size() < kEnough) return {calibration, "calibration samples"};
  return {calibration.Select(held_out), "held-out calibration samples"};
}

struct Measurement {
  std::unique_ptr<const MeasuredSamples> samples;  // which float_outputs refers to
  bool is_test_data = false;
  std::optional<Labels> labels = std::nullopt;
  std::unique_ptr<ReferenceOutputs> float_outputs = nullptr;  // null as MakeFloatOutputs says

  int64_t KeptBytes() const {
    return (is_test_data ? samples->samples.cache_bytes() : 0) +
           (float_outputs ? float_outputs->KeptBytes() : 0);
  }
};

// What the result is measured on. Throws Error where --data, --labels, --expect-float and the
// gates do not fit the network, or one another.
Measurement PrepareMeasurement(const QuantizeArguments& arguments, const Graph& graph,
                               const CalibrationSet& calibration, const QuantizeOptions& options) {
  const bool is_test_data = !arguments.data.empty();
  Measurement measurement;
  measurement.samples = std::make_unique<const MeasuredSamples>(
      is_test_data
          ? MeasuredSamples{CalibrationSet(OpenCalibrationFiles(arguments.data, graph), graph),
                            "test samples"}
          : ChooseMeasured(calibration, options));
  measurement.is_test_data = is_test_data;
  const CalibrationSet& samples = measurement.samples->samples;
  bool has_accuracy = false;
  if (is_test_data) {
    measurement.labels = ReadLabels(arguments.labels, arguments.data, graph);
    has_accuracy = measurement.labels && CheckLabels(graph, samples, *measurement.labels);
  }
  if (arguments.expect_float && !has_accuracy) {
    throw Error(ErrorCode::kInvalidArgument, "--expect-float needs labels: give --labels FILE");
  }
  measurement.float_outputs = MakeFloatOutputs(graph, samples, is_test_data);
  CheckGates(arguments.gates, has_accuracy, measurement.float_outputs != nullptr);
  return measurement;
}

// No two outputs at one place, and none over what is read.
void CheckOutputs(const QuantizeArguments& arguments, const std::string& calib_labels,
                  const fs::path& output) {
  std::vector<std::string> places = {arguments.model, arguments.calib, arguments.data,
                                     arguments.labels, calib_labels};
  std::vector<std::string> inputs = places;
  inputs.push_back(arguments.common.config);
  places.push_back(output.string());
  places.push_back(BesideOutput(output, ".partial").string());
  std::vector<std::string> files = {arguments.plan, arguments.common.config};
  // A run writes them once its result is in place: with --resume there may be some beside one.
  // A shard writes none but the log; a batch makes anew what its results lack.
  std::error_code error;
  const bool resumes = arguments.resume && fs::exists(output, error);
  const bool replaces = arguments.force || resumes || !arguments.shard.empty() ||
                        arguments.call != nullptr;
  const std::tuple<const char*, const std::string&, bool> outputs[] = {
      {"--log-file", arguments.common.log.file, true},
      {"--report", arguments.report, replaces},
      {"--html", arguments.html, replaces},
      {"--save-plan", arguments.save_plan, replaces}};
  for (const auto& [option, path, replace] : outputs) {
    CheckOutputFile(option, path, places, replace, files);
    files.push_back(path);
  }
  CheckOutputFolder(output, inputs);
  if (arguments.shard.empty()) return;
  CheckOutputFolder(ShardFolder(output, ParseShard(arguments.shard)), inputs, false,
                    CheckpointJournal());
}

// What the report depends on beside the search.
std::map<std::string, std::string> WithMeasures(std::map<std::string, std::string> inputs,
                                                const QuantizeArguments& arguments) {
  if (!arguments.data.empty()) inputs["data_sha256"] = CalibrationDigest(arguments.data);
  if (!arguments.labels.empty()) inputs["labels_sha256"] = CalibrationDigest(arguments.labels);
  inputs["baseline"] = arguments.baseline;
  inputs["formats"] = JoinShellWords(arguments.formats);
  inputs["verify"] = std::to_string(arguments.verify);
  const GateOptions& gates = arguments.gates;
  inputs["max_drop"] = gates.max_drop ? TextOf(*gates.max_drop) : "";
  inputs["min_sqnr"] = gates.min_sqnr ? TextOf(*gates.min_sqnr) : "";
  inputs["expect_float"] = arguments.expect_float ? TextOf(*arguments.expect_float) : "";
  inputs["fail_if_worse_than_baseline"] = gates.fail_if_worse_than_baseline ? "true" : "false";
  return inputs;
}

// What no option by itself is wrong about.
void CheckTogether(const QuantizeArguments& arguments, const QuantizeOptions& options) {
  ThrowIfAny(ErrorCode::kInvalidArgument, options.Validate());
  if (!arguments.labels.empty() && arguments.data.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--labels needs --data");
  }
  if (arguments.expect_float && !std::isfinite(*arguments.expect_float)) {
    throw Error(ErrorCode::kInvalidArgument, "--expect-float must be a finite number");
  }
  if (arguments.expect_float && arguments.data.empty()) {
    throw Error(ErrorCode::kInvalidArgument, "--expect-float needs --data with labels");
  }
  if (arguments.data.empty()) CheckGates(arguments.gates, false, true);
  bool runs = false;
  for (const std::string& name : arguments.formats) {
    runs = runs || FindExportFormat(name).runs != ExportFormat::Runs::kNot;
  }
  if (arguments.verify > 0 && !runs) {
    throw Error(ErrorCode::kInvalidArgument, "--verify needs --format onnx: a file to verify");
  }
}

// The float model with its preprocessing.
Graph ReadGraph(const QuantizeArguments& arguments) {
  Graph graph = ReadFloatModel(arguments.model);
  for (const Node& node : graph.nodes) {
    if (node.HasAttribute(kUnreadAttributes)) {
      LogWarning("node '" + Printable(node.name) + "' (" + Printable(node.op) +
                 ") is not read wholly: the result holds the layers around it, but not what it "
                 "computes");
    }
  }
  ApplyImageOptions(arguments.image, graph);
  return graph;
}

// An earlier run of the same command has done everything: says so, as a run would.
void LeaveComplete(const FinishedResult& finished, const QuantizeArguments& arguments,
                   const fs::path& output) {
  LogInfo(Printable(output.string(), 4096) + ": is complete already");
  if (arguments.call != nullptr) {
    arguments.call->is_complete = true;
    arguments.call->was_complete = true;
  }
  FirstFailure failure;
  WriteFilesBeside(arguments, output, failure);
  if (arguments.call == nullptr && arguments.common.json) {
    std::cout << ReadTextFile(output / kReport, kMaxReportBytes);
  }
  failure.ThrowIfAny();
  ThrowIfMissed(finished.missed_gates, output.string());
}

// A result is there, but not the one that is asked for.
[[noreturn]] void ThrowIsAnother(const fs::path& output,
                                 const std::map<std::string, std::string>& inputs) {
  const std::map<std::string, std::string> then = FindInputs(output);
  std::string why = then.empty() ? "" : InputDifferences(then, inputs);
  if (why.empty()) why = "one of its files was changed, or an export was left out";
  throw Error(ErrorCode::kInvalidArgument,
              Printable(output.string(), 4096) +
                  ": already exists, and is not what this command makes: " + why +
                  "; give --force to replace it, or another -o");
}

void RunQuantize(const CLI::App& command, const QuantizeArguments& arguments,
                 const QuantizeBinding& binding) {
  const std::string calib_labels = QuantizeBinding::CalibLabels({&binding});
  const auto start = std::chrono::steady_clock::now();
  const bool only_check = arguments.call != nullptr && arguments.call->only_check;
  std::vector<LayerPlan> plan;
  if (!arguments.plan.empty()) {
    try {
      plan = ReadLayerPlan(arguments.plan);
    } catch (const Error&) {
      if (only_check) return;  // what options act on is not known; the run says what is wrong
      throw;
    }
  }
  QuantizeOptions options = binding.Options(std::move(plan));
  options.num_threads = arguments.common.NumThreads();
  CheckTogether(arguments, options);
  if (only_check) return;
  const fs::path output = arguments.output.empty()
                              ? StemOf(arguments.model) + "-w" + std::to_string(options.bits)
                              : arguments.output;
  CheckOutputs(arguments, calib_labels, output);
  if (arguments.call == nullptr) SetUpLog(arguments.common.log, arguments.resume);
  if (arguments.call != nullptr) arguments.call->output = output.string();
  const Shard shard = ParseShard(arguments.shard);
  const int64_t merged = arguments.merge_shards.value_or(0);

  const InputStamps stamps = StampsOf(
      arguments.model, {arguments.calib, arguments.data, arguments.labels, calib_labels});
  const Graph graph = ReadGraph(arguments);
  const CalibrationSet samples =
      OpenCalibration(arguments.calib, graph, arguments.calib_samples, options);
  if (arguments.image.SetsValues() && !samples.applies_preprocess()) {
    LogWarning("--scale, --mean and --std have no effect: --calib holds no pixels");
  }
  if (!calib_labels.empty()) {
    const Labels all = ReadCalibLabels(calib_labels, arguments.calib, graph);
    options.task_hessian.labels = SelectLabels(all, samples.indices());
    binding.CheckOptionsAreRead(options);
  }
  // Before any work, whoever does it: a shard measures nothing, but its command is the merge's.
  const Measurement measurement = PrepareMeasurement(arguments, graph, samples, options);
  if (arguments.dry_run) {
    PrintPrediction(PredictQuantization(graph, samples, options), samples);
    if (const int64_t count = arguments.shard.empty() ? merged : shard.count; count > 0) {
      PrintShards(PredictShards(graph, samples, options, count));
    }
    return;
  }
  const SourceDigests digests = {ModelDigest(arguments.model), CalibrationDigest(arguments.calib),
                                 calib_labels.empty() ? "" : CalibrationDigest(calib_labels)};
  std::map<std::string, std::string> inputs = Provenance(digests, options, samples.num_samples());
  inputs["program_sha256"] = ProgramDigest();
  inputs.merge(GivenImageOptions(command));
  std::map<std::string, std::string> shard_inputs = inputs;
  shard_inputs["processor"] = ProcessorName();
  if (!arguments.shard.empty()) {
    options.caller_bytes = samples.cache_bytes();
    RunShard({shard, arguments.force, arguments.resume}, output, shard_inputs, graph, samples,
             options, stamps);
    return;
  }
  options.caller_bytes = samples.cache_bytes() + measurement.KeptBytes();
  std::map<std::string, std::string> checkpoint_inputs = shard_inputs;
  // Parts of another number are cut otherwise.
  if (merged > 0) checkpoint_inputs["merge_shards"] = std::to_string(merged);
  const std::map<std::string, std::string> all_inputs = WithMeasures(inputs, arguments);
  if (arguments.resume) {
    if (const auto finished = FindFinishedResult(output, FingerprintOf(all_inputs))) {
      RemoveOwnCheckpoint(output, checkpoint_inputs);
      LeaveComplete(*finished, arguments, output);
      return;
    }
    std::error_code ignored;
    if (!arguments.force && fs::exists(output / kReport, ignored)) {
      ThrowIsAnother(output, all_inputs);
    }
  }
  std::vector<std::unique_ptr<Checkpoint>> shards;
  if (merged > 0) {
    shards = OpenShards(output, PredictShards(graph, samples, options, merged), shard_inputs);
  }
  OutputDirectory directory(output, arguments.force,
                            {kFinishedFile, CheckpointJournal(), arguments.resume});
  options.spill_directory = directory.contents();
  const QuantizeRun run = {arguments,
                           options,
                           graph,
                           samples,
                           *measurement.samples,
                           measurement.labels ? &*measurement.labels : nullptr,
                           measurement.float_outputs.get(),
                           digests,
                           all_inputs,
                           output,
                           start,
                           stamps};
  WithCheckpoint(directory, checkpoint_inputs, arguments.force, [&](Checkpoint& checkpoint) {
    checkpoint.SetGuard([&stamps] { stamps.Check(); });
    for (const auto& found : shards) checkpoint.AddAllOf(*found);
    BuildResult(run, checkpoint, directory);
  });
}

}  // namespace

void AddQuantizeCommand(CLI::App& app, QuantizeCall* call) {
  CLI::App* command =
      app.add_subcommand("quantize", "Round a model's weights and write integers and scales");
  auto arguments = std::make_shared<QuantizeArguments>();
  arguments->call = call;
  auto binding = std::make_shared<QuantizeBinding>(*command);
  AddModelArgument(*command, arguments->model);
  AddCalibOption(*command, arguments->calib);
  AddCalibSamplesOption(*command, arguments->calib_samples);
  AddDataAndLabels(*command, "samples to measure the result on", arguments->data,
                   arguments->labels);
  AddImageOptions(*command, arguments->image);
  AddGateOptions(*command, arguments->gates);
  command
      ->add_option(
          "--expect-float", arguments->expect_float,
          "accuracy in percent that the float model must about reach on --data, else exit 4")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PERCENT")
      ->group("Data");
  command->add_option("--format", arguments->formats, "also write: " + ExportFormatHelp())
      ->delimiter(',')
      ->check(CLI::IsMember(ExportFormatNames()))
      ->type_name("LIST")
      ->group("Output");
  command
      ->add_option("--verify", arguments->verify,
                   "read exports back and compare outputs on this many samples; 0 = none")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str()
      ->group("Output");
  command->add_option("-o,--output", arguments->output, "folder to write (default: STEM-wBITS)")
      ->type_name("OUT")
      ->group("Output");
  command->add_flag("--force", arguments->force, "replace OUT where it exists")->group("Output");
  command
      ->add_flag("--resume", arguments->resume,
                 "go on from what an interrupted run of the same command finished, in the log "
                 "file too")
      ->group("Output");
  AddShardOption(*command, arguments->shard,
                 "search part I of N of the layers, and of rows of large ones, and leave them in "
                 "OUT.shard-I-of-N; what measures, exports and reports is checked, and used when "
                 "they are merged")
      ->group("Output");
  command
      ->add_option("--merge-shards", arguments->merge_shards,
                   "take what N shards of the same command found, and go on from there")
      ->check(CLI::Range(int64_t{1}, kMaxShards))
      ->excludes("--shard")
      ->type_name("N")
      ->group("Output");
  command->add_option("--report", arguments->report, "also write report.json here")
      ->type_name("FILE")
      ->group("Output");
  command->add_option("--html", arguments->html, "also write the report as a page here")
      ->type_name("FILE")
      ->group("Output");
  command
      ->add_option("--plan", arguments->plan,
                   "what single layers differ in: a file of --save-plan or of `analyze`, to be "
                   "edited; in place of --include, --exclude and --layer-bits")
      ->type_name("FILE")
      ->group("Layers");
  command
      ->add_option("--save-plan", arguments->save_plan,
                   "write what was decided for each layer here")
      ->type_name("FILE")
      ->group("Layers");
  command
      ->add_option("--baseline", arguments->baseline,
                   "also round to nearest on the same grids and show both")
      ->check(CLI::IsMember({"nearest"}))
      ->group("Output");
  command->add_flag("--dry-run", arguments->dry_run, "say what would be done, and stop")
      ->group("Output");
  binding->AddAll();
  AddListMethods(*command);
  AddListPresets(*command);
  AddListFormats(*command);
  AddCommonOptions(*command, arguments->common);
  command->footer(
      "Example:\n  adaround quantize model.json --bits 4 --calib calib/ --baseline nearest \\\n"
      "      --data test/ --labels test_labels.npy");
  command->callback(
      [command, arguments, binding] { RunQuantize(*command, *arguments, *binding); });
}

}  // namespace adaround::cli
