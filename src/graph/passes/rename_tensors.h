// Gives tensors whose values have changed other names.
#pragma once

#include <map>
#include <set>
#include <string>

#include "adaround/graph/graph.h"

namespace adaround {

// Each of `names` becomes name + suffix (with a number where that is taken), wherever nodes make or
// read it: arrays that hold the values under the old name are then refused, not misread. Returns
// old name -> new name.
// REQUIRES: the names are made by nodes and are no graph outputs.
std::map<std::string, std::string> RenameTensors(Graph& graph, const std::set<std::string>& names,
                                                 const std::string& suffix);

}  // namespace adaround
