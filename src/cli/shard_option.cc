#include "cli/shard_option.h"

#include <charconv>
#include <optional>
#include <system_error>

#include "adaround/base/error.h"

namespace adaround::cli {

namespace {

std::optional<Shard> Parse(const std::string& text) {
  Shard shard;
  const size_t slash = text.find('/');
  const auto number = [&](const std::string& part, int64_t& value) {
    const auto [end, failure] = std::from_chars(part.data(), part.data() + part.size(), value);
    return failure == std::errc() && end == part.data() + part.size();
  };
  const bool is_shard = slash != std::string::npos && number(text.substr(0, slash), shard.index) &&
                        number(text.substr(slash + 1), shard.count) && 1 <= shard.index &&
                        shard.index <= shard.count && shard.count <= kMaxShards;
  return is_shard ? std::optional(shard) : std::nullopt;
}

std::string Refusal(const std::string& text) {
  return "'" + Printable(text) + "' is not I/N with 1 <= I <= N <= " + std::to_string(kMaxShards) +
         ", such as 2/4";
}

}  // namespace

CLI::Option* AddShardOption(CLI::App& app, std::string& text, const std::string& help) {
  // An empty text too: of a variable that was to hold the shard, and does not.
  return app.add_option("--shard", text, help)
      ->check([](const std::string& given) { return Parse(given) ? "" : Refusal(given); })
      ->type_name("I/N");
}

Shard ParseShard(const std::string& text) {
  if (text.empty()) return {};
  if (const std::optional<Shard> shard = Parse(text)) return *shard;
  throw Error(ErrorCode::kInvalidArgument, "--shard: " + Refusal(text));
}

std::string TextOf(const Shard& shard) {
  return std::to_string(shard.index) + "/" + std::to_string(shard.count);
}

}  // namespace adaround::cli
