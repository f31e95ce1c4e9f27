#include "adaround/report/run_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

namespace adaround {
namespace {

RunReport ExampleReport() {
  RunReport report;
  report.model = "model.json";
  report.method = "adaround";
  report.provenance = {{"seed", "42"}};
  LayerReport layer;
  layer.name = "conv\x1b[31m";
  layer.op = "Conv";
  layer.num_rows = 64;
  layer.row_length = 576;
  layer.bits = 4;
  layer.nearest_error = 0.05;
  layer.error = 0.01;
  layer.quantized_bytes = 18688;
  layer.trace = {{"nearest", 0, 0.05, {}, 0}, {"relaxation", 400, 0.02, {3, 0, 5}, 2}};
  report.layers = {layer};
  report.left = {{"fc", "Gemm", "excluded"}};
  NetworkRow exact;
  exact.name = "float";
  exact.sqnr_db = std::numeric_limits<double>::infinity();
  NetworkRow found;
  found.name = "adaround";
  found.top1 = 75.5;
  found.sqnr_db = 20.25;
  report.networks = {exact, found};
  report.num_samples = 10;
  report.macs_per_sample = 100;
  report.forward_macs = 3500;
  report.float_bytes = 4096;
  report.quantized_bytes = 512;
  return report;
}

TEST(JsonReport, HoldsEveryNumberUnderItsName) {
  const nlohmann::json json = nlohmann::json::parse(ToJson(ExampleReport()));
  EXPECT_EQ(json["format"], "adaround-report");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["provenance"]["seed"], "42");
  EXPECT_EQ(json["forward_passes"], 3.5);
  ASSERT_EQ(json["layers"].size(), 1u);
  EXPECT_EQ(json["layers"][0]["name"], "conv\x1b[31m");
  EXPECT_EQ(json["layers"][0]["row_length"], 576);
  EXPECT_EQ(json["layers"][0]["error"], 0.01);
  EXPECT_EQ(json["layers"][0]["quantized_bytes"], 18688);
  const nlohmann::json& trace = json["layers"][0]["trace"];
  ASSERT_EQ(trace.size(), 2u);
  EXPECT_EQ(trace[0], nlohmann::json::parse(R"({"stage": "nearest", "loss": 0.05})"));
  EXPECT_EQ(trace[1], nlohmann::json::parse(R"({"stage": "relaxation", "loss": 0.02,
      "iteration": 400, "soft_roundings": [3, 0, 5], "num_undecided": 2})"));
  EXPECT_EQ(json["left"][0]["reason"], "excluded");
  EXPECT_TRUE(json["networks"][0]["sqnr_db"].is_null());
  EXPECT_EQ(json["networks"][0]["exact"], true);
  EXPECT_TRUE(json["networks"][1]["top5"].is_null());
  EXPECT_EQ(json["networks"][1]["top1"], 75.5);
  EXPECT_EQ(json["networks"][1]["exact"], false);
}

TEST(JsonReport, SurvivesNamesThatAreNotUtf8AndAnEmptyRun) {
  RunReport report = ExampleReport();
  report.layers[0].name = "\xff\xfe";
  EXPECT_NO_THROW(nlohmann::json::parse(ToJson(report)));
  EXPECT_EQ(nlohmann::json::parse(ToJson(RunReport{}))["forward_passes"], 0.0);
}

TEST(TextReport, EscapesNamesAndShowsWhatMatters) {
  for (const bool with_baseline : {false, true}) {
    const std::string text = ToText(ExampleReport(), with_baseline);
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    for (const char* fragment : {"75.50", "exact", "20.25", "4.0 KiB", "512 B", "8.0x",
                                 "1 quantized, 1 left", "fc (Gemm): excluded"}) {
      EXPECT_NE(text.find(fragment), std::string::npos) << fragment << " is not in\n" << text;
    }
    EXPECT_EQ(text.find("5.0x") != std::string::npos, with_baseline);
  }
  EXPECT_NO_THROW(ToText(RunReport{}, true));
}

TEST(Reports, SegmentationTakesThePlaceOfTopOneAndFive) {
  RunReport report = ExampleReport();
  report.networks[0].miou = 71.25;
  report.networks[0].pixel_accuracy = 93.5;
  const nlohmann::json json = nlohmann::json::parse(ToJson(report));
  EXPECT_EQ(json["networks"][0]["miou"], 71.25);
  EXPECT_EQ(json["networks"][0]["pixel_accuracy"], 93.5);
  EXPECT_TRUE(json["networks"][1]["miou"].is_null());
  const std::string text = NetworkTable(report.networks, 10, "samples");
  for (const char* fragment : {"mIoU %", "71.25", "pixels %", "93.50"}) {
    EXPECT_NE(text.find(fragment), std::string::npos) << fragment << " is not in\n" << text;
  }
  EXPECT_EQ(text.find("top-1"), std::string::npos);
  EXPECT_NE(NetworkTable(ExampleReport().networks, 10, "samples").find("top-1"),
            std::string::npos);
}

TEST(TextReport, LayerLineTellsPlaceSizeAndGain) {
  LayerReport layer = ExampleReport().layers[0];
  const std::string line = LayerLine(layer, 7, 21);
  for (const char* fragment : {"[ 7/21]", "64x576", "0.05", "0.01", "(5.0x)"}) {
    EXPECT_NE(line.find(fragment), std::string::npos) << line;
  }
  EXPECT_EQ(line.find("nearest:"), std::string::npos);
  layer.fell_back = true;
  layer.search_error = 0.07;
  EXPECT_NE(LayerLine(layer, 7, 21).find("0.07"), std::string::npos);
  layer.error = 0.0;
  EXPECT_NE(LayerLine(layer, 7, 21).find("exact"), std::string::npos);
}

TEST(TextReport, UnitsFollowTheSize) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(int64_t{3} << 19), "1.5 MiB");
  EXPECT_EQ(FormatBytes(int64_t{3} << 29), "1.50 GiB");
  EXPECT_EQ(FormatSeconds(12.34), "12.3 s");
  EXPECT_EQ(FormatSeconds(245.0), "4 min 05 s");
  EXPECT_EQ(FormatSeconds(3720.0), "1 h 02 min");
}

TEST(RunReport, MinusInfinityIsNotExact) {
  RunReport report;
  NetworkRow row;
  row.name = "nearest";
  row.sqnr_db = -std::numeric_limits<double>::infinity();
  report.networks = {row};
  EXPECT_EQ(nlohmann::json::parse(ToJson(report))["networks"][0]["exact"], false);
  const std::string table = NetworkTable(report.networks, 1, "samples");
  EXPECT_EQ(table.find("exact"), std::string::npos) << table;
  EXPECT_NE(table.find("-inf"), std::string::npos) << table;
}

}  // namespace
}  // namespace adaround
