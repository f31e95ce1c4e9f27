// Enumerators with the names that users give them: a table of pairs, read in both directions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adaround/base/error.h"

namespace adaround {

template <typename Enum>
struct EnumName {
  Enum value;
  std::string_view name;
};

// REQUIRES: `value` is in the table.
template <typename Enum, size_t kSize>
std::string_view NameIn(const EnumName<Enum> (&table)[kSize], Enum value) {
  for (const EnumName<Enum>& row : table) {
    if (row.value == value) return row.name;
  }
  ADAROUND_CHECK(false);
}

template <typename Enum, size_t kSize>
std::vector<std::string> NamesIn(const EnumName<Enum> (&table)[kSize]) {
  std::vector<std::string> names;
  for (const EnumName<Enum>& row : table) names.emplace_back(row.name);
  return names;
}

template <typename Enum, size_t kSize>
std::optional<Enum> FindIn(const EnumName<Enum> (&table)[kSize], std::string_view name) {
  for (const EnumName<Enum>& row : table) {
    if (row.name == name) return row.value;
  }
  return std::nullopt;
}

// Throws Error(kInvalidArgument), listing the names, where there is no such `kind`.
template <typename Enum, size_t kSize>
Enum ParseIn(const EnumName<Enum> (&table)[kSize], const std::string& kind,
             const std::string& name) {
  if (const std::optional<Enum> found = FindIn(table, name)) return *found;
  std::string known;
  for (const EnumName<Enum>& row : table) {
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw Error(ErrorCode::kInvalidArgument,
              "there is no " + kind + " '" + Printable(name) + "'; known are " + known);
}

}  // namespace adaround
