// What a network says about one sample: scores of classes, or the classes themselves, at positions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adaround/tensor/tensor.h"

namespace adaround {

// A sample's output, seen as [classes, positions]. Holds on to the tensor.
class NetworkOutput {
 public:
  // Scores are float32 [1, C], [1, C, positions...] or, where `channels_last`, [1, h, w, C];
  // classes are integers [1], [1, 1], [1, h, w], [1, 1, h, w] or [1, h, w, 1].  `name` is the
  // output's. Throws Error(kUnsupported) for anything else, Error(kNumerical) where a score is not
  // finite.
  NetworkOutput(Tensor output, bool channels_last, const std::string& name, int64_t sample);

  bool has_scores() const { return num_classes_ > 0; }
  int64_t num_classes() const { return num_classes_; }  // 0 without scores
  int64_t num_positions() const { return num_positions_; }
  // Of the map that the positions form; both 0 where they form none.
  int64_t height() const { return height_; }
  int64_t width() const { return width_; }

  // REQUIRES: has_scores().
  float Score(int64_t c, int64_t position) const {
    return scores_[c * class_stride_ + position * position_stride_];
  }
  // The scores of one class at consecutive positions: where they lie in the tensor, or, where they
  // do not lie together, copied to `copy`.  REQUIRES: has_scores().
  const float* Scores(int64_t c, int64_t begin, int64_t count, float* copy) const;
  // The class, or the first of those with the largest score.
  int64_t ClassAt(int64_t position) const { return classes_[static_cast<size_t>(position)]; }
  // The classes of a map of this extent: scores are interpolated linearly between the centres of
  // their pixels (half-pixel coordinates, edges repeated) before they are compared.
  // REQUIRES: height() > 0; without scores, the extent is the map's own.
  std::vector<int64_t> ClassMap(int64_t height, int64_t width) const;

 private:
  void SetMap(int64_t height, int64_t width);
  void FindClasses();

  Tensor output_;
  const float* scores_ = nullptr;
  std::vector<int64_t> classes_;  // per position
  int64_t num_classes_ = 0;
  int64_t num_positions_ = 0;
  int64_t class_stride_ = 0;
  int64_t position_stride_ = 0;
  int64_t height_ = 0;
  int64_t width_ = 0;
};

}  // namespace adaround
