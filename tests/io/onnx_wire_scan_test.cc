#include "io/onnx_wire_scan.h"

#include <gtest/gtest.h>

#include "adaround/io/onnx_import.h"
#include "io/test_files.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::OnnxBuilder;
using testing::ScratchFolder;
using testing::WriteBytes;

std::string Varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string Tag(uint64_t field, uint64_t wire_type) {
  return Varint(field << 3 | wire_type);
}

// A length-delimited field.
std::string Delimited(uint64_t field, const std::string& bytes) {
  return Tag(field, 2) + Varint(bytes.size()) + bytes;
}

std::string Repeat(const std::string& text, size_t count) {
  std::string result;
  result.reserve(text.size() * count);
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

void Scan(const std::string& bytes) {
  ScanOnnxModel({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "m.onnx");
}

// Field numbers of onnx-ml.proto.
constexpr uint64_t kModelGraph = 7;
constexpr uint64_t kGraphNode = 1;
constexpr uint64_t kGraphInitializer = 5;
constexpr uint64_t kNodeInput = 1;
constexpr uint64_t kNodeAttribute = 5;
constexpr uint64_t kAttributeInts = 8;
constexpr uint64_t kAttributeGraph = 6;
constexpr uint64_t kTensorFloatData = 4;

TEST(OnnxWireScan, AcceptsWhatProtobufWrites) {
  OnnxBuilder builder;
  builder.AddInput("x", {-1, 2});
  builder.AddInitializer(testing::FloatTensorProto("w", {2, 1}, {1, 2}));
  builder.AddNode("MatMul", {"x", "w"}, {"y"}, {testing::IntsAttribute("k", {1, -2, 300})});
  builder.AddOutput("y");
  EXPECT_NO_THROW(Scan(builder.Bytes()));
  EXPECT_NO_THROW(Scan(""));
  // Fields that no release of the schema has, of every wire type.
  EXPECT_NO_THROW(Scan(builder.Bytes() + Tag(1000, 0) + Varint(7) + Tag(1001, 1) +
                       std::string(8, 'a') + Delimited(1002, "abc") + Tag(1003, 5) + "abcd"));
  // Repeated numbers one by one instead of packed.
  EXPECT_NO_THROW(Scan(Delimited(
      kModelGraph, Delimited(kGraphNode, Delimited(kNodeAttribute,
                                                   Repeat(Tag(kAttributeInts, 0) + "\x05", 3))))));
}

TEST(OnnxWireScan, RefusesWhatIsNoMessage) {
  const auto refuses = [](const std::string& bytes, const char* fragment) {
    SCOPED_TRACE(fragment);
    ExpectError(ErrorCode::kMalformed, {"m.onnx, byte ", fragment}, [&] { Scan(bytes); });
  };
  refuses(std::string("\0", 1), "no field of ModelProto begins here");
  refuses(Tag(1, 0), "is cut off");
  refuses(Tag(1, 0) + "\x80", "is cut off");
  refuses(Tag(1, 0) + std::string(10, '\xff'), "more than 64 bits");
  refuses(Tag(1, 2) + Varint(1) + "a", "'ir_version' of ModelProto has wire type 2, wanted 0");
  refuses(Tag(2, 2) + Varint(4) + "abc", "'producer_name' takes 4 bytes, only 3 are left");
  refuses(Tag(2, 2) + Varint(UINT64_MAX) + "abc", "only 3 are left");
  refuses(Tag(1000, 3), "wire type 3");
  refuses(Tag(1000, 4), "wire type 4");
  refuses(Tag(kModelGraph, 3), "wire type 3");
  refuses(Varint(uint64_t{1} << 40), "no field of ModelProto begins here");
  refuses(Delimited(kModelGraph, "") + Delimited(kModelGraph, ""),
          "'graph' of ModelProto is given twice");
  refuses(Delimited(kModelGraph, Delimited(kGraphInitializer, Delimited(kTensorFloatData, "abc"))),
          "'float_data' of TensorProto has 3 bytes, wanted a multiple of 4");
  // A message may not reach beyond the one that holds it, even where the file goes on.
  refuses(Delimited(kModelGraph, Tag(kGraphNode, 2) + Varint(5)) + "aaaaa", "only 0 are left");
}

TEST(OnnxWireScan, BoundsNesting) {
  // Each body is three messages deep: attribute, graph, node.
  const auto nested = [](int bodies) {
    std::string graph;
    for (int i = 0; i < bodies; ++i) {
      graph = Delimited(kGraphNode, Delimited(kNodeAttribute, Delimited(kAttributeGraph, graph)));
    }
    return Delimited(kModelGraph, graph);
  };
  EXPECT_NO_THROW(Scan(nested(20)));
  for (const int bodies : {21, 100, 10'000}) {
    ExpectError(ErrorCode::kUnsupported, {"nested deeper than 64"}, [&] { Scan(nested(bodies)); });
  }
}

TEST(OnnxWireScan, BoundsAmplification) {
  const std::string empty_node = Delimited(kGraphNode, "");
  ASSERT_EQ(empty_node.size(), 2u);
  ExpectError(ErrorCode::kUnsupported, {"holds more than 1000000 nodes"},
              [&] { Scan(Delimited(kModelGraph, Repeat(empty_node, kMaxOnnxMessages + 1))); });
  EXPECT_NO_THROW(Scan(Delimited(kModelGraph, Repeat(empty_node, 1000))));
  ExpectError(ErrorCode::kUnsupported, {"more than 2000000 names"}, [&] {
    Scan(Delimited(kModelGraph,
                   Delimited(kGraphNode, Repeat(Delimited(kNodeInput, ""), kMaxOnnxTexts + 1))));
  });
  ExpectError(ErrorCode::kUnsupported, {"more than 2000000 names and unknown fields"},
              [&] { Scan(Repeat(Tag(1000, 0) + "\x01", kMaxOnnxTexts + 1)); });
}

TEST(OnnxWireScan, ReaderRefusesEmptyNodesInBulk) {
  const ScratchFolder folder;
  OnnxBuilder builder;
  std::string bytes = builder.Bytes();
  // A second graph would be refused: one that holds the nodes takes the place of the builder's.
  builder.proto().clear_graph();
  bytes = builder.Bytes() + Delimited(kModelGraph, Repeat(Delimited(kGraphNode, ""), 400'000));
  WriteBytes(folder / "m.onnx", bytes);
  ExpectError(ErrorCode::kUnsupported, {"m.onnx", "has 400000 nodes, at most 250000"},
              [&] { ReadOnnxModel(folder / "m.onnx"); });
}

TEST(OnnxWireScan, KnowsHowAModelBegins) {
  const auto begins = [](const std::string& bytes) {
    return BeginsLikeOnnxModel({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
  };
  EXPECT_TRUE(begins(OnnxBuilder().Bytes()));
  EXPECT_TRUE(begins(Delimited(kModelGraph, "")));
  EXPECT_TRUE(begins(Delimited(25, "")));  // functions: a tag of two bytes
  for (const char* text : {"", "{\"format\"", "PK\x03\x04", "GGUF", "\x89PNG", "hello", "<html>"}) {
    EXPECT_FALSE(begins(text)) << text;
  }
}

}  // namespace
}  // namespace adaround
