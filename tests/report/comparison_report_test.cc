#include "adaround/report/comparison_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "report/statistics.h"

namespace adaround {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::string kHostileName = "a|b<script>&\"'\x1b[31m, \xff\n";

ComparisonRun Run(int64_t repeat, int64_t draw, double top1, double loss) {
  ComparisonRun run;
  run.repeat = repeat;
  run.draw = draw;
  run.seed = 42 + static_cast<uint64_t>(repeat);
  if (draw > 0) run.rounding_seed = 1000 + static_cast<uint64_t>(draw);
  run.network.top1 = top1;
  run.network.sqnr_db = top1 / 4.0;
  run.local_loss = loss;
  run.num_layers = 3;
  run.grids = "g";
  return run;
}

ComparisonRow Row(const std::string& label, const std::string& method) {
  ComparisonRow row;
  row.table = "Table 1: roundings";
  row.label = label;
  row.method = method;
  row.scope = "first layer";
  row.calibration = "calib";
  row.num_calib_samples = 64;
  row.nearest_row = 0;
  return row;
}

// Nearest; a stochastic row of two seeds with three draws each; a row that failed; one of a method
// that cannot run.
ComparisonReport Example() {
  ComparisonReport report;
  report.evaluated_on = "test samples";
  report.num_evaluated = 100;
  report.first_layer = "conv";
  report.float_network.top1 = 90.0;
  report.float_network.sqnr_db = kInfinity;
  ComparisonRow nearest = Row("nearest", "nearest");
  nearest.runs = {Run(0, 0, 50.0, 2.0), Run(1, 0, 60.0, 4.0)};
  ComparisonRow stochastic = Row(kHostileName, "stochastic");
  stochastic.is_stochastic = true;
  // Loss over nearest's: 1, 1.5, 2 of both seeds; accuracy falls with it.
  stochastic.runs = {Run(0, 0, 50.0, 2.0), Run(0, 1, 45.0, 3.0), Run(0, 2, 51.0, 1.0),
                     Run(1, 0, 49.0, 4.0), Run(1, 1, 44.0, 6.0), Run(1, 2, 61.0, 2.0)};
  ComparisonRow failed = Row("failed", "adaround");
  failed.runs.emplace_back();
  failed.runs.back().failure = "layer 'x|y': it overflowed";
  ComparisonRow impossible = Row("impossible", "task");
  impossible.note = "works on one layer";
  ComparisonRow searched = Row("adaround", "adaround");
  searched.runs = {Run(0, 0, 80.0, 0.5)};
  searched.runs.front().num_above_nearest = 2;
  searched.runs.front().grids = "other";
  report.rows = {nearest, stochastic, failed, impossible, searched};
  return report;
}

TEST(Summarize, MomentsAreThoseOfTheRunsThatFinished) {
  ComparisonReport report = Example();
  report.rows[1].runs.emplace_back();
  report.rows[1].runs.back().failure = "no";
  const RowSummary summary = Summarize(report, 1);
  EXPECT_EQ(summary.num_runs, 7);
  EXPECT_EQ(summary.num_failed, 1);
  ASSERT_TRUE(summary.measures[0]);
  EXPECT_EQ(summary.measures[0]->count, 6);
  EXPECT_DOUBLE_EQ(summary.measures[0]->mean, 50.0);
  EXPECT_DOUBLE_EQ(*summary.measures[0]->std,
                   *StandardDeviation({50.0, 45.0, 51.0, 49.0, 44.0, 61.0}));
  EXPECT_FALSE(summary.measures[1]) << "top-5 was not measured";
  EXPECT_DOUBLE_EQ(summary.local_loss->mean, 3.0);
}

TEST(Summarize, DrawsAreHeldAgainstNearestOfTheirSeed) {
  const RowSummary summary = Summarize(Example(), 1);
  EXPECT_DOUBLE_EQ(*summary.best, 61.0);
  // 51 > 50 of the first seed, 61 > 60 of the second; 50 is nearest's own.
  EXPECT_EQ(*summary.num_beating_nearest, 2);
  const std::vector<double> ratios = {1.0, 1.5, 0.5, 1.0, 1.5, 0.5};
  const std::vector<double> values = {50.0, 45.0, 51.0, 49.0, 44.0, 61.0};
  EXPECT_DOUBLE_EQ(*summary.pearson, *PearsonCorrelation(ratios, values));
  EXPECT_DOUBLE_EQ(*summary.spearman, *SpearmanCorrelation(ratios, values));
}

TEST(Summarize, WithoutNearestThereIsNothingToBeat) {
  ComparisonReport report = Example();
  report.rows[1].nearest_row.reset();
  const RowSummary summary = Summarize(report, 1);
  EXPECT_FALSE(summary.num_beating_nearest);
  EXPECT_DOUBLE_EQ(*summary.pearson,
                   *PearsonCorrelation({2.0, 3.0, 1.0, 4.0, 6.0, 2.0},
                                       {50.0, 45.0, 51.0, 49.0, 44.0, 61.0}));
}

TEST(Summarize, OtherGridsAreNoticed) {
  const ComparisonReport report = Example();
  EXPECT_FALSE(Summarize(report, 0).row_with_other_grids);
  EXPECT_FALSE(Summarize(report, 1).row_with_other_grids);
  EXPECT_FALSE(Summarize(report, 2).row_with_other_grids) << "a failed run has none";
  ASSERT_TRUE(Summarize(report, 4).row_with_other_grids);
  EXPECT_EQ(*Summarize(report, 4).row_with_other_grids, 0u);
}

TEST(Summarize, OnlyEqualOutputsAreExact) {
  ComparisonReport report = Example();
  ComparisonRow& nearest = report.rows[0];
  const auto table = [&](double first, double second) {
    nearest.runs[0].network.sqnr_db = first;
    nearest.runs[1].network.sqnr_db = second;
    const std::string text = ToText(report);
    const size_t begin = text.find("\nnearest");
    return text.substr(begin + 1, text.find('\n', begin + 1) - begin - 1);
  };
  const auto json = [&] { return nlohmann::json::parse(ToJson(report))["rows"][0]; };
  EXPECT_NE(table(kInfinity, kInfinity).find(" exact "), std::string::npos);
  EXPECT_EQ(json()["summary"]["sqnr_db"]["num_exact"], 2);
  EXPECT_EQ(json()["runs"][0]["network"]["exact"], true);
  const std::string some = table(kInfinity, 12.0);
  EXPECT_NE(some.find(" 1 of 2 exact "), std::string::npos) << some;
  EXPECT_EQ(json()["summary"]["sqnr_db"]["num_exact"], 1);
  const std::string none = table(-kInfinity, -kInfinity);
  EXPECT_EQ(none.find("exact"), std::string::npos) << none;
  EXPECT_NE(none.find(" -inf "), std::string::npos) << none;
  EXPECT_EQ(json()["runs"][0]["network"]["exact"], false);
  EXPECT_EQ(json()["summary"]["sqnr_db"]["num_exact"], 0);
  EXPECT_NE(RunLine(nearest, nearest.runs[0], 1, 1).find("SQNR -inf, "), std::string::npos);
  EXPECT_NE(RunsToCsv(report).find(",-inf,"), std::string::npos);
  const std::string mixed = table(kInfinity, -kInfinity);
  EXPECT_NE(mixed.find(" 1 of 2 exact "), std::string::npos) << mixed;
}

TEST(HeadlineMeasure, IsAccuracyThenDistance) {
  ComparisonReport report = Example();
  EXPECT_STREQ(HeadlineMeasure(report)->key, "top1");
  report.float_network.top1.reset();
  for (ComparisonRow& row : report.rows) {
    for (ComparisonRun& run : row.runs) run.network.top1.reset();
  }
  EXPECT_STREQ(HeadlineMeasure(report)->key, "sqnr_db");
  EXPECT_EQ(HeadlineMeasure(ComparisonReport{}), nullptr);
}

TEST(ToJson, HoldsEveryRunAndIsPlainText) {
  const std::string text = ToJson(Example());
  const nlohmann::json json = nlohmann::json::parse(text);
  EXPECT_EQ(json["format"], "adaround-comparison");
  EXPECT_EQ(json["rows"].size(), 5u);
  EXPECT_EQ(json["rows"][1]["runs"].size(), 6u);
  EXPECT_EQ(json["rows"][1]["runs"][4]["network"]["top1"], 44.0);
  EXPECT_EQ(json["rows"][1]["summary"]["top1"]["mean"], 50.0);
  EXPECT_TRUE(json["float_network"]["sqnr_db"].is_null());
  EXPECT_EQ(json["float_network"]["exact"], true);
  EXPECT_EQ(json["rows"][2]["runs"][0]["failure"], "layer 'x|y': it overflowed");
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= 0x20 && c < 0x7f));
}

