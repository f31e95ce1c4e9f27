// A layer's report as JSON that brings back every member, to the last bit.
#pragma once

#include <nlohmann/json.hpp>

#include "adaround/report/layer_report.h"
#include "io/strict_json.h"

namespace adaround {

nlohmann::ordered_json LayerRecord(const LayerReport& report);

// Throws Error(kMalformed) for what LayerRecord() does not write.
LayerReport ParseLayerRecord(const JsonView& view);

}  // namespace adaround
