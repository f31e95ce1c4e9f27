// The parts that the pages of all reports are made of.
#pragma once

#include <string>
#include <vector>

#include "adaround/report/run_report.h"

namespace adaround {

// What stands out at the top of a page: plain text, escaped here.
struct HtmlTile {
  std::string label;
  std::string value;
  std::string detail;
};
std::string HtmlTiles(const std::vector<HtmlTile>& tiles);

// Plain text, escaped here; the first column names the line, the others are numbers or short words.
// Wide tables scroll inside their own frame.
struct HtmlTable {
  std::string label;  // what it lists, for readers that do not see it
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> lines;  // each as long as the header
  bool is_prose = false;  // cells are text that may take several lines

  // At most `max_lines` lines, and a sentence on how many are left out.
  std::string ToHtml(size_t max_lines) const;
};

// A part of the page with its heading. `id` is a name in the page; `html` is put in as it is.
struct HtmlSection {
  std::string id;
  std::string heading;
  std::string html;
};

// <details>: `summary` is plain text.
std::string HtmlDetails(const std::string& summary, const std::string& html);
std::string HtmlParagraph(const std::string& text);

// A document that needs nothing but itself, and is told not to ask for anything: HTML that is also
// well-formed XML, without scripts. Readable from 360 px of width on, in light and dark, on paper.
// `title` and `subtitle` are plain text; sections without content are left out.
std::string HtmlDocument(const std::string& title, const std::string& subtitle,
                         const std::string& lead_html, const std::vector<HtmlSection>& sections);

// "fashion_mobilenet/model.json": a path's last parts, as many as tell models apart.
std::string ShortPath(const std::string& path);

// The networks side by side, with the measures that any of them has.
HtmlTable NetworksTable(const std::vector<NetworkRow>& networks);

}  // namespace adaround
