// The digest that ties a result to the model it was made from.
#pragma once

#include <string>

namespace adaround::cli {

// SHA-256 over model.json and the weights beside it.  `model` is a model.json or its folder.
// Throws Error(kIo).
std::string ModelDigest(const std::string& model);

}  // namespace adaround::cli
