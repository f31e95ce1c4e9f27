// Work in parts for several processes, as the command line says it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "adaround/pipeline/quantize.h"

namespace adaround::cli {

inline constexpr int64_t kMaxShards = 10'000;

// --shard I/N, which is checked as the command line is parsed.
CLI::Option* AddShardOption(CLI::App& app, std::string& text, const std::string& help);

// "2/4"; "" where the option was not given: the whole.  Throws Error(kInvalidArgument).
Shard ParseShard(const std::string& text);

// "2/4".
std::string TextOf(const Shard& shard);

}  // namespace adaround::cli
