// Work in parts for several processes, as the command line says it.
#pragma once

#include <string>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

inline constexpr int64_t kMaxShards = 10'000;

// "2/4"; "" is the whole.  Throws Error(kInvalidArgument).
Shard ParseShard(const std::string& text);

// "2/4".
std::string TextOf(const Shard& shard);

}  // namespace adaround::cli
