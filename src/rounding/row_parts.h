// A layer whose rows were solved in several places, put together again.
#pragma once

#include <memory>
#include <vector>

#include "rounding/rounding_solver.h"

namespace adaround {

// What Solve() left of the rows that its context named.
struct RowPart {
  RowSpan rows;
  std::vector<int16_t> integers;  // [rows.size(), K]
  RoundingSummary summary;
};

// The part of a grid of [num_rows, row_length] weights that governs these rows.
QuantGrid GridOfRows(const QuantGrid& grid, const RowSpan& rows, int64_t num_rows,
                     int64_t row_length);

// `num_rows` rows in `num_parts` spans of about one size, or fewer: Solve() takes each.
// Empty where there is nothing to part.
std::vector<RowSpan> PartRows(int64_t num_rows, int64_t num_parts);

// Whether the parts, in order of their rows, are those of one Solve(): they hold each of the rows
// once, and were searched in the same way. One of them alone may have refused a start that the
// whole layer, then, does not take either.
bool MakeOneLayer(const std::vector<RowPart>& parts, int64_t num_rows);

// Its Solve() returns what the parts' solver would have found for all rows together, to the last
// bit. REQUIRES: MakeOneLayer().
std::unique_ptr<RoundingSolver> MakeJoiningSolver(std::vector<RowPart> parts);

}  // namespace adaround
