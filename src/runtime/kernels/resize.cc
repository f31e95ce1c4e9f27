// Resize: every interpolation is separable, so one axis is resized after the other. The arithmetic
// of coordinates is in float, as in ONNX Runtime: where rounding decides between two neighbours,
// the same one is taken.
#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"
#include "runtime/kernels/resize_taps.h"

namespace adaround::kernels {
namespace {

struct ResizeAttributes {
  std::string mode;
  std::string coordinates;
  std::string nearest_mode;
  float cubic_a;
  float extrapolation_value;
  bool exclude_outside;
  bool antialias;
  std::string aspect_ratio;   // keep_aspect_ratio_policy
  std::vector<int64_t> axes;  // empty = all
};

struct AxisPlan {
  int64_t input;
  int64_t output;
  float scale;
  float roi_start;
  float roi_end;
};

// Before opset 11 operators named no way to round: enlarging takes the element before, shrinking
// the one behind. ONNX's text leaves it open; this is what ONNX Runtime does.
constexpr std::string_view kNearestBefore11 = "before opset 11";

float InputCoordinate(const std::string& mode, const AxisPlan& axis, int64_t position) {
  const float x = static_cast<float>(position);
  const float input = static_cast<float>(axis.input);
  const float output = static_cast<float>(axis.output);
  if (mode == "half_pixel") return (x + 0.5F) / axis.scale - 0.5F;
  if (mode == "pytorch_half_pixel") {
    return axis.output > 1 ? (x + 0.5F) / axis.scale - 0.5F : 0.0F;
  }
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5F) / axis.scale;
  if (mode == "align_corners") {
    return axis.output > 1 ? x * (input - 1.0F) / (output - 1.0F) : 0.0F;
  }
  if (mode == "half_pixel_symmetric") {
    const float adjustment = output / (axis.scale * input);
    return input / 2.0F * (1.0F - adjustment) + (x + 0.5F) / axis.scale - 0.5F;
  }
  // tf_crop_and_resize
  return axis.output > 1
             ? axis.roi_start * (input - 1.0F) +
                   x * (axis.roi_end - axis.roi_start) * (input - 1.0F) / (output - 1.0F)
             : 0.5F * (axis.roi_start + axis.roi_end) * (input - 1.0F);
}

float RoundNearest(const std::string& mode, float scale, float x) {
  if (mode == kNearestBefore11) return scale < 1.0F ? std::ceil(x) : std::floor(x);
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  return mode == "round_prefer_ceil" ? std::floor(x + 0.5F) : std::ceil(x - 0.5F);
}

// Keys' kernel (1981) at the four neighbours, `t` = distance from the second one.
std::array<float, 4> CubicWeights(float a, float t) {
  const auto far = [a](float d) { return ((a * d - 5.0F * a) * d + 8.0F * a) * d - 4.0F * a; };
  const auto near = [a](float d) { return ((a + 2.0F) * d - (a + 3.0F)) * d * d + 1.0F; };
  return {far(t + 1.0F), near(t), near(1.0F - t), far(2.0F - t)};
}

// The filter at a distance of `d` positions; zero beyond its radius.
float FilterValue(const ResizeAttributes& attributes, float d) {
  d = std::fabs(d);
  if (attributes.mode == "linear") return std::max(0.0F, 1.0F - d);
  const float a = attributes.cubic_a;
  if (d <= 1.0F) return ((a + 2.0F) * d - (a + 3.0F)) * d * d + 1.0F;
  return d < 2.0F ? ((a * d - 5.0F * a) * d + 8.0F * a) * d - 4.0F * a : 0.0F;
}

// The weights around position base + fraction; `first` receives the first one's place from base.
std::vector<float> FilterWeights(const ResizeAttributes& attributes, float scale, float fraction,
                                 int64_t* first) {
  const bool linear = attributes.mode == "linear";
  *first = linear ? 0 : -1;
  if (!attributes.antialias || scale >= 1.0F) {
    if (linear) return {1.0F - fraction, fraction};
    const std::array<float, 4> cubic = CubicWeights(attributes.cubic_a, fraction);
    return {cubic.begin(), cubic.end()};
  }
  // Shrinking: the filter is as wide in output positions as it would be in input positions.
  *first = static_cast<int64_t>(std::floor((linear ? -1.0F : -2.0F) / scale)) + 1;
  std::vector<float> weights;
  float sum = 0.0F;
  for (int64_t i = *first; i <= 1 - *first; ++i) {
    weights.push_back(FilterValue(attributes, (static_cast<float>(i) - fraction) * scale));
    sum += weights.back();
  }
  for (float& weight : weights) weight /= sum;
  return weights;
}

ResizeTaps TapsAt(const ResizeAttributes& attributes, const AxisPlan& axis, int64_t position) {
  const float last = static_cast<float>(axis.input - 1);
  const float x = InputCoordinate(attributes.coordinates, axis, position);
  if (!std::isfinite(x)) Malformed("the region of interest or the scale is not finite");
  ResizeTaps taps;
  taps.extrapolated =
      attributes.coordinates == "tf_crop_and_resize" && (x < 0.0F || x > last);
  // Beyond the neighbours of the input, positions are all alike.
  const float near = std::clamp(x, -2.0F, last + 2.0F);
  if (attributes.mode == "nearest") {
    const int64_t index =
        static_cast<int64_t>(RoundNearest(attributes.nearest_mode, axis.scale, near));
    taps.index = {std::clamp<int64_t>(index, 0, axis.input - 1)};
    taps.weight = {1.0F};
    return taps;
  }
  const int64_t base = static_cast<int64_t>(std::floor(near));
  int64_t first = 0;
  taps.weight =
      FilterWeights(attributes, axis.scale, near - static_cast<float>(base), &first);
  float sum = 0.0F;
  for (size_t i = 0; i < taps.weight.size(); ++i) {
    const int64_t index = base + first + static_cast<int64_t>(i);
    taps.index.push_back(std::clamp<int64_t>(index, 0, axis.input - 1));
    if (attributes.exclude_outside && index != taps.index[i]) taps.weight[i] = 0.0F;
    sum += taps.weight[i];
  }
  if (attributes.exclude_outside && sum != 0.0F) {
    for (float& weight : taps.weight) weight /= sum;
  }
  return taps;
}

// out[...] = sum of the taps' rows of `inner` elements. Taps without weight are not read: times an
// infinity they would be NaN.
void BlendRows(const ResizeTaps& taps, const float* in, int64_t inner, float* out) {
  std::fill(out, out + inner, 0.0F);
  for (size_t t = 0; t < taps.index.size(); ++t) {
    const float weight = taps.weight[t];
    if (weight == 0.0F) continue;
    const float* row = in + taps.index[t] * inner;
    for (int64_t i = 0; i < inner; ++i) out[i] += weight * row[i];
  }
}

// As above for rows of one element.
float BlendElements(const ResizeTaps& taps, const float* in) {
  float sum = 0.0F;
  for (size_t t = 0; t < taps.index.size(); ++t) {
    if (taps.weight[t] != 0.0F) sum += taps.weight[t] * in[taps.index[t]];
  }
  return sum;
}

std::vector<ResizeTaps> TapsOfAxis(const ResizeAttributes& attributes, const AxisPlan& axis) {
  std::vector<ResizeTaps> taps;
  for (int64_t i = 0; i < axis.output; ++i) taps.push_back(TapsAt(attributes, axis, i));
  return taps;
}

Tensor ResizeAxis(const ResizeAttributes& attributes, const Tensor& x, int64_t axis_index,
                  const AxisPlan& axis) {
  Shape shape = x.shape();
  shape[static_cast<size_t>(axis_index)] = axis.output;
  Tensor y = NewOutput(DType::kFloat32, shape);
  if (y.num_elements() == 0) return y;
  const std::vector<ResizeTaps> taps = TapsOfAxis(attributes, axis);
  const int64_t inner = ProductOf(shape, axis_index + 1, x.rank());
  const int64_t outer = ProductOf(shape, 0, axis_index);
  const bool copies = attributes.mode == "nearest";
  float* out = y.mutable_data<float>();
  for (int64_t o = 0; o < outer; ++o) {
    const float* in = x.data<float>() + o * axis.input * inner;
    for (const ResizeTaps& tap : taps) {
      if (tap.extrapolated) {
        std::fill(out, out + inner, attributes.extrapolation_value);
      } else if (copies) {
        const float* row = in + tap.index[0] * inner;
        std::copy(row, row + inner, out);
      } else if (inner == 1) {
        *out = BlendElements(tap, in);
      } else {
        BlendRows(tap, in, inner, out);
      }
      out += inner;
    }
  }
  return y;
}

const Tensor* NonEmpty(const KernelInputs& inputs, size_t index) {
  const Tensor* tensor = OptionalInput(inputs, index);
  return tensor != nullptr && tensor->num_elements() > 0 ? tensor : nullptr;
}

std::vector<float> ReadFloats(const Tensor& tensor, size_t wanted, const char* what) {
  CheckFloat(tensor, what);
  if (tensor.rank() != 1 || static_cast<size_t>(tensor.num_elements()) != wanted) {
    Malformed(std::string(what) + " has shape " + ShapeToString(tensor.shape()) + ", wanted [" +
              std::to_string(wanted) + "]");
  }
  return {tensor.data<float>(), tensor.data<float>() + tensor.num_elements()};
}

// One scale for all axes, so that `sizes` are met by one of them and not exceeded, or not undercut,
// by the others; nothing where every axis has its own scale.
std::optional<float> CommonScale(const ResizeAttributes& attributes, const Tensor& x,
                                 const std::vector<int64_t>& axes,
                                 const std::vector<int64_t>& sizes) {
  if (attributes.aspect_ratio == "stretch" || sizes.empty()) return std::nullopt;
  const bool smallest = attributes.aspect_ratio == "not_larger";
  std::optional<float> scale;
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t extent = x.dim(NormalizeAxis(axes[i], x.rank()));
    if (extent < 1) Malformed("an empty axis cannot be resized");
    const float own = static_cast<float>(sizes[i]) / static_cast<float>(extent);
    if (!scale || (smallest ? own < *scale : own > *scale)) scale = own;
  }
  return scale;
}

