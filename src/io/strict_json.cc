#include "io/strict_json.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "adaround/base/did_you_mean.h"
#include "io/file_error.h"

namespace adaround {
namespace {

using nlohmann::json;

// Hands out the text's characters and keeps count: the parser's events carry no positions.
class CountingIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  size_t* count_;
};

// Builds the document and stops at the first thing we do not accept.
class DocumentBuilder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value > static_cast<number_unsigned_t>(std::numeric_limits<int64_t>::max())) {
      return Refuse("the number " + std::to_string(value) + " is beyond 64-bit integers");
    }
    return Add(static_cast<number_integer_t>(value));
  }
  bool number_float(number_float_t value, const string_t& text) override {
    // A whole number that overflows 64 bits arrives here too.
    if (!std::isfinite(value) || text.find_first_of(".eE") == std::string::npos) {
      return Refuse("the number " + Printable(text, 40) + " is beyond what can be held");
    }
    return Add(value);
  }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return Refuse("binary values are no JSON"); }

  bool start_object(std::size_t /*count*/) override { return Open(json::object()); }
  bool start_array(std::size_t /*count*/) override { return Open(json::array()); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    if (open_.back()->contains(value)) {
      return Refuse("the key " + Quoted(value) + " appears twice in one object; keep one of them");
    }
    key_ = std::move(value);
    return true;
  }
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& exception) override {
    // "[json.exception.parse_error.101] parse error at ...: what": keep what.
    std::string message = exception.what();
    const size_t bracket = message.find("] ");
    if (bracket != std::string::npos) message = message.substr(bracket + 2);
    const size_t colon = message.find(": ");
    if (message.starts_with("parse error at ") && colon != std::string::npos) {
      message = message.substr(colon + 2);
    }
    return Refuse("is no valid JSON: " + Printable(message, 300));
  }

  json& root() { return root_; }
  const std::string& refusal() const { return refusal_; }

 private:
  bool Refuse(std::string why) {
    refusal_ = std::move(why);
    return false;
  }

  template <typename Value>
  bool Add(Value&& value) {
    if (++num_values_ > kMaxJsonValues) {
      return Refuse("has more than " + std::to_string(kMaxJsonValues) + " values");
    }
    Place(std::forward<Value>(value));
    return true;
  }

  // Where the value now lies.
  json* Place(json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    if (open_.back()->is_array()) {
      open_.back()->push_back(std::move(value));
      return &open_.back()->back();
    }
    json& slot = (*open_.back())[key_];
    slot = std::move(value);
    return &slot;
  }

  bool Open(json container) {
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) {
      return Refuse("is nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    }
    if (++num_values_ > kMaxJsonValues) {
      return Refuse("has more than " + std::to_string(kMaxJsonValues) + " values");
    }
    // Stays valid: while a container is open, nothing is added to its parent.
    open_.push_back(Place(std::move(container)));
    return true;
  }

  bool Close() {
    open_.pop_back();
    return true;
  }

  json root_;
  std::vector<json*> open_;
  std::string key_;
  int64_t num_values_ = 0;
  std::string refusal_;
};

const char* KindName(const json& value) {
  switch (value.type()) {
    case json::value_t::null: return "null";
    case json::value_t::object: return "an object";
    case json::value_t::array: return "a list";
    case json::value_t::string: return "a string";
    case json::value_t::boolean: return "true or false";
    case json::value_t::number_integer:
    case json::value_t::number_unsigned: return "a whole number";
    case json::value_t::number_float: return "a number with a fraction";
    default: return "something else";
  }
}

}  // namespace

json ParseStrictJson(std::string_view text, const std::string& file, int64_t base_offset) {
  // The parser takes a NUL byte for the end of the text and would ignore what follows it.
  const size_t nul = text.find('\0');
  if (nul != std::string_view::npos) {
    ThrowMalformedAt(file, base_offset + static_cast<int64_t>(nul),
                     "is no valid JSON: a NUL byte in the text");
  }
  size_t position = 0;
  DocumentBuilder builder;
  const bool parsed =
      json::sax_parse(CountingIterator(text.data(), &position),
                      CountingIterator(text.data() + text.size(), &position), &builder);
  if (!parsed) {
    ThrowMalformedAt(file, base_offset + static_cast<int64_t>(position), builder.refusal());
  }
  return std::move(builder.root());
}

std::string DumpJson(const nlohmann::ordered_json& value, int indent, const std::string& file) {
  try {
    return value.dump(indent);
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorCode::kInvalidArgument,
                file +
                    ": a name or text in the model is not valid UTF-8, which JSON needs; rename "
                    "it");
  }
}

void JsonView::CheckKeys(const std::vector<std::string>& required,
                         const std::vector<std::string>& optional) const {
  CheckObject();
  std::vector<std::string> known = required;
  known.insert(known.end(), optional.begin(), optional.end());
  for (const auto& [key, unused] : value_->items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      FailMalformed("unknown key " + Quoted(key) + DidYouMean(key, known));
    }
  }
  for (const std::string& key : required) {
    if (!Has(key)) FailMalformed("the key '" + key + "' is missing");
  }
}

JsonView JsonView::At(const std::string& key) const {
  return JsonView(value_->at(key), *file_,
                  place_.empty() ? Printable(key) : place_ + "." + Printable(key));
}

JsonView JsonView::At(size_t index) const {
  return JsonView(value_->at(index), *file_, place_ + "[" + std::to_string(index) + "]");
}

size_t JsonView::ArraySize() const {
  if (!value_->is_array()) FailExpected("a list");
  return value_->size();
}

void JsonView::CheckObject() const {
  if (!value_->is_object()) FailExpected("an object");
}

const std::string& JsonView::AsString() const {
  if (!value_->is_string()) FailExpected("a string");
  return value_->get_ref<const std::string&>();
}

int64_t JsonView::AsInt(int64_t min, int64_t max) const {
  if (!value_->is_number_integer()) FailExpected("a whole number");
  const auto number = value_->get<int64_t>();
  if (number < min || number > max) {
    FailMalformed("is " + std::to_string(number) + ", must be from " + std::to_string(min) +
                  " to " + std::to_string(max));
  }
  return number;
}

double JsonView::AsNumber() const {
  if (!value_->is_number()) FailExpected("a number");
  return value_->get<double>();
}

void JsonView::FailExpected(const char* wanted) const {
  FailMalformed(std::string("expected ") + wanted + ", found " + KindName(*value_));
}

std::string JsonView::Prefix() const {
  return place_.empty() ? "" : place_ + ": ";
}

void JsonView::FailMalformed(const std::string& message) const {
  ThrowMalformed(*file_, Prefix() + message);
}

void JsonView::FailUnsupported(const std::string& message) const {
  ThrowUnsupported(*file_, Prefix() + message);
}

}  // namespace adaround
