// GridSample over images: every output position names the input position to read.
#include <algorithm>
#include <array>
#include <cmath>

#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"

namespace adaround::kernels {
namespace {

enum class Sampling { kNearest, kLinear, kCubic };
enum class Outside { kZeros, kBorder, kReflection };

struct GridAttributes {
  Sampling sampling;
  Outside outside;
  bool align_corners;
};

GridAttributes ReadGridAttributes(const Node& node) {
  // Opset 20 calls them linear and cubic.
  const std::string mode = node.GetString("mode", "linear");
  const std::string padding = node.GetString("padding_mode", "zeros");
  CheckOneOf(mode, {"bilinear", "linear", "nearest", "bicubic", "cubic"}, "mode");
  CheckOneOf(padding, {"zeros", "border", "reflection"}, "padding_mode");
  GridAttributes attributes{};
  attributes.sampling = mode == "nearest"                         ? Sampling::kNearest
                        : mode == "bicubic" || mode == "cubic" ? Sampling::kCubic
                                                                  : Sampling::kLinear;
  attributes.outside = padding == "zeros"    ? Outside::kZeros
                       : padding == "border" ? Outside::kBorder
                                             : Outside::kReflection;
  attributes.align_corners = node.GetInt("align_corners", 0) != 0;
  return attributes;
}

// -1 and 1 are the centres of the outermost elements or their outer edges.
float Denormalize(const GridAttributes& attributes, float x, int64_t extent) {
  const float length = static_cast<float>(extent);
  return attributes.align_corners ? (x + 1.0F) / 2.0F * (length - 1.0F)
                                  : ((x + 1.0F) * length - 1.0F) / 2.0F;
}

// Reflected between the centres or the edges of the outermost elements.
float Reflect(const GridAttributes& attributes, float x, int64_t extent) {
  const float low = attributes.align_corners ? 0.0F : -0.5F;
  const float range = static_cast<float>(attributes.align_corners ? extent - 1 : extent);
  if (range <= 0.0F) return 0.0F;
  const float distance = std::fmod(std::fabs(x - low), 2.0F * range);
  return low + (distance > range ? 2.0F * range - distance : distance);
}

// The element that a whole position stands for, or -1 for none.
int64_t Resolve(const GridAttributes& attributes, float x, int64_t extent) {
  const float last = static_cast<float>(extent - 1);
  if (attributes.outside == Outside::kReflection) x = Reflect(attributes, x, extent);
  if (attributes.outside == Outside::kZeros && (x < 0.0F || x > last)) return -1;
  return static_cast<int64_t>(std::clamp(std::nearbyint(x), 0.0F, last));
}

// Keys' kernel (1981) with a = -0.75.
float Cubic(float distance) {
  constexpr float kA = -0.75F;
  const float d = std::fabs(distance);
  if (d <= 1.0F) return ((kA + 2.0F) * d - (kA + 3.0F)) * d * d + 1.0F;
  return d < 2.0F ? ((kA * d - 5.0F * kA) * d + 8.0F * kA) * d - 4.0F * kA : 0.0F;
}

struct AxisTaps {
  std::array<int64_t, 4> index{};  // -1 = contributes zero
  std::array<float, 4> weight{};
  size_t count = 0;
};

AxisTaps TapsOf(const GridAttributes& attributes, float grid, int64_t extent) {
  float x = Denormalize(attributes, grid, extent);
  // Far outside all positions are alike, and a number that is none reads as outside.
  const float far = 4.0F * static_cast<float>(extent) + 8.0F;
  if (!std::isfinite(x)) x = std::isnan(x) ? -far : std::copysign(far, x);
  if (attributes.outside != Outside::kReflection) x = std::clamp(x, -far, far);
  if (attributes.sampling != Sampling::kCubic) {
    // The position itself is brought inside; for cubic, each neighbour is.
    if (attributes.outside == Outside::kBorder) {
      x = std::clamp(x, 0.0F, static_cast<float>(extent - 1));
    } else if (attributes.outside == Outside::kReflection) {
      x = std::clamp(Reflect(attributes, x, extent), 0.0F, static_cast<float>(extent - 1));
    }
  }
  AxisTaps taps;
  if (attributes.sampling == Sampling::kNearest) {
    taps.index[0] = Resolve(attributes, std::nearbyint(x), extent);
    taps.weight[0] = 1.0F;
    taps.count = 1;
    return taps;
  }
  const float base = std::floor(x);
  const int64_t first = attributes.sampling == Sampling::kLinear ? 0 : -1;
  taps.count = attributes.sampling == Sampling::kLinear ? 2 : 4;
  for (size_t i = 0; i < taps.count; ++i) {
    const float position = base + static_cast<float>(first + static_cast<int64_t>(i));
    const float distance = x - position;
    taps.weight[i] = attributes.sampling == Sampling::kLinear ? 1.0F - std::fabs(distance)
                                                              : Cubic(distance);
    taps.index[i] = Resolve(attributes, position, extent);
  }
  return taps;
}

}  // namespace

KernelFunction CreateGridSample(const KernelSpec& spec) {
  CheckArity(spec.node, 2, 2);
  const GridAttributes attributes = ReadGridAttributes(spec.node);
  return [attributes](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    const Tensor& grid = *inputs[1];
    CheckFloat(x, "input");
    CheckFloat(grid, "grid");
    if (x.rank() != 4 && x.rank() == grid.rank()) Unsupported("sampling of other than images");
    if (x.rank() != 4 || grid.rank() != 4 || grid.dim(3) != 2 || grid.dim(0) != x.dim(0)) {
      Malformed("input has shape " + ShapeToString(x.shape()) + " and grid " +
                ShapeToString(grid.shape()) + ", wanted [N, C, H, W] and [N, H', W', 2]");
    }
    const int64_t channels = x.dim(1);
    const int64_t height = x.dim(2);
    const int64_t width = x.dim(3);
    Tensor y = NewOutput(DType::kFloat32, {x.dim(0), channels, grid.dim(1), grid.dim(2)});
    if (y.num_elements() == 0) return {y};
    if (height < 1 || width < 1) Malformed("input has shape " + ShapeToString(x.shape()));
    const int64_t area = grid.dim(1) * grid.dim(2);
    for (int64_t position = 0; position < x.dim(0) * area; ++position) {
      const float* at = grid.data<float>() + 2 * position;
      const AxisTaps columns = TapsOf(attributes, at[0], width);
      const AxisTaps rows = TapsOf(attributes, at[1], height);
      const int64_t n = position / area;
      for (int64_t c = 0; c < channels; ++c) {
        const float* plane = x.data<float>() + (n * channels + c) * height * width;
        float sum = 0.0F;
        for (size_t r = 0; r < rows.count; ++r) {
          for (size_t k = 0; k < columns.count; ++k) {
            if (rows.index[r] < 0 || columns.index[k] < 0) continue;
            sum += rows.weight[r] * columns.weight[k] *
                   plane[rows.index[r] * width + columns.index[k]];
          }
        }
        y.mutable_data<float>()[(n * channels + c) * area + position % area] = sum;
      }
    }
    return {y};
  };
}

}  // namespace adaround::kernels
