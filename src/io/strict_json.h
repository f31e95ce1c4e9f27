// JSON from files that may be hostile.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace adaround {

inline constexpr int kMaxJsonDepth = 64;
inline constexpr int64_t kMaxJsonValues = 2'000'000;

// Parses one JSON text. Throws Error(kMalformed), naming `file` and the offset in it
// (`base_offset` + position in `text`), for what is not JSON, invalid UTF-8, nesting deeper than
// kMaxJsonDepth, more than kMaxJsonValues values, two equal keys in one object (after escapes),
// and numbers that no int64 or finite double holds.
nlohmann::json ParseStrictJson(std::string_view text, const std::string& file,
                               int64_t base_offset = 0);

// The text of a document that we write. Throws Error(kInvalidArgument), naming `file`, where a
// string is not UTF-8.
std::string DumpJson(const nlohmann::ordered_json& value, int indent, const std::string& file);

// A value in a parsed document together with its place there, so that every complaint says where:
// "/m/model.json: nodes[3].attributes.pads: expected a list, found a string".
// Views refer to the document and to `file`, which must outlive them.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, const std::string& file, std::string place = "")
      : value_(&value), file_(&file), place_(std::move(place)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& place() const { return place_; }

  // Throws unless the value is an object that has all of `required` and nothing beyond those and
  // `optional`.
  void CheckKeys(const std::vector<std::string>& required,
                 const std::vector<std::string>& optional) const;

  bool Has(const std::string& key) const { return value_->contains(key); }
  // REQUIRES: Has(key).
  JsonView At(const std::string& key) const;
  // REQUIRES: index < the array's size.
  JsonView At(size_t index) const;

  // The number of elements of an array; throws where the value is none.
  size_t ArraySize() const;
  void CheckObject() const;
  const std::string& AsString() const;
  // A whole number from `min` to `max`.
  int64_t AsInt(int64_t min, int64_t max) const;
  double AsNumber() const;

  [[noreturn]] void FailMalformed(const std::string& message) const;
  [[noreturn]] void FailUnsupported(const std::string& message) const;

 private:
  [[noreturn]] void FailExpected(const char* wanted) const;
  std::string Prefix() const;

  const nlohmann::json* value_;
  const std::string* file_;
  std::string place_;
};

}  // namespace adaround
