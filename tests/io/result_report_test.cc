#include "adaround/io/result_report.h"

#include <gtest/gtest.h>

#include <cmath>

#include "adaround/io/model_file.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/io/sha256.h"
#include "io/test_files.h"
#include "support/quantized_testing.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::ScratchFolder;
using testing::WriteBytes;

std::string ReportText(const std::string& fingerprint, const std::string& result_sha256) {
  return R"({"fingerprint":")" + fingerprint + R"(","result_sha256":")" + result_sha256 +
         R"(","networks":[{"name":"float","top1":90,"miou":null,"agreement":null,"sqnr_db":null,)"
         R"("exact":false},{"name":"nearest","top1":1,"miou":null,"agreement":2,"sqnr_db":3,)"
         R"("exact":false},{"name":"adaround","top1":89.5,"miou":null,"agreement":97.5,)"
         R"("sqnr_db":null,"exact":true}],"layers":[{"fell_back":true},{"fell_back":false}],)"
         R"("gates":[{"name":"--min-sqnr","text":"too low","passed":false},)"
         R"({"name":"--max-drop","text":"","passed":true}],)"
         R"("file_bytes":{"model.json + weights.safetensors":5,"model.onnx":3},)"
         R"("file_sha256":{"model.onnx":")" + Sha256OfBytes("abc") + R"("},)"
         R"("float_bytes":800,"quantized_bytes":100})";
}

// A folder with a small result.
void WriteResult(const std::filesystem::path& folder) {
  QuantizedModel model;
  model.graph.outputs = {"w"};
  model.weights.emplace("w", testing::RandomQuantizedTensor({2, 3}, {}, {}, 1));
  WriteQuantizedModel(folder, model);
}

TEST(ResultReport, SummarizesTheResultsOwnRow) {
  const ScratchFolder folder;
  WriteBytes(folder / "report.json", ReportText("f", "r"));
  const FinishedResult result = ReadFinishedResult(folder.path());
  const ResultSummary& summary = result.summary;
  EXPECT_EQ(summary.float_accuracy, 90);
  EXPECT_EQ(summary.accuracy, 89.5);
  EXPECT_EQ(summary.agreement, 97.5);
  EXPECT_TRUE(std::isinf(*summary.sqnr_db));
  EXPECT_EQ(summary.num_layers, 2);
  EXPECT_EQ(summary.num_fallen_back, 1);
  EXPECT_EQ(summary.float_bytes, 800);
  EXPECT_EQ(summary.quantized_bytes, 100);
  EXPECT_EQ(result.missed_gates, std::vector<std::string>{"--min-sqnr: too low"});
}

TEST(ResultReport, OnlyTheSameRunAndItsOwnModelAreFinished) {
  const ScratchFolder folder;
  WriteResult(folder / "out");
  const std::string digest = ModelDigest(folder / "out");
  const auto found = [&](const std::string& report, const std::string& fingerprint) {
    WriteBytes(folder / "out/report.json", report);
    return FindFinishedResult(folder / "out", fingerprint).has_value();
  };
  EXPECT_FALSE(found(ReportText("f", digest), "f"));  // an export is missing
  WriteBytes(folder / "out/model.onnx", "four");
  EXPECT_FALSE(found(ReportText("f", digest), "f"));  // or is another
  WriteBytes(folder / "out/model.onnx", "abc");
  EXPECT_TRUE(found(ReportText("f", digest), "f"));
  WriteBytes(folder / "out/model.onnx", "abd");
  EXPECT_FALSE(found(ReportText("f", digest), "f"));  // of the same size, by its digest
  WriteBytes(folder / "out/model.onnx", "abc");
  EXPECT_FALSE(found(ReportText("f", digest), "g"));
  EXPECT_FALSE(found(ReportText("f", std::string(64, '0')), "f"));
  EXPECT_FALSE(found("{}", "f"));
  EXPECT_FALSE(found("not JSON", "f"));
  EXPECT_FALSE(FindFinishedResult(folder / "none", "f"));
}

TEST(ResultReport, OtherFilesAreRefusedByPlace) {
  const ScratchFolder folder;
  const std::string sound = ReportText("f", "r");
  for (const auto& [part, wrong] : std::vector<std::pair<std::string, std::string>>{
           {"\"networks\"", "\"notworks\""}, {"\"top1\":89.5", "\"top1\":\"many\""},
           {"\"exact\":true", "\"exact\":1"}, {"\"layers\":[", "\"layers\":3,\"more\":["},
           {"\"passed\":true", "\"past\":true"}, {"\"float_bytes\":800", "\"float_bytes\":-1"}}) {
    std::string text = sound;
    text.replace(text.find(part), part.size(), wrong);
    WriteBytes(folder / "report.json", text);
    ExpectError(ErrorCode::kMalformed, {"report.json"}, [&] { ReadFinishedResult(folder.path()); });
  }
}

}  // namespace
}  // namespace adaround
