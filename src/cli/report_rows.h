// From the pipeline's results to the rows of a report.
#pragma once

#include <optional>
#include <string>

#include "adaround/pipeline/evaluate.h"
#include "adaround/report/run_report.h"

namespace adaround::cli {

NetworkRow MakeNetworkRow(const std::string& name, const Evaluation& evaluation);
// The reference's own row: accuracy alone. None without labels or reference.
std::optional<NetworkRow> MakeReferenceRow(const Evaluation& evaluation);

}  // namespace adaround::cli
