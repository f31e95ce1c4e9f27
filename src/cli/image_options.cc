#include "cli/image_options.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "adaround/base/error.h"
#include "adaround/graph/image_layout.h"

namespace adaround::cli {
namespace {

constexpr const char* kGroup = "Images";
constexpr int64_t kMaxSide = 65'535;

[[noreturn]] void Refuse(const std::string& message) {
  throw Error(ErrorCode::kInvalidArgument, message);
}

// "0.485,0.456,0.406"; throws as CLI11 wants it.
std::vector<double> ParseList(const std::string& flag, const std::string& text) {
  std::vector<double> values;
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    double value = 0.0;
    const auto [stop, failure] = std::from_chars(text.data() + begin, text.data() + end, value);
    if (failure != std::errc() || stop != text.data() + end || !std::isfinite(value)) {
      throw CLI::ValidationError(flag, "'" + Printable(text) +
                                           "' is not a number, or one per channel such as "
                                           "0.485,0.456,0.406");
    }
    values.push_back(value);
    begin = end + 1;
  }
  return values;
}

void AddList(CLI::App& app, const std::string& flag, const std::string& help,
             std::vector<double>& values) {
  app.add_option_function<std::string>(
         flag, [flag, &values](const std::string& text) { values = ParseList(flag, text); }, help)
      ->type_name("LIST")
      ->group(kGroup);
}

GraphInput& ImageInput(Graph& graph) {
  std::vector<GraphInput*> floats;
  std::vector<GraphInput*> with_preprocess;
  for (GraphInput& input : graph.inputs) {
    const bool is_image = input.dtype == DType::kFloat32 || input.dtype == DType::kUInt8;
    if (is_image) floats.push_back(&input);
    if (is_image && input.preprocess) with_preprocess.push_back(&input);
  }
  if (floats.size() == 1) return *floats.front();
  if (with_preprocess.size() == 1) return *with_preprocess.front();
  std::string names;
  for (const GraphInput* input : floats) {
    names += (names.empty() ? "'" : ", '") + Printable(input->name) + "'";
  }
  Refuse(
      "--scale, --mean, --std, --resize, --crop, --channel-order and --interpolation are for a "
      "network with one image input; this model has " +
      (floats.empty() ? "none" : std::to_string(floats.size()) + " that may be one: " + names) +
      "; add \"preprocess\" to the input that is meant, in model.json");
}

void CheckChannels(const char* flag, const std::vector<double>& values, const GraphInput& input) {
  const auto axis = static_cast<size_t>(ChannelAxis(input.shape));
  const int64_t channels = axis < input.shape.size() ? input.shape[axis] : -1;
  const auto count = static_cast<int64_t>(values.size());
  if (count <= 1 || channels < 0 || count == channels) return;
  Refuse(std::string(flag) + ": has " + std::to_string(count) + " values, input '" +
         Printable(input.name) + "' has " + std::to_string(channels) +
         " channels; give one for all, or one per channel");
}

// A float input that nothing is known of: pixels may be meant as 0..255, 0..1 or -1..1.
void CheckSaysValues(const ImageOptions& options, const GraphInput& input) {
  if (input.preprocess || input.dtype == DType::kUInt8) return;
  if (!options.scale && options.mean.empty() && options.std.empty()) {
    Refuse("the model does not say how pixels become values of input '" + Printable(input.name) +
           "': give --scale, --mean and --std too, as the network was trained, value = (pixel * "
           "scale - mean) / std (most ImageNet networks: --scale 0.00392157 --mean "
           "0.485,0.456,0.406 --std 0.229,0.224,0.225; pixels as they are: --scale 1)");
  }
  const auto within_one = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(),
                       [](double value) { return std::abs(value) <= 1.0; });
  };
  if (!options.scale && within_one(options.mean) && within_one(options.std)) {
    Refuse(
        "--mean and --std are for pixels from 0 to 1, it seems, but without --scale pixels are "
        "0 to 255; give --scale 0.00392157, or --scale 1 where they are meant as they are");
  }
}

}  // namespace

void AddImageOptions(CLI::App& app, ImageOptions& options) {
  app.add_option(
         "--scale", options.scale,
         "pixels 0..255 become (pixel * scale - mean) / std; default: the model's preprocess")
      ->check([](const std::string& text) {
        double value = 0.0;
        const bool is_number = CLI::detail::lexical_cast(text, value);
        return is_number && std::isfinite(value) && value != 0.0
                   ? std::string()
                   : "'" + Printable(text) + "' is not a number other than 0";
      })
      ->group(kGroup);
  AddList(app, "--mean", "subtracted after --scale: one number, or one per channel", options.mean);
  AddList(app, "--std", "divided by after --mean: one number, or one per channel", options.std);
  app.add_option("--resize", options.resize, "shorter side of pictures after resizing")
      ->check(CLI::Range(int64_t{1}, kMaxSide))
      ->group(kGroup);
  app.add_option("--crop", options.crop, "central square that is cut out after resizing")
      ->check(CLI::Range(int64_t{1}, kMaxSide))
      ->group(kGroup);
  app.add_option("--channel-order", options.channel_order, "order that the network wants pixels in")
      ->check(CLI::IsMember({"RGB", "BGR"}))
      ->group(kGroup);
  app.add_option("--interpolation", options.interpolation, "how pictures are resized")
      ->check(CLI::IsMember({"nearest", "bilinear", "bicubic"}))
      ->group(kGroup);
}

void ApplyImageOptions(const ImageOptions& options, Graph& graph) {
  const bool any = options.scale || !options.mean.empty() || !options.std.empty() ||
                   options.resize || options.crop || options.channel_order || options.interpolation;
  if (!any) return;
  GraphInput& input = ImageInput(graph);
  CheckChannels("--mean", options.mean, input);
  CheckChannels("--std", options.std, input);
  if (std::find(options.std.begin(), options.std.end(), 0.0) != options.std.end()) {
    Refuse("--std: holds 0, which values are divided by");
  }
  CheckSaysValues(options, input);
  if (!input.preprocess) input.preprocess.emplace();
  Preprocess& preprocess = *input.preprocess;
  if (options.scale) preprocess.scale = *options.scale;
  if (!options.mean.empty()) preprocess.mean = options.mean;
  if (!options.std.empty()) preprocess.std = options.std;
  if (options.resize) preprocess.resize = options.resize;
  if (options.crop) preprocess.crop = options.crop;
  if (options.channel_order) preprocess.channel_order = options.channel_order;
  if (options.interpolation) preprocess.interpolation = options.interpolation;
}

}  // namespace adaround::cli
