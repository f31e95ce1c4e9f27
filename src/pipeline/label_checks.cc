#include "pipeline/label_checks.h"

#include <string>

#include "adaround/base/error.h"

namespace adaround {

namespace {

std::string Source(const Labels& labels) {
  return labels.source.empty() ? "" : labels.source + ": ";
}

}  // namespace

void CheckLabelCount(const Labels& labels, int64_t num_samples) {
  if (labels.num_samples() == num_samples) return;
  throw Error(ErrorCode::kMalformed,
              Source(labels) + "found " + std::to_string(labels.num_samples()) + " labels for " +
                  std::to_string(num_samples) + " samples; give one for each, in their order");
}

void CheckClass(int64_t label, const NetworkOutput& output, const std::string& where) {
  const int64_t num_classes = output.has_scores() ? output.num_classes() : kMaxMapClasses;
  if (label >= 0 && label < num_classes) return;
  throw Error(ErrorCode::kMalformed, "label " + std::to_string(label) + " of " + where +
                                         " is outside the " + std::to_string(num_classes) +
                                         " classes, which are numbered from 0");
}

void CheckSampleLabels(const Labels& labels, const NetworkOutput& output) {
  if (output.num_positions() == 1) return;
  throw Error(ErrorCode::kUnsupported,
              "the output has " + std::to_string(output.num_positions()) +
                  " positions per sample; one class per sample fits outputs [samples, classes] "
                  "only; give label maps: a folder of PNG files, or .npy [samples, height, width]" +
                  (labels.from_folders ? ", not sub-folders" : ""));
}

Tensor ReadFittingMap(const LabelMaps& maps, int64_t sample, const NetworkOutput& output) {
  if (output.height() == 0) {
    throw Error(ErrorCode::kUnsupported,
                "the labels are maps, but the network's output is one of [1, classes] or the like; "
                "maps fit outputs [samples, classes, height, width] or [samples, height, width]");
  }
  Tensor map = maps.Read(sample);
  if (!output.has_scores() && (map.dim(0) != output.height() || map.dim(1) != output.width())) {
    throw Error(ErrorCode::kUnsupported,
                maps.Describe(sample) + ": has " + std::to_string(map.dim(1)) + "x" +
                    std::to_string(map.dim(0)) + " pixels, the network's map of classes " +
                    std::to_string(output.width()) + "x" + std::to_string(output.height()) +
                    "; classes, unlike scores, cannot be interpolated: give labels of its extent");
  }
  const int64_t* labels = map.data<int64_t>();
  for (int64_t i = 0; i < map.num_elements(); ++i) {
    if (labels[i] != kIgnoredClass) CheckClass(labels[i], output, maps.Describe(sample));
  }
  return map;
}

void CheckLabelsFit(const Labels& labels, const NetworkOutput& output) {
  if (labels.maps) {
    ReadFittingMap(*labels.maps, 0, output);
    return;
  }
  CheckSampleLabels(labels, output);
  if (labels.num_placed_folders && output.has_scores() &&
      *labels.num_placed_folders != output.num_classes()) {
    throw Error(ErrorCode::kUnsupported,
                std::to_string(*labels.num_placed_folders) + " sub-folders stand for classes by "
                "their place, the network has " + std::to_string(output.num_classes()) +
                    "; name them by class index, or give labels in a file");
  }
  for (size_t i = 0; i < labels.classes.size(); ++i) {
    CheckClass(labels.classes[i], output,
               (labels.source.empty() ? "" : labels.source + ", ") + "sample " + std::to_string(i));
  }
}

}  // namespace adaround