void ExpectNoControls(const std::string& text) {
  for (const char c : text) {
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
  }
}

TEST(ToText, ShowsRowsFailuresAndNotes) {
  const std::string text = ToText(Example());
  for (const char* part : {"Table 1: roundings", "first layer: conv", "50.00 ± ", "exact", "failed",
                           "it overflowed", "works on one layer", "2 of 3", "2 of 6",
                           "adaround: its grids are not those of nearest"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  ExpectNoControls(text);
}

TEST(ToMarkdown, NamesOpenNeitherCellsNorTags) {
  const std::string text = ToMarkdown(Example());
  EXPECT_NE(text.find("## Table 1: roundings"), std::string::npos);
  EXPECT_NE(text.find("a\\|b&lt;script&gt;&amp;"), std::string::npos) << text;
  EXPECT_EQ(text.find('<'), std::string::npos);
  ExpectNoControls(text);
}

TEST(RunsToCsv, HasALinePerRun) {
  const std::string text = RunsToCsv(Example());
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1 + 2 + 6 + 1 + 1);
  const std::string summaries = SummariesToCsv(Example());
  EXPECT_EQ(std::count(summaries.begin(), summaries.end(), '\n'), 1 + 5);
}

// A document of nested tags with quoted attributes, text without bare '<' and '&'. Returns how many
// elements it has, -1 where it is malformed.
int CountElements(const std::string& text) {
  std::vector<std::string> open;
  int count = 0;
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '&') {
      const size_t end = text.find(';', i);
      const std::string entity = text.substr(i, end - i + 1);
      if (entity != "&amp;" && entity != "&lt;" && entity != "&gt;" && entity != "&quot;" &&
          entity != "&#39;") {
        return -1;
      }
      i = end + 1;
      continue;
    }
    if (text[i] != '<') {
      if (text[i] == '>') return -1;
      if (open.empty() && text[i] != '\n') return -1;
      ++i;
      continue;
    }
    size_t end = i + 1;
    bool quoted = false;
    while (end < text.size() && (quoted || text[end] != '>')) {
      if (text[end] == '<') return -1;
      if (text[end] == '"') quoted = !quoted;
      ++end;
    }
    if (end == text.size()) return -1;
    const std::string tag = text.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /", 1));
    if (tag.front() == '/') {
      if (open.empty() || "/" + open.back() != tag) return -1;
      open.pop_back();
    } else {
      ++count;
      if (tag.back() != '/') open.push_back(name);
    }
    i = end + 1;
  }
  return open.empty() ? count : -1;
}

