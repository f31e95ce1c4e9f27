#include "report/measure_text.h"

#include <fmt/format.h>

#include <cmath>

namespace adaround {

bool IsExact(const std::optional<double>& sqnr_db) {
  return sqnr_db && std::isinf(*sqnr_db) && *sqnr_db > 0.0;
}

std::string MeasureText(const std::optional<double>& value, int digits) {
  if (!value) return "-";
  return IsExact(value) ? "exact" : fmt::format("{:.{}f}", *value, digits);
}

std::string RatioText(double nearest, double found) {
  if (!std::isfinite(nearest) || !std::isfinite(found)) return "-";
  if (found > 0.0) return fmt::format("{:.1f}x", nearest / found);
  return nearest > 0.0 ? "exact" : "1.0x";
}

std::string ErrorText(double error) {
  return std::isfinite(error) ? fmt::format("{:.4g}", error) : "-";
}

nlohmann::ordered_json MeasureToJson(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

std::string MeasureToCsv(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

}  // namespace adaround