// The plan of each axis of `x`.
std::vector<AxisPlan> PlanAxes(const ResizeAttributes& attributes, const KernelInputs& inputs) {
  const Tensor& x = *inputs[0];
  const Tensor* roi = NonEmpty(inputs, 1);
  const Tensor* scales = NonEmpty(inputs, 2);
  const Tensor* sizes = NonEmpty(inputs, 3);
  if ((scales == nullptr) == (sizes == nullptr)) {
    Malformed("exactly one of scales and sizes must be given");
  }
  std::vector<int64_t> axes = attributes.axes;
  if (axes.empty()) {
    for (int64_t d = 0; d < x.rank(); ++d) axes.push_back(d);
  }
  NormalizeAxes(axes, x.rank());
  std::vector<AxisPlan> plans;
  for (const int64_t extent : x.shape()) plans.push_back({extent, extent, 1.0F, 0.0F, 1.0F});
  const std::vector<float> scale_values =
      scales != nullptr ? ReadFloats(*scales, axes.size(), "scales") : std::vector<float>();
  const std::vector<int64_t> size_values =
      sizes != nullptr ? ReadInts(*sizes, "sizes") : std::vector<int64_t>();
  if (sizes != nullptr && size_values.size() != axes.size()) {
    Malformed("sizes has " + std::to_string(size_values.size()) + " entries, wanted " +
              std::to_string(axes.size()));
  }
  const bool crops = attributes.coordinates == "tf_crop_and_resize";
  if (crops && roi == nullptr) Malformed("tf_crop_and_resize needs roi");
  const std::vector<float> roi_values =
      crops ? ReadFloats(*roi, 2 * axes.size(), "roi") : std::vector<float>();
  const std::optional<float> common_scale = CommonScale(attributes, x, axes, size_values);
  for (size_t i = 0; i < axes.size(); ++i) {
    AxisPlan& plan = plans[static_cast<size_t>(NormalizeAxis(axes[i], x.rank()))];
    if (scales != nullptr) {
      plan.scale = scale_values[i];
      const float extent = plan.scale * static_cast<float>(plan.input);
      // Written so that NaN is refused too.
      if (!(plan.scale > 0.0F && extent < static_cast<float>(kMaxOutputElements))) {
        Malformed("scale " + std::to_string(plan.scale) + " is not usable");
      }
      plan.output = static_cast<int64_t>(std::floor(extent));
    } else {
      plan.output = size_values[i];
      if (plan.output < 0) Malformed("size " + std::to_string(plan.output));
      plan.scale = static_cast<float>(plan.output) / static_cast<float>(plan.input);
      if (common_scale) {
        plan.scale = *common_scale;
        const float extent = std::floor(plan.scale * static_cast<float>(plan.input) + 0.5F);
        // Written so that NaN is refused too.
        if (!(extent >= 0.0F && extent < static_cast<float>(kMaxOutputElements))) {
          Malformed("scale " + std::to_string(plan.scale) + " is not usable");
        }
        plan.output = static_cast<int64_t>(extent);
      }
    }
    if (plan.input == 0 && plan.output > 0) Malformed("an empty axis cannot be resized");
    if (crops) {
      plan.roi_start = roi_values[i];
      plan.roi_end = roi_values[i + axes.size()];
    }
  }
  return plans;
}

