#include "cli/shard_option.h"

#include <charconv>

#include "adaround/base/error.h"

namespace adaround::cli {

Shard ParseShard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const size_t slash = text.find('/');
  const auto number = [&](const std::string& part, int64_t& value) {
    const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), value);
    return failure == std::errc() && end == part.data() + part.size();
  };
  const bool is_shard = slash != std::string::npos && number(text.substr(0, slash), shard.index) &&
                        number(text.substr(slash + 1), shard.count) && 1 <= shard.index &&
                        shard.index <= shard.count && shard.count <= kMaxShards;
  if (!is_shard) {
    throw Error(ErrorCode::kInvalidArgument, "--shard: '" + Printable(text) +
                                                 "' is not I/N with 1 <= I <= N <= " +
                                                 std::to_string(kMaxShards) + ", such as 2/4");
  }
  return shard;
}

std::string TextOf(const Shard& shard) {
  return std::to_string(shard.index) + "/" + std::to_string(shard.count);
}

}  // namespace adaround::cli
