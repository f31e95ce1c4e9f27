#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <tuple>

#include "adaround/base/build_info.h"
#include "adaround/base/error.h"
#include "adaround/base/peak_memory.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/labels.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/io/result_report.h"
#include "adaround/io/text_file.h"
#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"
#include "adaround/report/html_report.h"
#include "adaround/rounding/rounding_method.h"
#include "cli/commands.h"
#include "cli/data_files.h"
#include "cli/data_options.h"
#include "cli/export_formats.h"
#include "cli/image_options.h"
#include "cli/method_options.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"
#include "cli/progress_display.h"
#include "cli/provenance.h"
#include "cli/quality_gates.h"
#include "cli/report_rows.h"
#include "cli/run_inputs.h"
#include "cli/shell_words.h"

namespace adaround::cli {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

struct QuantizeArguments {
  std::string model;
  std::string calib;
  std::string output;
  std::string baseline;
  std::string data;
  std::string labels;
  std::string report;
  std::string html;
  std::string plan;
  std::string save_plan;
  std::vector<std::string> formats;
  std::optional<double> expect_float;
  GateOptions gates;
  int64_t verify = 0;
  ImageOptions image;
  std::optional<int64_t> calib_samples;
  bool force = false;
  bool resume = false;
  bool dry_run = false;
  CommonOptions common;
  QuantizeOutcome* outcome = nullptr;  // null for users
};

// The checkpoint's folder in OUT.partial.
constexpr const char* kCheckpoint = "checkpoint";
constexpr const char* kFinishedFile = "model.json";

fs::path DefaultOutput(const fs::path& model, int bits) {
  // Of a folder the whole name: "net-1.0" and "net-1.1" are two models.
  const fs::path path = fs::weakly_canonical(fs::absolute(model));
  const fs::path stem = fs::is_directory(path) ? path.filename() : path.stem();
  return stem.string() + "-w" + std::to_string(bits);
}

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

void FillReport(const QuantizeResult& result, RunReport& report) {
  report.layers = result.layers;
  report.left = result.left;
  report.float_biases = result.float_biases;
  for (const auto& [name, grid] : result.model.activations) {
    const double scale = grid.scale;
    report.activations.push_back(
        {name, grid.bit_width, -scale * grid.zero_point, scale * (grid.q_max() - grid.zero_point)});
  }
  report.num_samples = result.num_samples;
  report.num_held_out_samples = result.num_held_out_samples;
  report.num_folded_batch_norms = result.num_folded_batch_norms;
  report.macs_per_sample = result.macs_per_sample;
  report.forward_macs = result.forward_macs;
  report.num_segments = result.num_segments;
  report.stored_bytes = result.peak_stored_bytes;
  report.spilled_bytes = result.spilled_bytes;
  report.forward_seconds = result.forward_seconds;
  report.solve_seconds = result.solve_seconds;
  for (const auto& [name, tensor] : result.model.weights) {
    report.float_bytes += static_cast<int64_t>(tensor.integers.size()) * 4;
    report.quantized_bytes += tensor.PackedBytes();
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

// Shows what the float model reaches before hours of work build on it.
void ShowFloatAccuracy(ReferenceOutputs& float_outputs, const Labels& labels,
                       const QuantizeArguments& arguments, ProgressObserver* observer) {
  const Evaluation evaluation =
      float_outputs.Evaluate(&labels, arguments.common.NumThreads(), observer);
  SetLiveLine("");
  const std::optional<double> found = HeadlineAccuracy(evaluation);
  if (!found && arguments.expect_float) {
    std::string why;
    for (const std::string& note : evaluation.notes) why += "; " + note;
    throw Error(ErrorCode::kInvalidArgument,
                "--expect-float cannot be checked: the labels give no accuracy" + why);
  }
  if (!found) return;
  LogInfo(fmt::format("float model: {} {:.2f} % on {} samples",
                      evaluation.accuracy ? "top-1" : "mIoU", *found, evaluation.num_samples));
  if (!arguments.expect_float) return;
  // A sample of n answers strays by about one standard error; three, and at least 2 points, are
  // allowed.
  const double expected = *arguments.expect_float;
  const double part = expected / 100.0;
  const double standard_error =
      100.0 * std::sqrt(part * (1.0 - part) / static_cast<double>(evaluation.num_samples));
  const double allowed = std::max(2.0, 3.0 * standard_error);
  if (*found >= expected - allowed) return;
  throw Error(ErrorCode::kGate,
              fmt::format("the float model reaches {:.2f} %, --expect-float says {:g} % ({:.1f} "
                          "points below are allowed on {} samples); the likely cause is "
                          "preprocessing: check --scale, --mean, --std, --resize, --crop and "
                          "--channel-order, then the order of --labels",
                          *found, expected, allowed, evaluation.num_samples));
}

// Measures the float network behind each step of its transformation against `original`, where there
// is one, says so, and notes it in the report.
ProgressDisplay::TransformAction TransformReporter(ReferenceOutputs* original,
                                                   const Labels* labels, int num_threads,
                                                   ProgressDisplay& display, RunReport& report) {
  return [original, labels, num_threads, &display, &report](const TransformStep& step,
                                                            const Graph& graph) {
    TransformRow row{step.name, step.detail, {}};
    if (original != nullptr) {
      QuantizedModel transformed;
      transformed.graph = graph;
      row.network = MakeNetworkRow(
          "float", EvaluateModel(transformed, *original, labels, num_threads, &display));
    }
    SetLiveLine("");
    LogInfo(TransformLine(row));
    report.transforms.push_back(std::move(row));
  };
}

// Where no --data are given, the network is measured on calibration samples: on those that no
// search has seen, where they are enough to mean something.
struct MeasuredSamples {
  CalibrationSet samples;
  const char* name;
};

MeasuredSamples ChooseMeasured(const CalibrationSet& calibration, const QuantizeOptions& options) {
  constexpr size_t kEnough = 25;
  const std::vector<int64_t> held_out = HeldOutSamples(calibration.num_samples(), options);
  if (held_out.size() < kEnough) return {calibration, "calibration samples"};
  return {calibration.Select(held_out), "held-out calibration samples"};
}

int64_t BytesOf(const fs::path& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<int64_t>(bytes);
}

int64_t ModelFileBytes(const std::string& model) {
  int64_t bytes = 0;
  for (const fs::path& file : ModelFiles(model)) bytes += BytesOf(file);
  return bytes;
}

// Writes the exports into the folder, verifies them and notes every file's size. A file that cannot
// hold the model, or does not compute what it should, is left out: the search behind the model is
// worth more than the file. Returns the first such failure. Throws Error(kCancelled | kIo), after
// which another run may go on.
std::optional<Error> WriteExports(const QuantizeArguments& arguments, const QuantizedModel& written,
                                  const fs::path& folder, const CalibrationSet& samples,
                                  int num_threads, ProgressObserver* observer, RunReport& report) {
  std::optional<Error> failure;
  for (const std::string& name : arguments.formats) {
    const ExportFormat& format = FindExportFormat(name);
    const fs::path path = folder / format.file_name;
    try {
      format.write(path, written);
      if (format.runs != ExportFormat::Runs::kNot && arguments.verify > 0) {
        const OutputComparison comparison =
            VerifyExport(format, path, written, InputsFrom(samples),
                         std::min(arguments.verify, samples.num_samples()), num_threads, observer);
        SetLiveLine("");
        LogInfo(VerificationLine(format.file_name, comparison));
      }
      report.file_bytes[format.file_name] = BytesOf(path);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo) throw;
      std::error_code ignored;
      fs::remove(path, ignored);
      const std::string what = std::string(format.file_name) + " was left out";
      report.warnings.push_back(error.WithContext(what).what());
      if (!failure) failure = error.WithContext(what);
    }
  }
  report.file_bytes[kModelFiles] =
      BytesOf(folder / "model.json") + BytesOf(folder / "weights.safetensors");
  return failure;
}

// No two outputs at one place, and none over what is read.
void CheckOutputs(const QuantizeArguments& arguments, const std::string& calib_labels,
                  const fs::path& output) {
  std::vector<std::string> places = {arguments.model, arguments.calib, arguments.data,
                                     arguments.labels, calib_labels};
  const std::vector<std::string> inputs = places;
  places.push_back(output.string());
  std::vector<std::string> files = {arguments.plan};
  // Those of an interrupted run of the same command may be there.
  const bool replaces = arguments.force || arguments.resume;
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
}

// Writes --report (`json`), --html and --save-plan, each whatever becomes of the others. Returns
// the first failure.
std::optional<Error> WriteFilesBeside(const QuantizeArguments& arguments, const RunReport& report,
                                      const std::string& json, const std::vector<LayerPlan>& plan) {
  std::optional<Error> failure;
  const auto attempt = [&](const std::string& path, const auto& write) {
    if (path.empty()) return;
    try {
      write(path);
    } catch (const Error& error) {
      if (failure) LogError(error.what());
      if (!failure) failure = error;
    }
  };
  attempt(arguments.report, [&](const fs::path& path) { WriteFileAtomically(path, json); });
  attempt(arguments.html, [&](const fs::path& path) { WriteFileAtomically(path, ToHtml(report)); });
  attempt(arguments.save_plan, [&](const fs::path& path) { WriteLayerPlan(path, plan); });
  return failure;
}

// A run whose options and files have been read and checked.
struct QuantizeRun {
  const QuantizeArguments& arguments;
  const QuantizeOptions& options;
  const Graph& graph;
  const CalibrationSet& samples;
  const MeasuredSamples& measured;
  const Labels* labels;             // null where there are none
  ReferenceOutputs* float_outputs;  // null where nothing can be measured
  const SourceDigests& digests;
  const std::string& fingerprint;
  const fs::path& output;
  Clock::time_point start;
};

// Searches, writes, measures what was written, and puts it in place.
void BuildResult(const QuantizeRun& run, Checkpoint& checkpoint, OutputDirectory& directory) {
  const QuantizeArguments& arguments = run.arguments;
  const QuantizeOptions& options = run.options;
  if (checkpoint.num_layers() > 0) {
    LogInfo(fmt::format("{} finished layers are in {}", checkpoint.num_layers(),
                        Printable(directory.partial().string(), 4096)));
  }
  ProgressDisplay display;
  if (run.labels != nullptr) {
    ShowFloatAccuracy(*run.float_outputs, *run.labels, arguments, &display);
  } else if (!arguments.data.empty() && run.float_outputs->KeptBytes() > 0) {
    // So that samples which the network makes infinite of are refused now.
    run.float_outputs->Evaluate(nullptr, options.num_threads, &display);
  }
  RunReport report;
  display.SetTransformAction(
      TransformReporter(run.float_outputs, run.labels, options.num_threads, display, report));
  display.StartLayers();
  QuantizeResult result = QuantizeModel(run.graph, run.samples, options, &display, &checkpoint);
  result.model.provenance =
      Provenance(run.digests, WithDecisions(options, result.plan), run.samples.num_samples());
  WriteQuantizedModel(directory.contents(), result.model);

  // Absolute, so that `evaluate` finds it from any folder.
  report.model = fs::absolute(arguments.model).lexically_normal().string();
  report.output = run.output.string();
  report.method = options.method;
  report.provenance = result.model.provenance;
  report.num_threads = options.num_threads;
  FillReport(result, report);

  // Measured with the integers that were written, read back.
  const QuantizedModel written = ReadQuantizedModel(directory.contents());
  report.result_sha256 = ModelDigest(directory.contents());
  report.model_file_bytes = ModelFileBytes(arguments.model);
  const std::optional<Error> export_failure = WriteExports(
      arguments, written, directory.contents(), run.samples, options.num_threads, &display, report);
  // With an export missing, no later run may take the result for complete.
  if (!export_failure) report.fingerprint = run.fingerprint;
  const bool with_baseline =
      !arguments.baseline.empty() || arguments.gates.fail_if_worse_than_baseline;
  if (run.float_outputs != nullptr) {
    const Evaluation evaluation =
        EvaluateModel(written, *run.float_outputs, run.labels, options.num_threads, &display);
    report.evaluated_on = run.measured.name;
    report.num_evaluated = evaluation.num_samples;
    if (const auto row = MakeReferenceRow(evaluation)) report.networks.push_back(*row);
    for (const std::string& note : evaluation.notes) LogWarning(note);
    if (with_baseline) {
      report.networks.push_back(
          MakeNetworkRow("nearest", EvaluateModel(result.nearest, *run.float_outputs, run.labels,
                                                  options.num_threads, &display)));
    }
    report.networks.push_back(MakeNetworkRow(options.method, evaluation));
  }
  report.gates = MeasureGates(arguments.gates, report.networks);
  SetLiveLine("");
  report.peak_resident_bytes = PeakResidentBytes();
  report.total_seconds = std::chrono::duration<double>(Clock::now() - run.start).count();
  const std::string json = ToJson(report);
  WriteFileAtomically(directory.contents() / "report.json", json);
  // The result is worth more than what is written beside it: it is in place first.
  directory.Commit();
  LogInfo("wrote " + Printable(run.output.string()));
  const std::optional<Error> failure = WriteFilesBeside(arguments, report, json, result.plan);
  if (arguments.outcome == nullptr) {
    std::cout << (arguments.common.json ? json : ToText(report, with_baseline));
  } else {
    arguments.outcome->is_complete = true;
  }
  if (export_failure && failure) LogError(failure->what());
  if (export_failure) throw *export_failure;
  if (failure)
    throw failure->WithContext(Printable(run.output.string()) +
                               " is complete, but not what was to lie beside it");
  ThrowIfMissed(MissedGates(report.gates), run.output.string());
}

// With `force`, a checkpoint that cannot be gone on with is dropped, as the errors say.
std::unique_ptr<Checkpoint> OpenCheckpoint(const fs::path& folder,
                                           const std::map<std::string, std::string>& inputs,
                                           bool force) {
  try {
    return std::make_unique<Checkpoint>(folder, inputs);
  } catch (const Error& error) {
    if (!force || error.code() == ErrorCode::kIo) throw;
    LogWarning(std::string(error.what()) + ": --force is given");
    std::error_code ignored;
    fs::remove_all(folder, ignored);
    return std::make_unique<Checkpoint>(folder, inputs);
  }
}

// What a run that was killed behind its last step has left; another run's checkpoint stays.
void RemoveOwnCheckpoint(const fs::path& output, const std::string& journal,
                         const std::map<std::string, std::string>& inputs) {
  fs::path partial = output.lexically_normal();
  if (partial.filename().empty()) partial = partial.parent_path();
  partial += ".partial";
  if (!fs::exists(fs::symlink_status(partial))) return;
  try {
    const OutputDirectory directory(output, true, {kFinishedFile, journal, true});
    const Checkpoint own(directory.partial() / kCheckpoint, inputs);
    std::error_code ignored;
    fs::remove_all(directory.partial() / kCheckpoint, ignored);
  } catch (const Error&) {
    LogVerbose(Printable(partial.string(), 4096) + ": is another run's, and stays");
  }
}

// What the report depends on beside the search.
std::map<std::string, std::string> WithMeasures(std::map<std::string, std::string> inputs,
                                                const QuantizeArguments& arguments) {
  if (!arguments.data.empty()) inputs["data_sha256"] = DigestOfData(arguments.data);
  if (!arguments.labels.empty()) inputs["labels_sha256"] = DigestOfData(arguments.labels);
  inputs["baseline"] = arguments.baseline;
  inputs["formats"] = JoinShellWords(arguments.formats);
  inputs["verify"] = std::to_string(arguments.verify);
  const GateOptions& gates = arguments.gates;
  inputs["max_drop"] = gates.max_drop ? TextOf(*gates.max_drop) : "";
  inputs["min_sqnr"] = gates.min_sqnr ? TextOf(*gates.min_sqnr) : "";
  inputs["fail_if_worse_than_baseline"] = gates.fail_if_worse_than_baseline ? "true" : "false";
  return inputs;
}

void RunQuantize(const CLI::App& command, const QuantizeArguments& arguments,
                 const QuantizeBinding& binding) {
  const std::string calib_labels = QuantizeBinding::CalibLabels({&binding});
  const Clock::time_point start = Clock::now();
  std::vector<LayerPlan> plan;
  if (!arguments.plan.empty()) plan = ReadLayerPlan(arguments.plan);
  QuantizeOptions options = binding.Options(std::move(plan));
  const fs::path output = arguments.output.empty() ? DefaultOutput(arguments.model, options.bits)
                                                   : fs::path(arguments.output);
  CheckOutputs(arguments, calib_labels, output);
  if (arguments.outcome == nullptr) SetUpLog(arguments.common.log);
  if (arguments.outcome != nullptr) arguments.outcome->output = output.string();
  options.num_threads = arguments.common.NumThreads();
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
  bool runs = false;
  for (const std::string& name : arguments.formats) {
    runs = runs || FindExportFormat(name).runs != ExportFormat::Runs::kNot;
  }
  if (arguments.verify > 0 && !runs) {
    throw Error(ErrorCode::kInvalidArgument, "--verify needs --format onnx: a file to verify");
  }

  Graph graph = ReadFloatModel(arguments.model);
  for (const Node& node : graph.nodes) {
    if (node.HasAttribute(kUnreadAttributes)) {
      LogWarning("node '" + Printable(node.name) + "' (" + Printable(node.op) +
                 ") is not read wholly: the result holds the layers around it, but not what it "
                 "computes");
    }
  }
  ApplyImageOptions(arguments.image, graph);
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
  if (arguments.dry_run) {
    PrintPrediction(PredictQuantization(graph, samples, options), samples);
    return;
  }
  // What will be measured is checked before the work begins.
  MeasuredSamples measured = ChooseMeasured(samples, options);
  std::optional<Labels> labels;
  if (!arguments.data.empty()) {
    measured = {CalibrationSet(OpenCalibrationFiles(arguments.data, graph), graph), "test samples"};
    labels = ReadLabels(arguments.labels, arguments.data, graph);
    if (labels) CheckLabels(graph, measured.samples, *labels);
  }
  if (arguments.expect_float && !labels) {
    throw Error(ErrorCode::kInvalidArgument, "--expect-float needs labels: give --labels FILE");
  }
  options.caller_bytes =
      samples.cache_bytes() + (arguments.data.empty() ? 0 : measured.samples.cache_bytes());
  const std::unique_ptr<ReferenceOutputs> float_outputs =
      MakeFloatOutputs(graph, measured.samples, !arguments.data.empty());
  if (float_outputs) options.caller_bytes += float_outputs->KeptBytes();
  CheckGates(arguments.gates, labels.has_value(), float_outputs != nullptr);
  const SourceDigests digests = {ModelDigest(arguments.model), CalibrationDigest(arguments.calib),
                                 calib_labels.empty() ? "" : DigestOfData(calib_labels)};
  std::map<std::string, std::string> inputs = Provenance(digests, options, samples.num_samples());
  inputs["program_sha256"] = ProgramDigest();
  inputs.merge(GivenImageOptions(command));
  const std::string fingerprint = FingerprintOf(WithMeasures(inputs, arguments));
  const std::string journal = std::string(kCheckpoint) + "/" + Checkpoint::kJournal;
  if (arguments.resume) {
    if (const auto finished = FindFinishedResult(output, fingerprint)) {
      RemoveOwnCheckpoint(output, journal, inputs);
      LogInfo(Printable(output.string(), 4096) + ": is complete already");
      if (!arguments.report.empty()) {
        WriteFileAtomically(arguments.report,
                            ReadTextFile(output / "report.json", kMaxReportBytes));
      }
      for (const auto& [option, path] : {std::pair("--html", arguments.html),
                                         std::pair("--save-plan", arguments.save_plan)}) {
        if (path.empty()) continue;
        LogWarning(std::string(option) + " is made from a run alone and was not written; --force "
                   "runs again");
      }
      if (arguments.outcome != nullptr) *arguments.outcome = {output.string(), true, true};
      ThrowIfMissed(finished->missed_gates, output.string());
      return;
    }
  }
  OutputDirectory directory(output, arguments.force, {kFinishedFile, journal, arguments.resume});
  options.spill_directory = directory.contents();
  const QuantizeRun run = {arguments,
                           options,
                           graph,
                           samples,
                           measured,
                           labels ? &*labels : nullptr,
                           float_outputs.get(),
                           digests,
                           fingerprint,
                           output,
                           start};
  try {
    const std::unique_ptr<Checkpoint> checkpoint =
        OpenCheckpoint(directory.partial() / kCheckpoint, inputs, arguments.force);
    BuildResult(run, *checkpoint, directory);
  } catch (const Error& error) {
    SetLiveLine("");
    const bool can_go_on = error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo;
    if (!can_go_on || !directory.HoldsJournal()) throw;
    throw Error(error.code(), std::string(error.what()) + "; the layers that are finished are in " +
                                  Printable(directory.partial().string(), 4096) +
                                  ": the same command with --resume goes on from there");
  }
}

}  // namespace

void AddQuantizeCommand(CLI::App& app, QuantizeOutcome* outcome) {
  CLI::App* command =
      app.add_subcommand("quantize", "Round a model's weights and write integers and scales");
  auto arguments = std::make_shared<QuantizeArguments>();
  arguments->outcome = outcome;
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
                 "go on from what an interrupted run of the same command finished")
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
