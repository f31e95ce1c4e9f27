#include "cli/quantize_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <new>
#include <tuple>

#include "adaround/base/error.h"
#include "adaround/base/peak_memory.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/io/result_report.h"
#include "adaround/io/sha256.h"
#include "adaround/io/text_file.h"
#include "adaround/pipeline/sensitivity.h"
#include "adaround/report/html_report.h"
#include "cli/export_formats.h"
#include "cli/first_failure.h"
#include "cli/log_sink.h"
#include "cli/progress_display.h"
#include "cli/report_rows.h"
#include "cli/run_inputs.h"

namespace adaround::cli {
namespace {

using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

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

// For the page alone: where it cannot be measured the result is worth no less.
void AddSensitivity(const QuantizeRun& run, const QuantizeResult& result,
                    ProgressObserver* observer, RunReport& report) {
  const CalibrationSet& all = run.measured.samples;
  const CalibrationSet few = all.Spread(std::min(all.num_samples(), SamplesForLayersAlone(result)));
  try {
    for (const LayerAlone& layer :
         MeasureLayersAlone(result, few, run.options.num_threads, observer)) {
      report.sensitivity.push_back(MakeNetworkRow(layer.name, layer.evaluation));
    }
    report.num_sensitivity_samples = few.num_samples();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo) throw;
    report.sensitivity.clear();
    report.warnings.push_back(error.WithContext("the layers' sensitivity is left out").what());
  } catch (const std::bad_alloc&) {
    report.sensitivity.clear();
    report.warnings.emplace_back("the layers' sensitivity is left out: out of memory");
  }
}

// Writes the exports into the folder, verifies them and notes every file's size. A file that cannot
// hold the model, or does not compute what it should, is left out: the search behind the model is
// worth more than the file. Throws Error(kCancelled | kIo), after which another run may go on.
void WriteExports(const QuantizeRun& run, const QuantizedModel& written, const fs::path& folder,
                  ProgressObserver* observer, RunReport& report, FirstFailure& failure) {
  const QuantizeArguments& arguments = run.arguments;
  for (const std::string& name : arguments.formats) {
    const ExportFormat& format = FindExportFormat(name);
    const fs::path path = folder / format.file_name;
    try {
      format.write(path, written);
      if (format.runs != ExportFormat::Runs::kNot && arguments.verify > 0) {
        const OutputComparison comparison =
            VerifyExport(format, path, written, InputsFrom(run.samples),
                         std::min(arguments.verify, run.samples.num_samples()),
                         run.options.num_threads, observer);
        SetLiveLine("");
        LogInfo(VerificationLine(format.file_name, comparison));
      }
      report.file_bytes[format.file_name] = BytesOf(path);
      report.file_sha256[format.file_name] = Sha256OfFile(path);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo) throw;
      std::error_code ignored;
      fs::remove(path, ignored);
      const std::string what = std::string(format.file_name) + " was left out";
      report.warnings.push_back(error.WithContext(what).what());
      failure.Note(error.WithContext(what));
    }
  }
  report.file_bytes[kModelFiles] =
      BytesOf(folder / "model.json") + BytesOf(folder / "weights.safetensors");
}

}  // namespace

void WriteFilesBeside(const QuantizeArguments& arguments, const fs::path& output,
                      FirstFailure& failure) {
  const std::tuple<const char*, const std::string&, const char*> files[] = {
      {"--report", arguments.report, kReport},
      {"--html", arguments.html, kKeptPage},
      {"--save-plan", arguments.save_plan, kKeptPlan}};
  for (const auto& [option, path, kept] : files) {
    if (path.empty()) continue;
    failure.Attempt([&, option = option, &path = path, kept = kept] {
      try {
        std::error_code error;
        if (!fs::exists(output / kept, error)) {
          throw Error(ErrorCode::kInvalidArgument,
                      std::string(option) + " is made from a run alone; --force runs again");
        }
        WriteFileAtomically(path, ReadTextFile(output / kept, kMaxReportBytes));
      } catch (const Error& error) {
        throw error.WithContext(Printable(output.string()) +
                                " is complete, but not what was to lie beside it");
      }
    });
  }
}

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
  report.inputs = run.inputs;
  FillReport(result, report);

  // Measured with the integers that were written, read back.
  const QuantizedModel written = ReadQuantizedModel(directory.contents());
  report.result_sha256 = ModelDigest(directory.contents());
  report.model_file_bytes = ModelFileBytes(arguments.model);
  FirstFailure failure;
  WriteExports(run, written, directory.contents(), &display, report, failure);
  // With an export missing, no later run may take the result for complete.
  if (!failure.Any()) report.fingerprint = FingerprintOf(run.inputs);
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
  if (!arguments.html.empty() && run.float_outputs != nullptr) {
    AddSensitivity(run, result, &display, report);
  }
  SetLiveLine("");
  report.peak_resident_bytes = PeakResidentBytes();
  report.total_seconds = std::chrono::duration<double>(Clock::now() - run.start).count();
  const auto keep = [&](const char* name, const auto& write) {
    const fs::path path = directory.contents() / name;
    write(path);
    report.file_sha256[name] = Sha256OfFile(path);
  };
  if (!arguments.save_plan.empty()) {
    failure.Attempt([&] {
      keep(kKeptPlan, [&](const fs::path& path) { WriteLayerPlan(path, result.plan); });
    });
  }
  if (!arguments.html.empty()) {
    keep(kKeptPage, [&](const fs::path& path) { WriteFileAtomically(path, ToHtml(report)); });
  }
  const std::string json = ToJson(report);
  WriteFileAtomically(directory.contents() / kReport, json);
  run.stamps.Check();
  // The result is worth more than what is written beside it: it is in place first.
  directory.Commit();
  LogInfo("wrote " + Printable(run.output.string()));
  WriteFilesBeside(arguments, run.output, failure);
  if (arguments.call == nullptr) {
    std::cout << (arguments.common.json ? json : ToText(report, with_baseline));
  } else {
    arguments.call->is_complete = true;
  }
  failure.ThrowIfAny();
  ThrowIfMissed(MissedGates(report.gates), run.output.string());
}

}  // namespace adaround::cli
