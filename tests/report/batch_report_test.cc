#include "adaround/report/batch_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace adaround {
namespace {

BatchReport ExampleReport() {
  BatchReport report;
  report.manifest = "ci.json";
  report.total_seconds = 61.5;
  BatchRow done;
  done.name = "a";
  done.status = BatchStatus::kDone;
  ResultSummary& result = done.result.emplace();
  result.float_accuracy = 71.25;
  result.accuracy = 70.5;
  result.sqnr_db = std::numeric_limits<double>::infinity();
  result.num_layers = 21;
  result.float_bytes = 1000;
  result.quantized_bytes = 125;
  done.seconds = 1.5;
  BatchRow complete;
  complete.name = "b";
  complete.status = BatchStatus::kComplete;
  BatchRow missed;
  missed.name = "c";
  missed.status = BatchStatus::kGateMissed;
  missed.exit_code = 4;
  missed.message = "--min-sqnr: 3 < \"15\" & 'more'";
  BatchRow failed;
  failed.name = "<d>\x1b[31m\xff]]>";
  failed.status = BatchStatus::kFailed;
  failed.exit_code = 3;
  failed.message = "<model>\n\x01";
  BatchRow not_run;
  not_run.name = "e";
  report.rows = {done, complete, missed, failed, not_run};
  return report;
}

// How often `part` occurs.
size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(BatchReport, FailuresAndMissedGatesCountAgainstIt) {
  EXPECT_EQ(ExampleReport().NumFailed(), 2);
  EXPECT_EQ(BatchReport{}.NumFailed(), 0);
}

TEST(BatchReport, TheTableHasALineForEachModelAndSaysWhy) {
  const std::string text = ToText(ExampleReport());
  EXPECT_NE(text.find("71.25"), std::string::npos);
  EXPECT_NE(text.find("exact"), std::string::npos);
  EXPECT_NE(text.find("8.0x"), std::string::npos);
  EXPECT_NE(text.find("c: --min-sqnr: 3 < \"15\" & 'more'\n"), std::string::npos);
  EXPECT_NE(text.find("models: 1 done, 1 complete already, 1 failed, 1 missed a gate, 1 not run"),
            std::string::npos);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
}

TEST(BatchReport, JUnitCountsEachKindAndEscapesNames) {
  const std::string xml = ToJUnit(ExampleReport());
  // Once for all suites and once for the one that there is.
  EXPECT_EQ(Count(xml, R"(tests="5" failures="1" errors="1" skipped="1" time="61.500")"), 2u);
  EXPECT_EQ(Count(xml, "<testcase "), 5u);
  EXPECT_EQ(Count(xml, "<failure "), 1u);
  EXPECT_EQ(Count(xml, "<error "), 1u);
  EXPECT_EQ(Count(xml, "<skipped/>"), 1u);
  EXPECT_NE(xml.find("3 &lt; &quot;15&quot; &amp; &#39;more&#39;"), std::string::npos);
  EXPECT_NE(xml.find("name=\"&lt;d&gt;\\x1b[31m\\xff]]&gt;\""), std::string::npos);
  for (const char c : xml) {
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
  }
}

TEST(BatchReport, JsonHoldsEveryRow) {
  const nlohmann::json json = nlohmann::json::parse(ToJson(ExampleReport()));
  EXPECT_EQ(json["format"], "adaround-batch-report");
  EXPECT_EQ(json["num_failed"], 2);
  ASSERT_EQ(json["rows"].size(), 5u);
  EXPECT_EQ(json["rows"][0]["accuracy"], 70.5);
  EXPECT_EQ(json["rows"][0]["exact"], true);
  EXPECT_TRUE(json["rows"][0]["sqnr_db"].is_null());
  EXPECT_EQ(json["rows"][2]["status"], "gate missed");
  EXPECT_EQ(json["rows"][3]["exit_code"], 3);
}

}  // namespace
}  // namespace adaround
