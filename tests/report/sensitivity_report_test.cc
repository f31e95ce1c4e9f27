#include "adaround/report/sensitivity_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

namespace adaround {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

SensitivityReport ExampleReport() {
  SensitivityReport report;
  report.model = "net.onnx";
  report.method = "adaround";
  report.evaluated_on = "test samples";
  report.num_evaluated = 100;
  SensitivityRow first;
  first.name = "a,\"b\"\x1B";
  first.op = "Conv";
  first.num_weights = 432;
  first.bits = 4;
  first.suggested_bits = 8;
  first.rank_by_noise = 1;
  first.rank_by_accuracy = 2;
  first.alone.top1 = 71.5;
  first.alone.sqnr_db = 12.25;
  first.alone.agreement = 90.0;
  first.all_but.agreement = 95.0;
  first.sharing = {"c", "d"};
  SensitivityRow second;
  second.name = "fc";
  second.op = "Gemm";
  second.bits = 4;
  second.suggested_bits = 4;
  second.rank_by_noise = 2;
  second.alone.sqnr_db = std::numeric_limits<double>::infinity();
  second.alone.agreement = 100.0;
  second.all_but.agreement = 80.0;
  report.layers = {first, second};
  report.num_suggested = 1;
  report.average_bits = 4.0;
  report.suggested_average_bits = 4.25;
  return report;
}

TEST(SensitivityReport, JsonHoldsWhatWasMeasured) {
  const auto json = nlohmann::json::parse(ToJson(ExampleReport()));
  EXPECT_EQ(json["format"], "adaround-sensitivity");
  EXPECT_EQ(json["version"], 1);
  ASSERT_EQ(json["layers"].size(), 2u);
  const auto& first = json["layers"][0];
  EXPECT_EQ(first["name"], "a,\"b\"\x1B");
  EXPECT_EQ(first["suggested_bits"], 8);
  EXPECT_EQ(first["alone"]["sqnr_db"], 12.25);
  EXPECT_EQ(first["alone"]["top1"], 71.5);
  EXPECT_TRUE(first["all_but"]["top1"].is_null());
  EXPECT_EQ(first["rank_by_accuracy"], 2);
  EXPECT_EQ(first["sharing"].size(), 2u);
  const auto& second = json["layers"][1];
  EXPECT_TRUE(second["alone"]["sqnr_db"].is_null());
  EXPECT_EQ(second["alone"]["exact"], true);
  EXPECT_TRUE(second["rank_by_accuracy"].is_null());
}

TEST(SensitivityReport, TextShowsLayersAndTheSuggestion) {
  const std::string text = ToText(ExampleReport());
  EXPECT_THAT(text, HasSubstr("12.25"));
  EXPECT_THAT(text, HasSubstr("exact"));
  EXPECT_THAT(text, HasSubstr("8 bits (2 more layers share its weight)"));
  EXPECT_THAT(text,
              HasSubstr("more bits for 1 of 2 layers, 4.25 bits per weight on average instead "
                        "of 4.00"));
  EXPECT_THAT(text, Not(HasSubstr("\x1B")));  // names come from files
  SensitivityReport none = ExampleReport();
  none.num_suggested = 0;
  EXPECT_THAT(ToText(none), HasSubstr("suggestion: none"));
}

TEST(SensitivityReport, MinusInfinityIsNotExact) {
  SensitivityReport report = ExampleReport();
  report.layers[1].alone.sqnr_db = -std::numeric_limits<double>::infinity();
  const auto json = nlohmann::json::parse(ToJson(report));
  EXPECT_TRUE(json["layers"][1]["alone"]["sqnr_db"].is_null());
  EXPECT_EQ(json["layers"][1]["alone"]["exact"], false);
  EXPECT_THAT(ToText(report), Not(HasSubstr("exact")));
  EXPECT_THAT(ToText(report), HasSubstr("-inf"));
  EXPECT_THAT(ToCsv(report), HasSubstr(",-inf,"));
}

TEST(SensitivityReport, CsvHasOneLineALayerAndQuotesNames) {
  std::istringstream lines(ToCsv(ExampleReport()));
  std::string header, first, second, rest;
  std::getline(lines, header);
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_EQ(std::count(header.begin(), header.end(), ','), 14);
  EXPECT_EQ(first, "1,2,\"a,\"\"b\"\"\\x1b\",Conv,432,4,8,12.25,90,,71.5,,95,,");
  EXPECT_EQ(second, "2,,fc,Gemm,0,4,4,inf,100,,,,80,,");
  EXPECT_FALSE(std::getline(lines, rest));
}

}  // namespace
}  // namespace adaround
