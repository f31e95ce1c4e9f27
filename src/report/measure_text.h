// Measures as text and JSON: what an infinite SQNR means is decided here.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace adaround {

// Whether outputs are equal to the float network's: an SQNR of plus infinity. Minus infinity is
// noise beside outputs that are zero everywhere.
bool IsExact(const std::optional<double>& sqnr_db);

// "12.25"; "exact" of plus infinity, "-inf" of minus infinity, "-" where nothing was measured.
std::string MeasureText(const std::optional<double>& value, int digits);

// Nearest's error over the one that was found: "5.7x"; "exact" where that is 0 and nearest's is
// not; "-" where either is no number.
std::string RatioText(double nearest, double found);

// "0.0538"; "-" where it is not finite.
std::string ErrorText(double error);

// The number; null where nothing was measured, and of what JSON has no number for: whoever writes
// an SQNR puts "exact": IsExact() beside it.
nlohmann::ordered_json MeasureToJson(const std::optional<double>& value);

// The shortest digits that give the value back; "inf", "-inf"; nothing where nothing was measured.
std::string MeasureToCsv(const std::optional<double>& value);

}  // namespace adaround
