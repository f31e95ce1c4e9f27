// Reports as pages for people: one file each, which asks for nothing else.
#pragma once

#include <string>

#include "adaround/report/run_report.h"
#include "adaround/report/sensitivity_report.h"

namespace adaround {

// HTML without scripts or anything to be loaded, readable on a telephone and a desktop, in light
// and dark; well-formed XML at the same time. Every chart says in words what it shows. Names, from
// files as they are, are escaped. Its size is bounded: of more than kMaxHtmlLayers layers the page
// has those that gain least over nearest, of more than kMaxHtmlSearches searches only so many one
// by one, and says so. 1,000 layers make about a megabyte.
inline constexpr size_t kMaxHtmlLayers = 2000;
inline constexpr size_t kMaxHtmlSearches = 60;

// Summary, errors and sizes layer by layer, and how the searches went: what `quantize --html`
// writes.
std::string ToHtml(const RunReport& report);

// What each layer's rounding costs, and the suggestion: what `analyze --html` writes.
std::string ToHtml(const SensitivityReport& report);

}  // namespace adaround