bool IsIdentity(const AxisPlan& plan) {
  return plan.output == plan.input && plan.scale == 1.0F && plan.roi_start == 0.0F &&
         plan.roi_end == 1.0F;
}

std::vector<Tensor> Resize(const ResizeAttributes& attributes, const KernelInputs& inputs) {
  CheckFloat(*inputs[0], "input");
  const std::vector<AxisPlan> plans = PlanAxes(attributes, inputs);
  Shape shape;
  for (const AxisPlan& plan : plans) shape.push_back(plan.output);
  CheckOutputShape(shape);
  Tensor y = *inputs[0];
  // Last axis first: it has no rows to vectorise over, and is the shortest now when enlarging.
  for (size_t d = plans.size(); d-- > 0;) {
    if (!IsIdentity(plans[d])) y = ResizeAxis(attributes, y, static_cast<int64_t>(d), plans[d]);
  }
  return {y};
}

// Upsample, and Resize at opset 10: positions are multiples of 1 / scale.
ResizeAttributes AttributesBefore11(const Node& node) {
  ResizeAttributes attributes{};
  attributes.mode = node.GetString("mode", "nearest");
  CheckOneOf(attributes.mode, {"nearest", "linear", "bilinear"}, "mode");
  if (attributes.mode == "bilinear") attributes.mode = "linear";
  attributes.coordinates = "asymmetric";
  attributes.nearest_mode = kNearestBefore11;
  attributes.aspect_ratio = "stretch";
  return attributes;
}

