#include "pipeline/layer_capture.h"

#include <algorithm>
#include <cmath>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/rng.h"
#include "tensor/finite.h"

namespace adaround {
namespace {

// Keeps the stream of positions apart from the solver's stream of minibatches (see Rng).
constexpr uint64_t kPositionStream = uint64_t{1} << 40;

}  // namespace

SampleSplit SplitSamples(int64_t num_samples, double held_out_fraction) {
  SampleSplit split;
  const auto wanted =
      static_cast<int64_t>(std::llround(held_out_fraction * static_cast<double>(num_samples)));
  const int64_t num_held_out =
      num_samples < 2 ? 0 : std::clamp<int64_t>(wanted, 1, num_samples - 1);
  for (int64_t i = 0; i < num_samples; ++i) {
    // The i-th sample is held out where i * num_held_out / num_samples steps up.
    const bool held_out = (i + 1) * num_held_out / num_samples > i * num_held_out / num_samples;
    split.held_out.push_back(held_out);
    split.place.push_back(held_out ? split.num_held_out++ : split.num_search++);
  }
  return split;
}

std::vector<int64_t> SamplesOf(const SampleSplit& split, bool held_out) {
  std::vector<int64_t> samples;
  for (size_t i = 0; i < split.held_out.size(); ++i) {
    if (split.held_out[i] == held_out) samples.push_back(static_cast<int64_t>(i));
  }
  return samples;
}

CaptureLimits LimitsOf(const LinearLayer& layer, const QuantizeOptions& options) {
  constexpr int64_t kColumnsPerWeight = 28;
  return {std::clamp(kColumnsPerWeight * layer.row_length, options.search_columns,
                     2 * options.search_columns),
          options.held_out_columns, options.positions_per_draw};
}

ColumnsPerSample CountColumns(const LinearLayer& layer, int64_t num_positions,
                              const SampleSplit& split, const CaptureLimits& limits) {
  const int64_t column_bytes =
      layer.num_groups * layer.row_length * static_cast<int64_t>(sizeof(float));
  const auto per_sample = [&](int64_t max_columns, int64_t num_samples, int64_t at_least) {
    if (num_samples == 0) return int64_t{0};
    const int64_t fitting = std::max<int64_t>(64, kMaxPoolBytes / column_bytes);
    const int64_t wanted =
        std::max(at_least, CeilDivide(std::min(max_columns, fitting), num_samples));
    return std::min(wanted, num_positions);
  };
  return {per_sample(limits.max_search_columns, split.num_search, limits.positions_per_draw),
          per_sample(limits.max_held_out_columns, split.num_held_out, 1)};
}

LayerCapture::LayerCapture(const Node& node, const LinearLayer& layer, const Shape& input_shape,
                           const Shape& weight_shape, const Shape& output_shape,
                           const SampleSplit& split, const CaptureLimits& limits, uint64_t seed,
                           uint64_t layer_index)
    : name_(layer.name),
      gather_(node, layer, input_shape, weight_shape, output_shape),
      split_(split),
      seed_(seed),
      layer_index_(layer_index) {
  const ColumnsPerSample count = CountColumns(layer, gather_.num_positions(), split, limits);
  search_per_sample_ = count.search;
  held_out_per_sample_ = count.held_out;
  const auto describe = [&](SampledColumns& columns, int64_t num_samples) {
    columns.num_groups = layer.num_groups;
    columns.num_rows = layer.num_rows;
    columns.row_length = layer.row_length;
    columns.num_samples = num_samples;
    columns.target.resize(static_cast<size_t>(layer.num_rows * num_samples));
  };
  search_.num_images = split.num_search;
  describe(search_, search_per_sample_ * split.num_search);
  describe(held_out_, held_out_per_sample_ * split.num_held_out);
  if (limits.positions_per_draw > 0) search_.columns_per_draw = search_per_sample_;
}

std::vector<int64_t> LayerCapture::Positions(int64_t sample, int64_t count) const {
  Rng rng(seed_, layer_index_, kPositionStream + static_cast<uint64_t>(sample));
  const int64_t total = gather_.num_positions();
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = i * total / count;
    const int64_t end = (i + 1) * total / count;
    positions.push_back(begin + rng.Below(end - begin));
  }
  return positions;
}

void LayerCapture::CaptureTarget(int64_t sample, const Tensor& output) {
  const auto at = static_cast<size_t>(sample);
  SampledColumns& columns = split_.held_out[at] ? held_out_ : search_;
  const int64_t count = PositionsPerSample(split_.held_out[at]);
  const std::vector<int64_t> positions = Positions(sample, count);
  const float* values = output.data<float>();
  for (int64_t row = 0; row < columns.num_rows; ++row) {
    float* target = columns.target.data() + row * columns.num_samples + split_.place[at] * count;
    for (int64_t i = 0; i < count; ++i) {
      target[i] = values[gather_.OutputOffset(row, positions[static_cast<size_t>(i)])];
      if (!std::isfinite(target[i])) {
        throw Error(ErrorCode::kNumerical,
                    "layer '" + Printable(name_) + "': output channel " + std::to_string(row) +
                        " of the float network is not finite for calibration sample " +
                        std::to_string(sample) + "; check the sample and its preprocessing");
      }
    }
  }
}

void LayerCapture::AllocateInputs() {
  for (SampledColumns* columns : {&search_, &held_out_}) {
    columns->x_hat.resize(
        static_cast<size_t>(columns->num_groups * columns->num_samples * columns->row_length));
  }
}

void LayerCapture::CaptureInput(int64_t sample, const Tensor& input) {
  std::call_once(inputs_allocated_, [this] { AllocateInputs(); });
  const auto at = static_cast<size_t>(sample);
  SampledColumns& columns = split_.held_out[at] ? held_out_ : search_;
  const int64_t count = PositionsPerSample(split_.held_out[at]);
  const int64_t length = columns.row_length;
  const int64_t group_stride = columns.num_samples * length;
  const std::vector<int64_t> positions = Positions(sample, count);
  float* first = columns.x_hat.data() + split_.place[at] * count * length;
  for (int64_t i = 0; i < count; ++i) {
    gather_.Column(input.data<float>(), positions[static_cast<size_t>(i)], first + i * length,
                   group_stride);
  }
  for (int64_t group = 0; group < columns.num_groups; ++group) {
    if (FirstNotFinite(first + group * group_stride, count * length) != count * length) {
      throw Error(ErrorCode::kNumerical, "layer '" + Printable(name_) +
                                             "': its input is not finite for calibration sample " +
                                             std::to_string(sample) +
                                             "; check the sample and its preprocessing");
    }
  }
}

}  // namespace adaround
