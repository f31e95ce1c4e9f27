#include "adaround/base/did_you_mean.h"

#include <algorithm>
#include <numeric>

#include "adaround/base/error.h"

namespace adaround {
namespace {

constexpr size_t kMaxComparedLength = 64;

// Levenshtein's distance, one row at a time.
size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string DidYouMean(const std::string& name, const std::vector<std::string>& known) {
  if (name.size() <= kMaxComparedLength) {
    const std::string* nearest = nullptr;
    size_t nearest_distance = std::max<size_t>(1, name.size() / 3) + 1;
    for (const std::string& candidate : known) {
      if (candidate.size() > kMaxComparedLength) continue;
      const size_t distance = EditDistance(name, candidate);
      if (distance < nearest_distance) {
        nearest = &candidate;
        nearest_distance = distance;
      }
    }
    if (nearest != nullptr) return "; did you mean '" + Printable(*nearest) + "'?";
  }
  std::string list;
  for (const std::string& candidate : known) {
    if (!list.empty()) list += ", ";
    list += "'" + Printable(candidate) + "'";
  }
  return "; known are " + Printable(list, 500);
}

}  // namespace adaround
