#include "report/html_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/html_style.h"
#include "report/html_text.h"
#include "report/measure_text.h"

namespace adaround {

std::string HtmlTiles(const std::vector<HtmlTile>& tiles) {
  std::string html = "<dl class=\"tiles\">\n";
  for (const HtmlTile& tile : tiles) {
    html += fmt::format("<div><dt>{}</dt><dd>{}</dd><dd class=\"detail\">{}</dd></div>\n",
                        HtmlText(tile.label), HtmlText(tile.value), HtmlText(tile.detail));
  }
  return html + "</dl>\n";
}

std::string HtmlTable::ToHtml(size_t max_lines) const {
  std::string html = fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">\n<table{}>\n"
      "<thead><tr>",
      HtmlText(label), is_prose ? " class=\"words\"" : "");
  for (const std::string& title : header) {
    html += "<th scope=\"col\">" + HtmlText(title) + "</th>";
  }
  html += "</tr></thead>\n<tbody>\n";
  const size_t num_shown = std::min(lines.size(), max_lines);
  for (size_t i = 0; i < num_shown; ++i) {
    html += "<tr>";
    for (size_t column = 0; column < lines[i].size(); ++column) {
      html += column == 0 ? "<th scope=\"row\">" : "<td>";
      html += HtmlText(lines[i][column], is_prose ? 2000 : 200);
      html += column == 0 ? "</th>" : "</td>";
    }
    html += "</tr>\n";
  }
  html += "</tbody>\n</table>\n</div>\n";
  if (num_shown < lines.size()) {
    html += HtmlParagraph(fmt::format("The first {} of {} lines; report.json has them all.",
                                      num_shown, lines.size()));
  }
  return html;
}

std::string HtmlDetails(const std::string& summary, const std::string& html) {
  return "<details>\n<summary>" + HtmlText(summary, 300) + "</summary>\n" + html + "</details>\n";
}

std::string HtmlParagraph(const std::string& text) {
  return "<p>" + HtmlText(text, 2000) + "</p>\n";
}

std::string HtmlDocument(const std::string& title, const std::string& subtitle,
                         const std::string& lead_html, const std::vector<HtmlSection>& sections) {
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
      "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<meta name=\"color-scheme\" content=\"light dark\"/>\n";
  html += "<title>" + HtmlText(title) + "</title>\n<style>" + std::string(kPageStyle) +
          "</style>\n</head>\n<body>\n<header>\n<h1>" + HtmlText(title) + "</h1>\n<p>" +
          HtmlText(subtitle, 1000) + "</p>\n<nav aria-label=\"Parts of this page\">";
  for (const HtmlSection& section : sections) {
    if (section.html.empty()) continue;
    html += fmt::format("<a href=\"#{}\">{}</a> ", section.id, HtmlText(section.heading));
  }
  html += "</nav>\n</header>\n<main>\n" + lead_html;
  for (const HtmlSection& section : sections) {
    if (section.html.empty()) continue;
    html += fmt::format("<section id=\"{0}\" aria-labelledby=\"{0}-heading\">\n"
                        "<h2 id=\"{0}-heading\">{1}</h2>\n{2}</section>\n",
                        section.id, HtmlText(section.heading), section.html);
  }
  return html + "</main>\n</body>\n</html>\n";
}

std::string ShortPath(const std::string& path) {
  const size_t last = path.find_last_of('/');
  if (last == std::string::npos || last == 0) return path;
  const size_t before = path.find_last_of('/', last - 1);
  return before == std::string::npos ? path : path.substr(before + 1);
}

HtmlTable NetworksTable(const std::vector<NetworkRow>& networks) {
  struct Column {
    const char* title;
    std::optional<double> NetworkRow::*member;
    int digits;
  };
  constexpr Column kColumns[] = {
      {"top-1 %", &NetworkRow::top1, 2},           {"top-5 %", &NetworkRow::top5, 2},
      {"mIoU %", &NetworkRow::miou, 2},            {"pixels %", &NetworkRow::pixel_accuracy, 2},
      {"SQNR dB", &NetworkRow::sqnr_db, 2},        {"agreement %", &NetworkRow::agreement, 2},
      {"KL nats", &NetworkRow::kl_divergence, 4}};
  HtmlTable table;
  table.label = "Networks";
  table.header = {"network"};
  for (const NetworkRow& network : networks) table.lines.push_back({network.name});
  for (const Column& column : kColumns) {
    const bool any =
        std::any_of(networks.begin(), networks.end(), [&](const NetworkRow& network) {
          return (network.*column.member).has_value();
        });
    if (!any) continue;
    table.header.emplace_back(column.title);
    for (size_t i = 0; i < networks.size(); ++i) {
      table.lines[i].push_back(MeasureText(networks[i].*column.member, column.digits));
    }
  }
  return table;
}

}  // namespace adaround
