// Rounds a model to 4 bits by the library and measures what came out:
//   consumer MODEL CALIBRATION OUT DATA LABELS
#include <iostream>
#include <optional>

#include "adaround/base/error.h"
#include "adaround/base/threads.h"
#include "adaround/io/atomic_output.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/labels.h"
#include "adaround/io/model_file.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/evaluate.h"
#include "adaround/pipeline/quantize.h"

namespace {

// Called after each layer; a run is stopped by ShouldStop.
class Progress : public adaround::QuantizeObserver {
 public:
  void OnLayer(const adaround::LayerReport& layer, int64_t done, int64_t total,
               double /*fraction*/) override {
    std::cerr << done << "/" << total << " " << layer.name << "\n";
  }
  void OnProgress(const std::string& /*stage*/, int64_t /*done*/, int64_t /*total*/) override {}
  void OnWarning(const std::string& message) override { std::cerr << message << "\n"; }
  bool ShouldStop() const override { return false; }
};

void Run(char** paths) {
  const adaround::Graph graph = adaround::ReadFloatModel(paths[0]);

  adaround::QuantizeOptions options;
  adaround::ApplyPreset("fast", options);  // first: it sets many of the others
  options.bits = 4;
  options.granularity = adaround::Granularity::kPerTensor;
  options.num_threads = adaround::NumAvailableCores();
  adaround::ThrowIfAny(adaround::ErrorCode::kInvalidArgument, options.Validate());

  const adaround::CalibrationSet all(adaround::OpenCalibrationFiles(paths[1], graph), graph);
  const adaround::CalibrationSet samples = all.Spread(64);

  Progress progress;
  const adaround::QuantizeResult result =
      adaround::QuantizeModel(graph, samples, options, &progress);

  // OUT appears whole, or not at all.
  adaround::OutputDirectory out(paths[2], /*force=*/false);
  adaround::WriteQuantizedModel(out.contents(), result.model);
  out.Commit();

  const adaround::QuantizedModel written = adaround::ReadQuantizedModel(paths[2]);
  const adaround::CalibrationSet data(adaround::OpenCalibrationFiles(paths[3], graph), graph);
  const std::optional<adaround::Labels> labels = adaround::ReadLabels(paths[4], paths[3], graph);
  const adaround::Evaluation evaluation = adaround::EvaluateModel(
      written, &graph, data, labels ? &*labels : nullptr, options.num_threads);
  std::cout << "float " << evaluation.reference_accuracy->top1 << "\n"
            << "quantized " << evaluation.accuracy->top1 << "\n"
            << "agreement " << evaluation.distance->agreement << "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    std::cerr << "usage: consumer MODEL CALIBRATION OUT DATA LABELS\n";
    return 2;
  }
  try {
    Run(argv + 1);
    return 0;
  } catch (const adaround::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    return 1;
  }
}