ResizeAttributes AttributesFrom11(const Node& node) {
  ResizeAttributes attributes{};
  attributes.mode = node.GetString("mode", "nearest");
  attributes.coordinates = node.GetString("coordinate_transformation_mode", "half_pixel");
  attributes.nearest_mode = node.GetString("nearest_mode", "round_prefer_floor");
  attributes.cubic_a = static_cast<float>(node.GetFloat("cubic_coeff_a", -0.75));
  attributes.extrapolation_value = static_cast<float>(node.GetFloat("extrapolation_value", 0.0));
  attributes.exclude_outside = node.GetInt("exclude_outside", 0) != 0;
  attributes.antialias = node.GetInt("antialias", 0) != 0;
  attributes.aspect_ratio = node.GetString("keep_aspect_ratio_policy", "stretch");
  attributes.axes = node.GetInts("axes", {});
  CheckOneOf(attributes.aspect_ratio, {"stretch", "not_larger", "not_smaller"},
             "keep_aspect_ratio_policy");
  CheckOneOf(attributes.mode, {"nearest", "linear", "cubic"}, "mode");
  CheckOneOf(attributes.coordinates,
             {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
              "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"},
             "coordinate_transformation_mode");
  CheckOneOf(attributes.nearest_mode,
             {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}, "nearest_mode");
  return attributes;
}

// Before opset 9 the scales are an attribute.
Tensor StatedScales(const Node& node) {
  const std::vector<double> scales = node.GetFloats("scales", {});
  if (scales.empty()) Malformed("attribute 'scales' is missing");
  return ConvertTo(Tensor::FromVector<double>({static_cast<int64_t>(scales.size())}, scales),
                   DType::kFloat32);
}

}  // namespace

std::vector<ResizedAxis> ResizedAxes(const Node& node, int64_t opset, const KernelInputs& inputs) {
  constexpr int64_t kFirstWithCoordinates = 11;
  constexpr int64_t kFirstWithScalesInput = 9;
  const bool before_11 = node.op == "Upsample" || opset < kFirstWithCoordinates;
  const ResizeAttributes attributes = before_11 ? AttributesBefore11(node) : AttributesFrom11(node);
  KernelInputs arranged = inputs;
  Tensor scales;
  if (before_11 && opset < kFirstWithScalesInput) {
    scales = StatedScales(node);
    arranged = {inputs[0], nullptr, &scales};
  } else if (before_11) {
    arranged = {inputs[0], nullptr, inputs[1]};
  }
  const std::vector<AxisPlan> plans = PlanAxes(attributes, arranged);
  std::vector<ResizedAxis> axes;
  for (size_t d = plans.size(); d-- > 0;) {
    if (IsIdentity(plans[d])) continue;
    axes.push_back({static_cast<int64_t>(d), plans[d].input, plans[d].output,
                    TapsOfAxis(attributes, plans[d])});
  }
  return axes;
}

KernelFunction CreateResize(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 4);
  const ResizeAttributes attributes = AttributesFrom11(spec.node);
  return [attributes](const KernelInputs& inputs) { return Resize(attributes, inputs); };
}

// The scales are an input.
KernelFunction CreateResize10(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const ResizeAttributes attributes = AttributesBefore11(spec.node);
  return [attributes](const KernelInputs& inputs) {
    return Resize(attributes, {inputs[0], nullptr, inputs[1]});
  };
}

KernelFunction CreateUpsample7(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const ResizeAttributes attributes = AttributesBefore11(spec.node);
  const Tensor tensor = StatedScales(spec.node);
  return [attributes, tensor](const KernelInputs& inputs) {
    return Resize(attributes, {inputs[0], nullptr, &tensor});
  };
}

}  // namespace adaround::kernels
