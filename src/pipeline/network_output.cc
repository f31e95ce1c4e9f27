#include "pipeline/network_output.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "adaround/base/error.h"
#include "tensor/finite.h"

namespace adaround {
namespace {

bool IsInteger(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kFloat64:
    case DType::kFloat16:
    case DType::kBFloat16:
    case DType::kBool: return false;
    default: return true;
  }
}

// For each index of a line of `to`, the two neighbours in a line of `from` and the second's weight.
struct Neighbours {
  std::vector<int64_t> first;
  std::vector<int64_t> second;
  std::vector<float> weight;

  Neighbours(int64_t from, int64_t to) {
    const double scale = static_cast<double>(from) / static_cast<double>(to);
    for (int64_t i = 0; i < to; ++i) {
      const double at = std::max(0.0, (static_cast<double>(i) + 0.5) * scale - 0.5);
      const int64_t left = std::min(static_cast<int64_t>(at), from - 1);
      first.push_back(left);
      second.push_back(std::min(left + 1, from - 1));
      weight.push_back(static_cast<float>(at - static_cast<double>(left)));
    }
  }
};

}  // namespace

NetworkOutput::NetworkOutput(Tensor output, bool channels_last, const std::string& name,
                             int64_t sample)
    : output_(std::move(output)) {
  const Shape& shape = output_.shape();
  const size_t rank = shape.size();
  const bool one_sample = rank >= 1 && shape[0] == 1 && output_.num_elements() > 0;
  const bool is_float = output_.dtype() == DType::kFloat32;
  const bool is_class_map = rank <= 3 || (rank == 4 && (shape[1] == 1 || shape[3] == 1));
  if (!one_sample || (is_float ? rank < 2 : !IsInteger(output_.dtype()) || !is_class_map)) {
    throw Error(ErrorCode::kUnsupported,
                "output '" + Printable(name) + "' is " + std::string(DTypeName(output_.dtype())) +
                    " " + ShapeToString(shape) +
                    " for one sample; evaluation needs float32 scores [1, classes, ...] or integer "
                    "classes [1, height, width]");
  }
  if (is_float) {
    const bool last = channels_last && rank == 4;
    num_classes_ = last ? shape[3] : shape[1];
    num_positions_ = output_.num_elements() / num_classes_;
    class_stride_ = last ? 1 : num_positions_;
    position_stride_ = last ? num_classes_ : 1;
    if (rank == 4) SetMap(shape[last ? 1 : 2], shape[last ? 2 : 3]);
    scores_ = output_.data<float>();
    if (FirstNotFinite(scores_, output_.num_elements()) != output_.num_elements()) {
      throw Error(
          ErrorCode::kNumerical,
          "output '" + Printable(name) + "' is not finite for sample " + std::to_string(sample));
    }
    FindClasses();
    return;
  }
  classes_ = ToInt64Vector(output_);
  num_positions_ = output_.num_elements();
  if (rank == 3) SetMap(shape[1], shape[2]);
  if (rank == 4) SetMap(shape[shape[1] == 1 ? 2 : 1], shape[shape[1] == 1 ? 3 : 2]);
}

void NetworkOutput::SetMap(int64_t height, int64_t width) {
  height_ = height;
  width_ = width;
}

const float* NetworkOutput::Scores(int64_t c, int64_t begin, int64_t count, float* copy) const {
  const float* first = scores_ + c * class_stride_ + begin * position_stride_;
  if (position_stride_ == 1) return first;
  for (int64_t i = 0; i < count; ++i) copy[i] = first[i * position_stride_];
  return copy;
}

// Class by class over stretches of positions, which the compiler vectorizes.
void NetworkOutput::FindClasses() {
  constexpr int64_t kPositionsAtOnce = 256;
  classes_.resize(static_cast<size_t>(num_positions_));
  std::array<float, kPositionsAtOnce> copy;
  std::array<float, kPositionsAtOnce> best;
  std::array<int32_t, kPositionsAtOnce> best_class;
  for (int64_t begin = 0; begin < num_positions_; begin += kPositionsAtOnce) {
    const int64_t count = std::min(kPositionsAtOnce, num_positions_ - begin);
    best.fill(-std::numeric_limits<float>::infinity());
    for (int32_t c = 0; c < num_classes_; ++c) {
      const float* scores = Scores(c, begin, count, copy.data());
      for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
        best_class[i] = scores[i] > best[i] ? c : best_class[i];
        best[i] = scores[i] > best[i] ? scores[i] : best[i];
      }
    }
    std::copy_n(best_class.begin(), count, classes_.begin() + begin);
  }
}

std::vector<int64_t> NetworkOutput::ClassMap(int64_t height, int64_t width) const {
  ADAROUND_CHECK(height_ > 0 && (has_scores() || (height == height_ && width == width_)));
  if (height == height_ && width == width_) return classes_;
  std::vector<int64_t> map(static_cast<size_t>(height * width), 0);
  const Neighbours rows(height_, height);
  const Neighbours columns(width_, width);
  std::vector<float> line(static_cast<size_t>(width_));
  std::vector<float> best(static_cast<size_t>(width));
  for (size_t y = 0; y < static_cast<size_t>(height); ++y) {
    int64_t* classes = map.data() + y * static_cast<size_t>(width);
    for (int64_t c = 0; c < num_classes_; ++c) {
      for (int64_t x = 0; x < width_; ++x) {
        const float upper = Score(c, rows.first[y] * width_ + x);
        const float lower = Score(c, rows.second[y] * width_ + x);
        line[static_cast<size_t>(x)] = upper + rows.weight[y] * (lower - upper);
      }
      for (size_t x = 0; x < best.size(); ++x) {
        const float left = line[static_cast<size_t>(columns.first[x])];
        const float right = line[static_cast<size_t>(columns.second[x])];
        const float score = left + columns.weight[x] * (right - left);
        if (c > 0 && score <= best[x]) continue;
        best[x] = score;
        classes[x] = c;
      }
    }
  }
  return map;
}

}  // namespace adaround
