// Parts of a page that show how layers were searched.
#pragma once

#include <string>
#include <vector>

#include "adaround/report/layer_report.h"

namespace adaround {

// All layers together: for each kind of search its losses, stage by stage, and h(V) over the
// iterations. `shown` are drawn one by one, others only count in what is drawn of all. Empty where
// no layer has a trace.
std::string AllSearchesToHtml(const std::vector<const LayerReport*>& layers,
                              const std::vector<const LayerReport*>& shown);

// One layer's search, folded up.  REQUIRES: layer.trace is not empty.
std::string SearchToHtml(const LayerReport& layer);

}  // namespace adaround
