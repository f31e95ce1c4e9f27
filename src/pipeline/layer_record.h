// What a checkpoint says of layers and of rows, as JSON that brings back every member, to the last
// bit.
#pragma once

#include <nlohmann/json.hpp>

#include "adaround/pipeline/checkpoint.h"
#include "adaround/report/layer_report.h"
#include "io/strict_json.h"

namespace adaround {

nlohmann::ordered_json LayerRecord(const LayerReport& report);

// Throws Error(kMalformed) for what LayerRecord() does not write.
LayerReport ParseLayerRecord(const JsonView& view);

// All but the weight.
nlohmann::ordered_json RowsRecord(const FinishedRows& rows);

// Throws Error(kMalformed) for what RowsRecord() does not write.
FinishedRows ParseRowsRecord(const JsonView& view);

}  // namespace adaround
