// Changes ONNX models by their structure, which changes of single bytes hardly survive.
#pragma once

#include <onnx/onnx_pb.h>

#include <random>

namespace adaround::fuzz {

// One to a few changes anywhere in the message: a field set to a value that breaks things, cleared,
// repeated, or exchanged with another of its kind; a sub-message put in the place of another.
// Nothing is nested deeper than a few levels beyond what was there.
void MutateOnnxModel(onnx::ModelProto* model, std::minstd_rand& generator);

}  // namespace adaround::fuzz
