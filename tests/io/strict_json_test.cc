#include "io/strict_json.h"

#include "adaround/base/did_you_mean.h"
#include "io/test_files.h"

namespace adaround {
namespace {

using testing::ExpectError;

void ExpectRefused(const std::string& text, const std::string& why) {
  ExpectError(ErrorCode::kMalformed, {"f.json, byte ", why},
              [&] { ParseStrictJson(text, "f.json"); });
}

TEST(StrictJson, ParsesEveryKindOfValue) {
  const auto json = ParseStrictJson(
      R"({"a": [1, -2, 1.5, "é\n\u00e9", true, null], "b": {"c": {}}, "d": []})", "f");
  EXPECT_EQ(json["a"].size(), 6u);
  EXPECT_EQ(json["a"][1], -2);
  EXPECT_EQ(json["a"][3], "é\né");
  EXPECT_TRUE(json["b"]["c"].is_object());
  EXPECT_TRUE(json["d"].is_array());
  EXPECT_EQ(ParseStrictJson("9223372036854775807", "f"), INT64_MAX);
}

TEST(StrictJson, RefusesWhatIsNoJson) {
  ExpectRefused("", "valid JSON");
  ExpectRefused("{", "valid JSON");
  ExpectRefused("{} x", "valid JSON");
  ExpectRefused("[1,]", "valid JSON");
  ExpectRefused("// comment\n{}", "valid JSON");
  ExpectRefused("[NaN]", "valid JSON");
  ExpectRefused("[Infinity]", "valid JSON");
  ExpectRefused(std::string("{}\0{}", 5), "NUL byte");
  ExpectRefused("\"\xC0\xAF\"", "valid JSON");
  ExpectRefused("\"\xED\xA0\x80\"", "valid JSON");
  ExpectRefused("\"\\ud800\"", "valid JSON");
}

TEST(StrictJson, RefusesNumbersThatCannotBeHeld) {
  ExpectRefused("[1e999]", "overflow");
  ExpectRefused("[9223372036854775808]", "beyond");
  ExpectRefused("[-9223372036854775809]", "beyond");
  ExpectRefused("[99999999999999999999999]", "beyond");
}

TEST(StrictJson, RefusesEqualKeysAlsoBehindEscapes) {
  ExpectRefused(R"({"a": 1, "a": 2})", "the key 'a' appears twice");
  ExpectRefused(R"({"ab": 1, "\u0061b": 2})", "the key 'ab' appears twice");
  EXPECT_NO_THROW(ParseStrictJson(R"({"a": {"a": 1}, "b": {"a": 1}})", "f"));
}

TEST(StrictJson, RefusesDeepNestingWithoutRecursion) {
  EXPECT_NO_THROW(ParseStrictJson(std::string(64, '[') + std::string(64, ']'), "f"));
  ExpectRefused(std::string(65, '[') + std::string(65, ']'), "deeper than 64");
  ExpectRefused(std::string(1'000'000, '['), "deeper than 64");
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += "{\"a\":";
  ExpectRefused(objects, "deeper than 64");
}

TEST(StrictJson, RefusesTooManyValues) {
  std::string text = "[0";
  for (int64_t i = 0; i < kMaxJsonValues; ++i) text += ",0";
  ExpectRefused(text + "]", "more than 2000000 values");
}

TEST(StrictJson, SaysWhere) {
  ExpectError(ErrorCode::kMalformed, {"f.json, byte 112"},
              [] { ParseStrictJson("{\"a\": [1, x]}", "f.json", 101); });
}

TEST(JsonView, NamesThePlaceOfAWrongValue) {
  const auto json = ParseStrictJson(R"({"nodes": [{"op": 1, "n": 7, "x": 1.5}]})", "f");
  const std::string file = "f.json";
  const JsonView node = JsonView(json, file).At("nodes").At(size_t{0});
  ExpectError(ErrorCode::kMalformed, {"f.json: nodes[0].op: expected a string, found a whole"},
              [&] { node.At("op").AsString(); });
  ExpectError(ErrorCode::kMalformed, {"nodes[0].n: is 7, must be from 1 to 6"},
              [&] { node.At("n").AsInt(1, 6); });
  ExpectError(ErrorCode::kMalformed, {"nodes[0].x: expected a whole number"},
              [&] { node.At("x").AsInt(1, 6); });
  ExpectError(ErrorCode::kMalformed, {"nodes[0]: unknown key 'op'; did you mean 'ops'?"}, [&] {
    node.CheckKeys({"ops", "n", "x"}, {});
  });
  ExpectError(ErrorCode::kMalformed, {"nodes[0]: the key 'name' is missing"}, [&] {
    node.CheckKeys({"name"}, {"op", "n", "x"});
  });
}

TEST(DidYouMean, SuggestsTheNearestOrListsAll) {
  const std::vector<std::string> known = {"inputs", "outputs", "attributes"};
  EXPECT_EQ(DidYouMean("outputz", known), "; did you mean 'outputs'?");
  EXPECT_EQ(DidYouMean("atributes", known), "; did you mean 'attributes'?");
  EXPECT_EQ(DidYouMean("zzz", known), "; known are 'inputs', 'outputs', 'attributes'");
  EXPECT_EQ(DidYouMean(std::string(1 << 20, 'x'), known).substr(0, 11), "; known are");
}

}  // namespace
}  // namespace adaround