size_t CountOf(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(ScatterToSvg, IsWellFormedAndShowsEveryDraw) {
  const ComparisonReport report = Example();
  const std::vector<Scatter> scatters = FindScatters(report);
  ASSERT_EQ(scatters.size(), 1u);
  EXPECT_EQ(scatters[0].row, 1u);
  EXPECT_EQ(scatters[0].marked, (std::vector<size_t>{0, 4})) << "what failed has no mark";
  const std::string svg = ScatterToSvg(report, scatters[0]);
  EXPECT_GT(CountElements(svg), 20);
  EXPECT_EQ(CountOf(svg, "<circle class=\"draw\""), 6u + 1u) << "and one in the legend";
  EXPECT_EQ(CountOf(svg, "<rect class=\"mark "), 2u + 1u);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  ExpectNoControls(svg);
  const std::string csv = ScatterToCsv(report, scatters);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + 6 + 2 + 1);
}

// Classes and numbers of a legend's marks, one text each.
std::vector<std::string> LegendMarks(const std::string& svg) {
  std::vector<std::string> marks;
  size_t begin = svg.find("one point per draw");
  for (begin = svg.find('\n', begin) + 1; begin < svg.size();) {
    const size_t end = svg.find('\n', begin);
    const std::string line = svg.substr(begin, end - begin);
    begin = end + 1;
    if (line.find("<text class=\"small\"") == std::string::npos) continue;
    std::string mark = line.substr(line.find("mark mark"), 10);
    const size_t number = line.find("<text class=\"number\"");
    if (number != std::string::npos) {
      const size_t from = line.find('>', number);
      mark += line.substr(from, line.find('<', from) - from);
    }
    marks.push_back(mark);
  }
  return marks;
}

