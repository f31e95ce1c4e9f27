// PNG pictures through libpng.
#pragma once

#include <span>
#include <string>

#include "io/image.h"

namespace adaround {

// `bytes`: the whole file, which messages call `name`. `as_classes`: see DecodeLabelImage.
// Threads: concurrent calls are safe.
// Throws Error(kMalformed | kUnsupported), as DecodeImage and DecodeLabelImage do.
Image DecodePng(std::span<const uint8_t> bytes, const std::string& name, bool as_classes);

}  // namespace adaround
