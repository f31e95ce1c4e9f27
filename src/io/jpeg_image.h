// JPEG pictures through libjpeg.
#pragma once

#include <span>
#include <string>

#include "io/image.h"

namespace adaround {

// `bytes`: the whole file, which messages call `name`. Threads: concurrent calls are safe.
// Throws Error(kMalformed | kUnsupported), as DecodeImage does.
Image DecodeJpeg(std::span<const uint8_t> bytes, const std::string& name);

}  // namespace adaround