TEST(ScatterToSvg, NoTwoRowsHaveTheSameMark) {
  ComparisonReport report = Example();
  EXPECT_EQ(LegendMarks(ScatterToSvg(report, FindScatters(report)[0])).size(), 2u);
  for (int i = 0; i < 9; ++i) {
    ComparisonRow row = report.rows[4];
    row.label += std::to_string(i);
    report.rows.push_back(row);
  }
  const std::string svg = ScatterToSvg(report, FindScatters(report)[0]);
  EXPECT_GT(CountElements(svg), 20);
  const std::vector<std::string> marks = LegendMarks(svg);
  ASSERT_EQ(marks.size(), 11u);
  EXPECT_EQ(std::set<std::string>(marks.begin(), marks.end()).size(), 11u);
}

TEST(ScatterToSvg, DegenerateDrawsStillMakeAPicture) {
  ComparisonReport report = Example();
  for (ComparisonRow& row : report.rows) {
    for (ComparisonRun& run : row.runs) {
      run.network.top1 = 10.0;
      run.local_loss = 0.0;
    }
  }
  const std::string same = ScatterToSvg(report, FindScatters(report).front());
  EXPECT_GT(CountElements(same), 20);
  EXPECT_EQ(same.find("nan"), std::string::npos);
  for (ComparisonRow& row : report.rows) {
    for (ComparisonRun& run : row.runs) run.network.top1 = kInfinity;
  }
  const std::string none = ScatterToSvg(report, FindScatters(report).front());
  EXPECT_GT(CountElements(none), 10);
  EXPECT_EQ(none.find("nan"), std::string::npos);
}

TEST(RunLine, SaysWhatWasRunAndWhatCameOut) {
  const ComparisonReport report = Example();
  const std::string line = RunLine(report.rows[1], report.rows[1].runs[1], 3, 12);
  EXPECT_NE(line.find("[ 3/12] Table 1: "), std::string::npos) << line;
  EXPECT_NE(line.find("seed 42, draw 2"), std::string::npos) << line;
  EXPECT_NE(line.find("top-1 45.00 %, SQNR 11.25 dB, "), std::string::npos) << line;
  EXPECT_NE(RunLine(report.rows[2], report.rows[2].runs[0], 1, 1).find("failed: layer"),
            std::string::npos);
}

}  // namespace
}  // namespace adaround
