// Whether labels are those of a network's output.
#pragma once

#include <cstdint>
#include <string>

#include "adaround/io/labels.h"
#include "adaround/tensor/tensor.h"
#include "pipeline/network_output.h"

namespace adaround {

// Class maps say no number of classes: what they and their labels may hold.
inline constexpr int64_t kMaxMapClasses = 65'536;

// Throws Error(kMalformed) where there is not one label for each sample.
void CheckLabelCount(const Labels& labels, int64_t num_samples);

// Throws Error(kMalformed) unless `label` is one of the output's classes; `where` names it.
void CheckClass(int64_t label, const NetworkOutput& output, const std::string& where);

// Throws Error(kUnsupported) where one class per sample says too little: the output is a map.
void CheckSampleLabels(const Labels& labels, const NetworkOutput& output);

// The label map of a sample, once it is found to fit.
// Throws Error(kUnsupported) where the output is no map, or is a map of classes of another extent;
// Error(kMalformed) for a label outside the classes; as LabelMaps::Read.
Tensor ReadFittingMap(const LabelMaps& maps, int64_t sample, const NetworkOutput& output);

// All of that for the classes of all samples, or for the first label map. `output` is any sample's.
// Throws Error(kUnsupported), too, where sub-folders are classes by their place and there are not
// as many as the network's.
void CheckLabelsFit(const Labels& labels, const NetworkOutput& output);

}  // namespace adaround
