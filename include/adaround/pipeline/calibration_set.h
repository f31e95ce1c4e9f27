// Samples for a graph: arrays and pictures on disk, checked against the graph and preprocessed.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "adaround/graph/graph.h"
#include "adaround/io/calibration_files.h"

namespace adaround {

// Threads: const members may be called concurrently.
class CalibrationSet {
 public:
  // Every array must be named like a tensor of the graph (an input, or any node's output) and fit
  // its known extents; uint8 arrays of a float input are images and need the input's `preprocess`.
  // Throws Error(kMalformed) naming array and tensor.
  CalibrationSet(std::vector<CalibrationTensor> tensors, const Graph& graph);

  // These of the samples, or `count` spread evenly over them; the arrays are shared.
  // Spread throws Error(kInvalidArgument) where there are fewer.
  CalibrationSet Select(const std::vector<int64_t>& samples) const;
  CalibrationSet Spread(int64_t count) const;

  int64_t num_samples() const { return static_cast<int64_t>(indices_.size()); }
  // Where in the arrays each sample lies.
  const std::vector<int64_t>& indices() const { return indices_; }
  // Names of the tensors that are given.
  const std::set<std::string>& names() const { return names_; }
  bool Has(const std::string& name) const { return names_.contains(name); }

  // One sample (extent 1 along axis 0) of a given tensor on the float or the quantized path,
  // preprocessed.
  Tensor FloatSample(const std::string& name, int64_t sample) const;
  Tensor QuantizedSample(const std::string& name, int64_t sample) const;

  // Whether some tensor's values are pixels, to which the input's preprocess applies.
  bool applies_preprocess() const;
  // Bytes of memory that reading all samples leaves in use.
  int64_t cache_bytes() const;

  // Throws Error(kMalformed) where there are fewer than two samples or all are the same.
  void CheckUsable() const;

 private:
  struct Entry {
    CalibrationTensor tensor;
    Preprocess preprocess;
    bool is_image = false;
  };
  const Entry& Find(const std::string& name) const;

  std::vector<Entry> entries_;
  std::set<std::string> names_;
  std::vector<int64_t> indices_;
};

// (pixel * scale - mean[c]) / std[c] for pixels of type uint8, c along ChannelAxis().
Tensor ApplyPreprocess(const Tensor& pixels, const Preprocess& preprocess);

}  // namespace adaround
