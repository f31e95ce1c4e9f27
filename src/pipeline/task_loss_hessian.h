// The curvature of the task loss by the weights of one layer: H of eq. (13), arXiv:2004.10568.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/task_hessian_options.h"
#include "adaround/runtime/executor.h"
#include "pipeline/layer_capture.h"
#include "pipeline/prepared_network.h"
#include "runtime/differentiator.h"

namespace adaround {

// Throws Error(kInvalidArgument) unless exactly one layer is to be quantized, of at most
// kMaxTaskWeights weights; the message names layers, counts, limit and remedy.
void CheckTaskLayers(const PreparedNetwork& network, const std::string& method);

// Without labels: Gauss-Newton matrix of the cross-entropy, mean over samples, network in float:
//   H = E[J^T (diag(p) - p p^T) J],   J = d logits / d W,  p = softmax(logits)
//     = E[E_{c ~ p}[g_c g_c^T]],      g_c = d(-log p_c) / dW = J^T (p - e_c),
// which is Fisher's information matrix. In weight space: [P, P] for the layer's P weights in
// row-major order of its matrix [M, K], not one entry per pre-activation. The expectation over c is
// exact up to kMaxExactClasses classes (a backward pass each), and estimated from
// num_drawn_classes draws beyond. A network that is certain of every answer has none of it: H = 0.
//
// With labels: the empirical Fisher matrix, H = mean over samples of g_y g_y^T, y the sample's
// label. One backward pass a sample; nothing is drawn.
//
// The logits are the network's first output or, where that is a Softmax of them, the Softmax's
// input. Where they are a map, [1, C, positions...] (or channels last), the loss is the mean over
// positions, and so is H: each position has outer products of its own. One backward pass serves
// all positions of a sample: r = sum over positions of s_p g_p / sqrt(positions), where the cross
// terms of r r^T have to vanish on average. Without labels they do (s_p = 1), since each position's
// class is drawn by itself and E[g] = 0; labels are not drawn, and the s_p are independent random
// signs. Either way r r^T is the mean of num_drawn_classes passes.
// A label map counts by the pixel at each position's centre, as nearest-neighbour resampling to
// the extent of the logits gives it; the mean is over a sample's labelled positions, and a sample
// that has none adds nothing.
//
// Threads: const members may be called concurrently. Results do not depend on num_threads.
class TaskLossHessian {
 public:
  // Of the first of network.layers. `executor` runs network.run_graph with float weights; it,
  // `network` and `samples` must outlive the object.
  // Throws Error: kUnsupported, listing the nodes that have no derivative, or where the output is
  // no classes, or labels are not of the output's form; kMalformed where labels are not one for
  // each sample, or outside the classes; kInvalidArgument where the output does not depend on the
  // layer: a tensor between them is given.
  TaskLossHessian(const PreparedNetwork& network, const Executor& executor,
                  const CalibrationSet& samples, const TaskHessianOptions& options, uint64_t seed);

  int64_t num_weights() const { return static_cast<int64_t>(positions_.size()); }

  struct Progress {
    std::function<void(int64_t done, int64_t total)> on_progress;  // may be empty
    std::function<void()> throw_if_stopped;                        // may be empty
  };

  // H over these samples, symmetric, row-major.  Sums are float32 products of fixed chunks.
  // Throws Error(kNumerical), naming the sample, where a logit or derivative is not finite; of
  // label maps as ReadFittingMap.
  std::vector<float> Matrix(const std::vector<int64_t>& samples, int num_threads,
                            const Progress& progress) const;

  // 1/2 v^T H v over these samples for each direction v [M, K], in double, without the matrix: the
  // rise of the loss (nats) that H predicts for a change v of the weights.
  std::vector<double> PredictedRises(const std::vector<int64_t>& samples,
                                     const std::vector<std::vector<float>>& directions,
                                     int num_threads, const Progress& progress) const;

 private:
  struct SampleLoss;

  int64_t RowsPerSample() const;
  // The class of each position by the labels, kIgnoredClass where nothing is to be counted.
  std::vector<int64_t> LabelsOf(int64_t sample, const Tensor& logits) const;
  // d(loss) / d(logits) that row `row` goes back from, into zeros; false where it adds nothing.
  bool PutRow(int64_t row, SampleLoss& loss, float* gradient) const;
  // Rows r_i with sum of r_i^T r_i = the sample's part of H, each written to rows + i * P.
  void SampleRows(int64_t sample, float* rows) const;

  const CalibrationSet& samples_;
  const TaskHessianOptions& options_;
  uint64_t seed_;
  std::string weight_;
  std::vector<int64_t> positions_;  // in the weight tensor, of each entry of [M, K]
  std::string logits_;
  bool channels_last_ = false;
  int64_t class_axis_ = 1;
  int64_t num_classes_ = 0;
  int64_t num_map_positions_ = 1;
  std::unique_ptr<Differentiator> differentiator_;
};

}  // namespace adaround
