#include "adaround/report/html_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <set>
#include <sstream>

#include "adaround/base/error.h"
#include "support/html_testing.h"

namespace adaround {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::HtmlElement;
using testing::HtmlReader;

using Page = std::unique_ptr<HtmlElement>;

template <typename Report>
Page Read(const Report& report) {
  return HtmlReader(ToHtml(report)).Read();
}

SearchPoint Soft(int64_t iteration, double loss, std::vector<int64_t> counts) {
  counts.resize(static_cast<size_t>(kSoftRoundingBins));
  return {"relaxation", iteration, loss, std::move(counts), 3};
}

LayerReport Layer(const std::string& name, double nearest, double found) {
  LayerReport layer;
  layer.name = name;
  layer.op = "Conv";
  layer.weight = name + ".weight";
  layer.num_rows = 16;
  layer.row_length = 25;
  layer.bits = 4;
  layer.nearest_error = nearest;
  layer.error = found;
  layer.search_error = found;
  layer.strategy = "second order, relaxation";
  layer.iterations = 200;
  layer.num_changed = 100;
  layer.num_undecided = 7;
  layer.quantized_bytes = 264;
  layer.seconds = 1.25;
  layer.trace = {{"nearest", 0, nearest, {}, 0},
                 Soft(0, 0.9 * nearest, {300, 0, 100}),
                 Soft(200, found, {100, 0, 0, 300}),
                 {"rounded", 0, found, {}, 0}};
  return layer;
}

RunReport Example() {
  RunReport report;
  report.model = "/nets/mobile/model.json";
  report.output = "out";
  report.method = "adaround";
  report.provenance = {{"bits", "4"}, {"model_sha256", "0123abcd"}, {"include", ""}};
  report.layers = {Layer("first", 0.02, 0.01), Layer("second", 0.4, 0.1),
                   Layer("third", 0.0123456, 0.0123)};
  report.layers[1].num_changed = 200;
  report.layers[2].num_changed = 50;
  report.layers[2].num_groups = 4;
  report.left = {{"fc", "Gemm", "excluded"}};
  NetworkRow reference;
  reference.name = "float";
  reference.top1 = 91.0;
  NetworkRow nearest;
  nearest.name = "nearest";
  nearest.top1 = 38.5;
  nearest.sqnr_db = 2.75;
  NetworkRow found;
  found.name = "adaround";
  found.top1 = 89.25;
  found.sqnr_db = 17.5;
  found.agreement = 94.0;
  report.networks = {reference, nearest, found};
  report.evaluated_on = "test samples";
  report.num_evaluated = 2000;
  report.file_bytes = {{"model.onnx", 500}};
  report.model_file_bytes = 5000;
  report.float_bytes = 4800;
  report.quantized_bytes = 792;
  report.num_samples = 512;
  return report;
}

const HtmlElement* FindById(const HtmlElement& page, const std::string& id) {
  for (const char* tag : {"section", "h2"}) {
    for (const HtmlElement* element : page.Find(tag)) {
      if (element->Attribute("id") == id) return element;
    }
  }
  return nullptr;
}

// The cells of a table's lines, by the line's name.
std::map<std::string, std::map<std::string, std::string>> Cells(const HtmlElement& section) {
  const HtmlElement* table = section.Find("table").at(0);
  std::vector<std::string> header;
  for (const HtmlElement* cell : table->Find("thead").at(0)->Find("th")) {
    header.push_back(cell->AllText());
  }
  std::map<std::string, std::map<std::string, std::string>> cells;
  for (const HtmlElement* line : table->Find("tbody").at(0)->Find("tr")) {
    EXPECT_EQ(line->children.size(), header.size());
    for (size_t i = 0; i < line->children.size(); ++i) {
      cells[line->children[0]->AllText()][header[i]] = line->children[i]->AllText();
    }
  }
  return cells;
}

std::string Formatted(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

double Percent(const std::string& attribute) {
  EXPECT_EQ(attribute.back(), '%') << attribute;
  return std::stod(attribute);
}

// What must hold for every page.
void ExpectSound(const std::string& page) {
  const Page root = HtmlReader(page).Read();
  EXPECT_EQ(root->tag, "html");
  EXPECT_EQ(root->Attribute("lang"), "en");
  EXPECT_EQ(root->Find("title").at(0)->parent->tag, "head");
  EXPECT_FALSE(root->Find("title").at(0)->text.empty());
  EXPECT_EQ(root->Find("h1").size(), 1u);
  EXPECT_EQ(root->Find("main").size(), 1u);
  EXPECT_TRUE(root->Find("script").empty());

  // Nothing is asked for, and nothing may be.
  std::string policy;
  for (const HtmlElement* meta : root->Find("meta")) {
    if (meta->Attribute("http-equiv") == "Content-Security-Policy") {
      policy = meta->Attribute("content");
    }
  }
  EXPECT_THAT(policy, HasSubstr("default-src 'none'"));
  for (const char* tag : {"link", "img", "iframe", "object", "embed", "base", "form", "image"}) {
    EXPECT_TRUE(root->Find(tag).empty()) << tag;
  }
  const std::string style = root->Find("style").at(0)->text;
  EXPECT_THAT(style, Not(HasSubstr("url(")));
  EXPECT_THAT(style, Not(HasSubstr("@import")));

  std::set<std::string> ids;
  const std::function<void(const HtmlElement&)> visit = [&](const HtmlElement& element) {
    for (const auto& [name, value] : element.attributes) {
      EXPECT_NE(name.substr(0, 2), "on") << name;
      EXPECT_NE(name, "src");
      EXPECT_NE(name, "style");
      EXPECT_TRUE(name != "id" || ids.insert(value).second) << value;
    }
    // A picture says what it shows, or that it is a part of what says it.
    if (element.tag == "svg" && element.parent->tag != "svg") {
      const bool is_hidden = element.Attribute("aria-hidden") == "true";
      EXPECT_NE(is_hidden, element.Attribute("role") == "img");
      if (!is_hidden) {
        ASSERT_FALSE(element.children.empty());
        EXPECT_EQ(element.children[0]->tag, "title");
        EXPECT_FALSE(element.children[0]->text.empty());
      }
    }
    for (const auto& child : element.children) visit(*child);
  };
  visit(*root);
  for (const HtmlElement* link : root->Find("a")) {
    ASSERT_EQ(link->Attribute("href").substr(0, 1), "#");
    EXPECT_EQ(ids.count(link->Attribute("href").substr(1)), 1u);
  }
}

TEST(HtmlReader, RefusesWhatIsNotWellFormed) {
  const std::string begin = "<!DOCTYPE html>\n";
  EXPECT_NO_THROW(HtmlReader(begin + "<html><p a=\"1\">x &amp; y</p></html>\n").Read());
  for (const char* bad :
       {"<html><p></html>\n", "<html>&</html>\n", "<html>&nbsp;</html>\n", "<html a=1></html>\n",
        "<html a=\"1\" a=\"2\"></html>\n", "<html><</html>\n", "<html>\x1b</html>\n", "<html>",
        "<html a=\"<\"></html>\n", "<html></html><p></p>\n"}) {
    EXPECT_THROW(HtmlReader(begin + bad).Read(), std::runtime_error) << bad;
  }
}

TEST(HtmlReport, PageIsSoundAndStandsAlone) { ExpectSound(ToHtml(Example())); }

TEST(HtmlReport, TilesShowTheNetworksMeasures) {
  const Page page = Read(Example());
  const std::string tiles = page->FindClass("tiles").at(0)->AllText();
  EXPECT_THAT(tiles, HasSubstr("89.25 %float 91.00 %, nearest 38.50 %"));
  EXPECT_THAT(tiles, HasSubstr("17.50 dBnearest 2.75 dB"));
  EXPECT_THAT(tiles, HasSubstr("94.00 %"));
  EXPECT_THAT(tiles, HasSubstr("4.7 KiB \u2192 792 B6.1x smaller"));
  EXPECT_THAT(tiles, HasSubstr("3 quantized1 left in float"));
  EXPECT_THAT(tiles, HasSubstr("2.00x"));  // the median of 2, 4 and 1.004
}

TEST(HtmlReport, TableHoldsTheReportsNumbers) {
  const RunReport report = Example();
  const auto cells = Cells(*FindById(*Read(report), "layers"));
  ASSERT_EQ(cells.size(), report.layers.size());
  for (const LayerReport& layer : report.layers) {
    auto line = cells.at(layer.name);
    EXPECT_EQ(line["operator"], "Conv");
    EXPECT_EQ(line["weights"], layer.num_groups > 1 ? "16x25 in 4 groups" : "16x25");
    EXPECT_EQ(line["bits"], "4");
    EXPECT_EQ(line["nearest"], Formatted("%.4g", layer.nearest_error));
    EXPECT_EQ(line["adaround"], Formatted("%.4g", layer.error));
    EXPECT_EQ(line["ratio"], Formatted("%.1fx", layer.nearest_error / layer.error));
    EXPECT_EQ(line["not nearest"],
              Formatted("%.1f %%", static_cast<double>(layer.num_changed) / 4.0));
    EXPECT_EQ(line["undecided"], "7");
    EXPECT_EQ(line["steps"], "200");
    EXPECT_EQ(line["seconds"], "1.25");
    EXPECT_EQ(line["float"], "1.6 KiB");
    EXPECT_EQ(line["packed"], "264 B");
    EXPECT_EQ(line["search"], "second order, relaxation");
  }
}

TEST(HtmlReport, BarsAreAsLongAsTheirValues) {
  const RunReport report = Example();
  const Page page = Read(report);
  const HtmlElement& chart = *FindById(*page, "changes")->Find("figure").at(0);
  std::vector<double> widths;
  for (const HtmlElement* line : chart.Find("li")) {
    for (const HtmlElement* bar : line->FindClass("full")) {
      widths.push_back(Percent(bar->Attribute("width")));
    }
  }
  ASSERT_EQ(widths.size(), 3u);
  const double of_one = widths[0] / static_cast<double>(report.layers[0].num_changed);
  for (size_t i = 0; i < widths.size(); ++i) {
    // Written with two digits behind the point.
    EXPECT_NEAR(widths[i], of_one * static_cast<double>(report.layers[i].num_changed), 0.02);
  }
}

TEST(HtmlReport, DotsAreAsFarApartAsRatios) {
  const RunReport report = Example();
  const Page page = Read(report);
  const HtmlElement& chart = *FindById(*page, "errors");
  const std::vector<const HtmlElement*> rings = chart.Find("ul").at(0)->FindClass("ring");
  const std::vector<const HtmlElement*> squares = chart.Find("ul").at(0)->FindClass("dot");
  ASSERT_EQ(rings.size(), 3u);
  ASSERT_EQ(squares.size(), 3u);
  const auto gap = [&](size_t i) {
    return Percent(rings[i]->Attribute("cx")) - Percent(squares[i]->Attribute("x"));
  };
  EXPECT_NEAR(gap(1), 2.0 * gap(0), 0.03);  // ratios of 4 and 2
  EXPECT_GT(gap(0), 1.0);
  // Of different layers on one axis: 0.02 to 0.4.
  EXPECT_NEAR(Percent(rings[1]->Attribute("cx")) - Percent(rings[0]->Attribute("cx")),
              gap(0) * std::log2(0.4 / 0.02), 0.1);
}

// The numbers of "M3 1000v-500h.9V1000z", path by path.
std::map<int, double> BarHeights(const std::string& path) {
  std::map<int, double> heights;
  std::istringstream bars(path);
  std::string bar;
  while (std::getline(bars, bar, 'z')) {
    int place = 0;
    double height = 0.0;
    EXPECT_EQ(std::sscanf(bar.c_str(), "M%d 1000v-%lf", &place, &height), 2) << bar;
    heights[place] = height;
  }
  return heights;
}

TEST(HtmlReport, HistogramsHaveTheCountsOfAllLayers) {
  const Page page = Read(Example());
  const std::vector<const HtmlElement*> histograms =
      FindById(*page, "search")->FindClass("histogram");
  // Two for all layers, two for each of three.
  ASSERT_EQ(histograms.size(), 8u);
  for (size_t of = 0; of < histograms.size(); of += 2) {
    const auto start = BarHeights(histograms[of]->FindClass("full").at(0)->Attribute("d"));
    ASSERT_EQ(start.size(), 2u);
    EXPECT_NEAR(start.at(0), 1000.0 * std::sqrt(0.75), 0.51);
    EXPECT_NEAR(start.at(2), 1000.0 * std::sqrt(0.25), 0.51);
    const auto end = BarHeights(histograms[of + 1]->FindClass("full").at(0)->Attribute("d"));
    EXPECT_NEAR(end.at(0), 500.0, 0.51);
    EXPECT_NEAR(end.at(3), 1000.0 * std::sqrt(0.75), 0.51);
  }
  EXPECT_EQ(histograms[0]->Find("figcaption").at(0)->text, "step 0: 0.8 % undecided");
  EXPECT_EQ(histograms[1]->Find("figcaption").at(0)->text, "step 200: 0.8 % undecided");
}

// Downwards is less; the places are the stages.
TEST(HtmlReport, CurvesFollowTheLosses) {
  const Page page = Read(Example());
  const HtmlElement& details = *page->Find("details").at(1);  // the second layer
  const std::string path = details.FindClass("curve").at(0)->Attribute("d");
  std::vector<double> x, y;
  std::istringstream points(path.substr(1));
  std::string point;
  while (std::getline(points, point, 'L')) {
    double across = 0.0;
    double down = 0.0;
    ASSERT_EQ(std::sscanf(point.c_str(), "%lf %lf", &across, &down), 2);
    x.push_back(across);
    y.push_back(down);
  }
  ASSERT_EQ(x.size(), 4u);  // nearest, two of the relaxation, rounded
  for (size_t i = 1; i < x.size(); ++i) EXPECT_GT(x[i], x[i - 1]);
  EXPECT_LT(y[0], y[1]);
  EXPECT_LT(y[1], y[2]);
  EXPECT_EQ(y[2], y[3]);
  EXPECT_NEAR((y[2] - y[0]) / (y[1] - y[0]), std::log(0.25) / std::log(0.9), 0.1);
  EXPECT_THAT(details.AllText(), HasSubstr("step 200"));
}

TEST(HtmlReport, HostileNamesStayText) {
  using namespace std::string_literals;
  const std::string names[] = {
      "<script>alert(1)</script>", "\" onload=\"x", "a&b&amp;c", "esc\x1b[31m", "over\u202Eride",
      "nul\0byte"s, "]]><!--", "\xff\xfe not utf-8", "' style='x", "\uFFFF\u2028",
      std::string(5000, 'n'), "</title></style></svg>"};
  RunReport report = Example();
  report.layers.clear();
  for (const std::string& name : names) {
    LayerReport layer = Layer(name, 0.02, 0.03);
    layer.op = name;
    layer.strategy = name;
    layer.trace[3].stage = name;
    layer.bias_uncorrected_because = name;
    layer.fell_back = true;
    report.layers.push_back(layer);
    report.left.push_back({name, name, name});
    report.float_biases.push_back({name, name, name});
    report.activations.push_back({name, 8, 0.0, 1.0});
    report.warnings.push_back(name);
    report.provenance[name] = name;
    report.file_bytes[name] = 1;
    report.transforms.push_back({name, name, {}});
    report.networks.push_back({});
    report.networks.back().name = name;
  }
  for (const std::string& name : names) {
    report.model = report.output = report.evaluated_on = report.method = name;
    const std::string html = ToHtml(report);
    ExpectSound(html);
    EXPECT_EQ(html.find('\x1b'), std::string::npos);
    EXPECT_EQ(html.find('\0'), std::string::npos);
    EXPECT_EQ(html.find("\u202E"), std::string::npos);
    EXPECT_EQ(html.find("<script"), std::string::npos);
  }
  const auto cells = Cells(*FindById(*Read(report), "layers"));
  EXPECT_EQ(cells.size(), std::size(names));
  for (const std::string& name : names) EXPECT_EQ(cells.count(Printable(name)), 1u);

  SensitivityReport sensitivity;
  for (const std::string& name : names) {
    SensitivityRow row;
    row.name = row.op = name;
    row.alone.sqnr_db = 1.0;
    sensitivity.layers.push_back(row);
  }
  sensitivity.model = sensitivity.method = names[0];
  ExpectSound(ToHtml(sensitivity));
}

TEST(HtmlReport, TellsWhatTheReaderMustKnow) {
  RunReport report = Example();
  EXPECT_TRUE(Read(report)->FindClass("warnings").empty());
  report.layers[0].fell_back = true;
  report.layers[0].search_error = 0.5;
  report.layers[1].short_last_group = true;
  report.layers[2].error = 1.0;
  report.warnings = {"model.onnx was left out"};
  const std::string warnings = Read(report)->FindClass("warnings").at(0)->AllText();
  EXPECT_THAT(warnings, HasSubstr("first kept nearest: the search reached 0.5"));
  EXPECT_THAT(warnings, HasSubstr("second: its last group is shorter"));
  EXPECT_THAT(warnings, HasSubstr("third is above nearest"));
  EXPECT_THAT(warnings, HasSubstr("model.onnx was left out"));
}

TEST(HtmlReport, ReportsThatLackAlmostEverything) {
  ExpectSound(ToHtml(RunReport()));
  ExpectSound(ToHtml(SensitivityReport()));

  RunReport one = Example();
  one.layers.resize(1);
  one.networks.clear();
  ExpectSound(ToHtml(one));
  EXPECT_EQ(FindById(*Read(one), "networks"), nullptr);

  // Nothing was searched.
  RunReport nearest = Example();
  nearest.method = "nearest";
  for (LayerReport& layer : nearest.layers) {
    layer.trace.clear();
    layer.error = layer.search_error = layer.nearest_error;
    layer.num_changed = 0;
  }
  ExpectSound(ToHtml(nearest));
  EXPECT_EQ(FindById(*Read(nearest), "search"), nullptr);

  RunReport odd = Example();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  odd.layers[0].nearest_error = nan;
  odd.layers[0].trace[0].loss = nan;
  odd.layers[1].error = odd.layers[1].nearest_error = 0.0;
  for (SearchPoint& point : odd.layers[1].trace) point.loss = 0.0;
  odd.layers[2].num_rows = 0;
  odd.layers[2].trace[1].soft_roundings.assign(static_cast<size_t>(kSoftRoundingBins), 0);
  odd.networks[2].sqnr_db = std::numeric_limits<double>::infinity();
  odd.networks[1].sqnr_db = -std::numeric_limits<double>::infinity();
  const std::string html = ToHtml(odd);
  ExpectSound(html);
  EXPECT_EQ(html.find(">nan"), std::string::npos);
  EXPECT_EQ(html.find("\"nan"), std::string::npos);
  EXPECT_THAT(html, HasSubstr("exact"));
  EXPECT_EQ(Cells(*FindById(*Read(odd), "layers"))["first"]["nearest"], "-");
}

TEST(HtmlReport, LayersThatShareAWeightHaveALineAndNoMarks) {
  RunReport report = Example();
  report.layers[2].shares_weight = true;
  report.layers[2].trace.clear();
  const Page page = Read(report);
  auto cells = Cells(*FindById(*page, "layers"));
  EXPECT_EQ(cells["third"]["search"], "shares its weight with an earlier layer");
  EXPECT_EQ(cells["third"]["nearest"], "-");
  EXPECT_EQ(FindById(*page, "errors")->Find("ul").at(0)->FindClass("ring").size(), 2u);
}

TEST(HtmlReport, TaskLossesAreShownWhereTheMethodHasThem) {
  RunReport report = Example();
  report.layers.resize(1);
  report.layers[0].nearest_task_loss = 0.5;
  report.layers[0].search_task_loss = 0.125;
  auto line = Cells(*FindById(*Read(report), "layers"))["first"];
  EXPECT_EQ(line["task loss, nearest"], "0.5");
  EXPECT_EQ(line["task loss, search"], "0.125");
}

RunReport Large(size_t num_layers) {
  RunReport report = Example();
  report.layers.clear();
  for (size_t i = 0; i < num_layers; ++i) {
    // The least gain is that of the layers in the middle.
    const double gain =
        2.0 + std::abs(static_cast<double>(i) - 0.5 * static_cast<double>(num_layers));
    report.layers.push_back(
        Layer("/stage" + std::to_string(i % 7) + "/block/conv" + std::to_string(i) + "/Conv", 0.5,
              0.5 / gain));
  }
  return report;
}

TEST(HtmlReport, AThousandLayersMakeAUsablePage) {
  const RunReport report = Large(1000);
  const std::string html = ToHtml(report);
  ExpectSound(html);
  EXPECT_LT(html.size(), size_t{1} << 20);
  const Page page = Read(report);
  EXPECT_EQ(Cells(*FindById(*page, "layers")).size(), 1000u);
  // Every layer has its two dots.
  const std::string dots = FindById(*page, "errors")->FindClass("dots").at(0)->Attribute("d");
  EXPECT_EQ(std::count(dots.begin(), dots.end(), 'M'), 1000);
  const std::vector<const HtmlElement*> details = page->Find("details");
  ASSERT_EQ(details.size(), kMaxHtmlSearches);
  EXPECT_THAT(page->AllText(), HasSubstr("The 60 of 1000 layers that gain least over nearest"));
  EXPECT_THAT(details[0]->AllText(), HasSubstr("/conv470/"));
  EXPECT_TRUE(page->FindClass("warnings").empty());
}

TEST(HtmlReport, PagesStayBounded) {
  RunReport report = Large(20000);
  report.left.assign(20000, {"left/layer", "Gemm", "excluded"});
  report.activations.assign(20000, {"tensor", 8, 0.0, 1.0});
  const std::string html = ToHtml(report);
  EXPECT_LT(html.size(), size_t{2} << 20);
  const Page page = HtmlReader(html).Read();
  EXPECT_EQ(Cells(*FindById(*page, "layers")).size(), kMaxHtmlLayers);
  EXPECT_THAT(page->FindClass("warnings").at(0)->AllText(),
              HasSubstr("this page leaves 18000 layers out"));
  EXPECT_THAT(page->AllText(), HasSubstr("The first 500 of 20000 lines"));
  SensitivityReport sensitivity;
  sensitivity.layers.resize(20000);
  EXPECT_LT(ToHtml(sensitivity).size(), size_t{2} << 20);
}

TEST(HtmlReport, SensitivityShowsEachLayerAloneAndLeftOut) {
  SensitivityReport report;
  report.model = "net.onnx";
  report.method = "adaround";
  report.evaluated_on = "test samples";
  for (int i = 0; i < 3; ++i) {
    SensitivityRow row;
    row.name = "layer" + std::to_string(i);
    row.op = "Conv";
    row.bits = 3;
    row.suggested_bits = i == 0 ? 8 : 3;
    row.rank_by_noise = i + 1;
    row.alone.sqnr_db = 10.0 * (i + 1);
    row.alone.top1 = 70.0 + i;
    row.all_but.sqnr_db = 5.0;
    report.layers.push_back(row);
  }
  report.num_suggested = 1;
  NetworkRow all;
  all.name = "all layers";
  all.top1 = 61.5;
  report.networks = {all};
  const std::string html = ToHtml(report);
  ExpectSound(html);
  const Page page = HtmlReader(html).Read();
  EXPECT_THAT(page->FindClass("tiles").at(0)->AllText(), HasSubstr("61.50 %"));
  EXPECT_THAT(page->FindClass("tiles").at(0)->AllText(), HasSubstr("1 of 3 layers"));
  auto cells = Cells(*FindById(*page, "layers"));
  EXPECT_EQ(cells["layer0"]["suggested"], "8");
  EXPECT_EQ(cells["layer2"]["alone: SQNR dB"], "30.00");
  EXPECT_EQ(cells["layer2"]["alone: accuracy %"], "72.00");
  EXPECT_EQ(cells["layer1"]["all but: SQNR dB"], "5.00");
  const std::vector<const HtmlElement*> squares =
      FindById(*page, "sensitivity")->Find("ul").at(0)->FindClass("dot");
  ASSERT_EQ(squares.size(), 3u);
  EXPECT_NEAR(Percent(squares[2]->Attribute("x")) - Percent(squares[1]->Attribute("x")),
              Percent(squares[1]->Attribute("x")) - Percent(squares[0]->Attribute("x")), 0.03);
}

// Relative luminance and contrast as WCAG 2.1 defines them.
double Luminance(const std::string& hex) {
  double sum = 0.0;
  const double weights[] = {0.2126, 0.7152, 0.0722};
  for (int i = 0; i < 3; ++i) {
    const std::string digits = hex.substr(static_cast<size_t>(1 + 2 * i), 2);
    const double part = std::stoi(digits, nullptr, 16) / 255.0;
    sum += weights[i] * (part <= 0.03928 ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4));
  }
  return sum;
}

TEST(HtmlReport, ColoursDifferEnoughInLightAndDark) {
  const std::string style = Read(Example())->Find("style").at(0)->text;
  const size_t dark = style.find("prefers-color-scheme:dark");
  ASSERT_NE(dark, std::string::npos);
  for (const size_t from : {size_t{0}, dark}) {
    const auto colour = [&](const std::string& name) {
      return style.substr(style.find("--" + name + ":#", from) + name.size() + 3, 7);
    };
    const auto contrast = [&](const char* a, const char* b) {
      const double first = Luminance(colour(a)) + 0.05;
      const double second = Luminance(colour(b)) + 0.05;
      return std::max(first, second) / std::min(first, second);
    };
    for (const char* ground : {"card", "ground", "warn"}) {
      EXPECT_GE(contrast("text", ground), 7.0) << ground;
    }
    for (const char* text : {"muted", "found", "other"}) {
      EXPECT_GE(contrast(text, "card"), 4.5) << text;
      EXPECT_GE(contrast(text, "ground"), 4.5) << text;
    }
  }
}

}  // namespace
}  // namespace adaround
