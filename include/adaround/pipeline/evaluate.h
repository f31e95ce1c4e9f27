// Measures a network on data: accuracy against labels, distance from a reference network.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adaround/base/progress.h"
#include "adaround/graph/graph.h"
#include "adaround/io/labels.h"
#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/calibration_set.h"

namespace adaround {

// Everything is measured on the first graph output, per sample:
//   scores        float32 [1, C] or [1, C, positions...], the C classes along axis 1; [1, h, w, C]
//                 where the first input's channels are last (ChannelAxis) as well
//   classes       integers [1], [1, 1], [1, h, w], [1, 1, h, w] or [1, h, w, 1], as ArgMax gives
//                 them: without scores there is no top-5, no SQNR and no divergence

// Of one class per sample.
struct Accuracy {
  double top1 = 0.0;           // percent
  std::optional<double> top5;  // percent; equals 100 where C <= 5; none without scores
};

// Of one class per pixel, over the pixels of all samples whose label is not kIgnoredClass.
struct Segmentation {
  // Percent: mean over the classes that occur in labels or predictions of
  // TP / (TP + FP + FN), true positives, false positives and false negatives in pixels.
  double miou = 0.0;
  double pixel_accuracy = 0.0;  // percent
};

struct Distance {
  // 10 log10 of sum(reference^2) / sum((output - reference)^2), over all outputs of all samples;
  // infinite where the two are equal; none without scores.
  std::optional<double> sqnr_db;
  // Percent of positions whose class, or largest class, is the same.
  double agreement = 0.0;
  // Mean over positions of KL(softmax(reference) || softmax(output)), nats; none without scores.
  std::optional<double> kl_divergence;
  // Of maps: mIoU in percent as in Segmentation, the reference's classes taken for the labels, at
  // the outputs' own extent.
  std::optional<double> miou;
};

struct Evaluation {
  int64_t num_samples = 0;
  int64_t num_classes = 0;                   // 0 without scores
  std::optional<Accuracy> accuracy;          // with labels of samples
  std::optional<Segmentation> segmentation;  // with label maps
  std::optional<Distance> distance;          // with a reference
  // Of the reference itself, with labels and a reference.
  std::optional<Accuracy> reference_accuracy;
  std::optional<Segmentation> reference_segmentation;
  // For the user: why something was not measured.
  std::vector<std::string> notes;
};

// The measure that a network is known by, in percent: top-1 accuracy, or mIoU of a segmentation;
// none without labels.
std::optional<double> HeadlineAccuracy(const Evaluation& evaluation);

// What a network computes on some data, kept so that many others can be measured against it.
//
// Outputs stay in memory once they have been asked for, where those of all samples fit into
// `max_bytes`; else each is computed whenever it is asked for.
// Threads: Output() may be called concurrently for different samples.
class ReferenceOutputs {
 public:
  // Of the output that `graph` calls `output`. `data` must outlive the object.
  // Throws Error(kMalformed) where the graph has no such output, Error as Executor does.
  ReferenceOutputs(const Graph& graph, const std::string& output, const CalibrationSet& data,
                   int64_t max_bytes);
  ReferenceOutputs(const ReferenceOutputs&) = delete;
  ReferenceOutputs& operator=(const ReferenceOutputs&) = delete;
  ~ReferenceOutputs();

  const CalibrationSet& data() const;
  Tensor Output(int64_t sample);
  // Bytes that outputs take once all have been asked for. Computes the first one.
  int64_t KeptBytes();
  // Measured by labels, which may be null, alone.  Throws as EvaluateModel does.
  Evaluation Evaluate(const Labels* labels, int num_threads, ProgressObserver* observer = nullptr);

 private:
  class Network;
  std::unique_ptr<Network> network_;
};

// Whether the given tensors suffice to compute the first graph output (activations captured for
// single layers do not).
bool ReachesOutput(const Graph& model, const CalibrationSet& data);

// Runs one sample, so that labels that do not fit are refused before hours of work. False: they are
// of folders whose number is not that of the output's classes, and accuracy will not be measured.
// Throws as EvaluateModel does, but for what only the other samples' label maps and outputs show.
bool CheckLabels(const Graph& model, const CalibrationSet& data, const Labels& labels);

// `labels` null = none. `reference` null = none. Scores of a map are interpolated to the extent of
// the label map (half-pixel coordinates) where the two differ.
// Labels of sub-folders that do not fit the output are passed over, with a note.
// Throws Error(kNumerical) where an output is not finite; Error(kMalformed): a label count that
// differs from the number of samples, a label outside the classes, nothing but ignored pixels;
// Error(kUnsupported): an output of another form than above, or labels of another form than the
// output; Error as Executor does.
Evaluation EvaluateModel(const Graph& model, const Graph* reference, const CalibrationSet& data,
                         const Labels* labels, int num_threads,
                         ProgressObserver* observer = nullptr);
// The same of a quantized model: weights and biases dequantized, activations on their grids.
Evaluation EvaluateModel(const QuantizedModel& model, const Graph* reference,
                         const CalibrationSet& data, const Labels* labels, int num_threads,
                         ProgressObserver* observer = nullptr);
// The same on the reference's data, its outputs computed at most once where they fit.
// REQUIRES: the reference is of the model's first output.
Evaluation EvaluateModel(const QuantizedModel& model, ReferenceOutputs& reference,
                         const Labels* labels, int num_threads,
                         ProgressObserver* observer = nullptr);

}  // namespace adaround
