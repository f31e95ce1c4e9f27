// Changes ONNX models by their structure, which changes of single bytes hardly survive.
#pragma once

#include <cstddef>
#include <cstdint>

namespace adaround::fuzz {

// What LLVMFuzzerCustomMutator does: `data` holds a model of `size` bytes and has room for
// `max_size`; returns the new size.
//
// One to a few changes anywhere in the message: a field set to a value that breaks things, cleared,
// repeated, or exchanged with another of its kind; a sub-message put in the place of another.
// Sometimes, and always where the bytes are no model, LLVMFuzzerMutate changes the bytes.
size_t MutateOnnxBytes(uint8_t* data, size_t size, size_t max_size, unsigned seed);

}  // namespace adaround::fuzz
