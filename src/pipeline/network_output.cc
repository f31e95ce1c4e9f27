#include "pipeline/network_output.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"

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
    if (!std::all_of(scores_, scores_ + output_.num_elements(),
                     [](float score) { return std::isfinite(score); })) {
      throw Error(
          ErrorCode::kNumerical,
          "output '" + Printable(name) + "' is not finite for sample " + std::to_string(sample));
    }
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

int64_t NetworkOutput::ClassAt(int64_t position) const {
  if (!has_scores()) return classes_[static_cast<size_t>(position)];
  int64_t best = 0;
  for (int64_t c = 1; c < num_classes_; ++c) {
    if (Score(c, position) > Score(best, position)) best = c;
  }
  return best;
}

std::vector<int64_t> NetworkOutput::ClassMap(int64_t height, int64_t width) const {
  ADAROUND_CHECK(height_ > 0 && (has_scores() || (height == height_ && width == width_)));
  if (!has_scores()) return classes_;
  std::vector<int64_t> map(static_cast<size_t>(height * width), 0);
  if (height == height_ && width == width_) {
    for (int64_t i = 0; i < num_positions_; ++i) map[static_cast<size_t>(i)] = ClassAt(i);
    return map;
  }
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
