#include "cli/data_options.h"

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {
namespace {

constexpr const char* kGroup = "Data";

}  // namespace

void AddModelArgument(CLI::App& app, std::string& model) {
  app.add_option("model", model, "model.json, the folder that holds it, or an .onnx file")
      ->required()
      ->type_name("MODEL");
}

void AddCalibOption(CLI::App& app, std::string& calib) {
  app.add_option(
         "--calib", calib,
         "calibration samples: a folder of JPEG/PNG images or of .npy files, or one .npz or "
         ".safetensors")
      ->required()
      ->type_name("PATH")
      ->group(kGroup);
}

void AddCalibSamplesOption(CLI::App& app, std::optional<int64_t>& calib_samples) {
  QuantizeOptions fast;
  ApplyPreset("fast", fast);
  app.add_option("--calib-samples", calib_samples,
                 "use this many of them, spread evenly; 0 = all (default: all, in preset fast at "
                 "most " + std::to_string(fast.enough_samples) + ")")
      ->check(CLI::Range(int64_t{0}, int64_t{1'000'000'000}))
      ->group(kGroup);
}

void AddDataAndLabels(CLI::App& app, const std::string& help, std::string& data,
                      std::string& labels) {
  app.add_option("--data", data, help)->type_name("PATH")->group(kGroup);
  app.add_option("--labels", labels, "their classes: .npy, .csv, .txt, or a folder of label images")
      ->type_name("FILE|DIR")
      ->group(kGroup);
}

}  // namespace adaround::cli
