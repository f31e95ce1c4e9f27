#include "rounding/row_parts.h"

#include <algorithm>
#include <utility>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "rounding/search_recorder.h"

namespace adaround {
namespace {

class JoiningSolver final : public RoundingSolver {
 public:
  explicit JoiningSolver(std::vector<RowPart> parts) : parts_(std::move(parts)) {}

  RoundingResult Solve(const RoundingProblem& problem, const SolveContext&) const override {
    const SampledColumns& samples = *problem.samples;
    ADAROUND_CHECK(MakeOneLayer(parts_, samples.num_rows));
    const RoundingSummary& first = parts_.front().summary;
    RoundingResult joined;
    joined.integers.resize(problem.weights.size());
    joined.summary.strategy = first.strategy;
    joined.summary.ridge = first.ridge;
    std::vector<SearchTrace> traces;
    for (const RowPart& part : parts_) {
      const RoundingSummary& summary = part.summary;
      joined.summary.iterations = std::max(joined.summary.iterations, summary.iterations);
      joined.summary.num_undecided += summary.num_undecided;
      joined.summary.num_descent_flips += summary.num_descent_flips;
      traces.insert(traces.end(), summary.block_traces.begin(), summary.block_traces.end());
      ADAROUND_CHECK(static_cast<int64_t>(part.integers.size()) ==
                     part.rows.size() * samples.row_length);
      std::copy(part.integers.begin(), part.integers.end(),
                joined.integers.begin() + part.rows.begin * samples.row_length);
    }
    joined.summary.trace = JoinTraces(traces, samples.num_rows);
    return joined;
  }
  bool StaysAtFloorOrCeil() const override { return false; }

 private:
  std::vector<RowPart> parts_;
};

bool LookedAtTheSameTimes(const SearchTrace& a, const SearchTrace& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const SearchPoint& x, const SearchPoint& y) {
                      return x.stage == y.stage && x.iteration == y.iteration &&
                             x.soft_roundings.size() == y.soft_roundings.size();
                    });
}

// Whether each part has looked at all of its blocks, of one size for all.
bool HaveAllTraces(const std::vector<RowPart>& parts) {
  for (int64_t block = 1; block <= kRowsPerPart; ++block) {
    if (kRowsPerPart % block != 0) continue;
    const bool fits = std::all_of(parts.begin(), parts.end(), [&](const RowPart& part) {
      return static_cast<int64_t>(part.summary.block_traces.size()) ==
             CeilDivide(part.rows.size(), block);
    });
    if (fits) return true;
  }
  return false;
}

}  // namespace

QuantGrid GridOfRows(const QuantGrid& grid, const RowSpan& rows, int64_t num_rows,
                     int64_t row_length) {
  QuantGrid part = grid;
  if (grid.granularity == Granularity::kPerTensor) return part;
  ADAROUND_CHECK(static_cast<int64_t>(grid.scale.size()) == grid.NumScales(num_rows, row_length));
  const int64_t per_row = grid.GroupsPerRow(row_length);
  const int64_t begin = rows.begin * per_row;
  const int64_t end = rows.end * per_row;
  part.scale.assign(grid.scale.begin() + begin, grid.scale.begin() + end);
  part.zero_point.assign(grid.zero_point.begin() + begin, grid.zero_point.begin() + end);
  return part;
}

std::vector<RowSpan> PartRows(int64_t num_rows, int64_t num_parts) {
  const int64_t num_steps = CeilDivide(num_rows, kRowsPerPart);
  const int64_t count = std::min(num_parts, num_steps);
  std::vector<RowSpan> parts;
  if (count < 2) return parts;
  for (int64_t i = 0; i < count; ++i) {
    parts.push_back({i * num_steps / count * kRowsPerPart,
                     std::min(num_rows, (i + 1) * num_steps / count * kRowsPerPart)});
  }
  return parts;
}

bool MakeOneLayer(const std::vector<RowPart>& parts, int64_t num_rows) {
  if (parts.empty()) return false;
  const RoundingSummary& first = parts.front().summary;
  const SearchTrace* trace = nullptr;
  int64_t next_row = 0;
  for (const RowPart& part : parts) {
    const RoundingSummary& summary = part.summary;
    if (part.rows.begin != next_row || part.rows.size() < 1) return false;
    if (summary.strategy != first.strategy || summary.ridge != first.ridge) return false;
    for (const SearchTrace& other : summary.block_traces) {
      if (trace == nullptr) trace = &other;
      if (!LookedAtTheSameTimes(*trace, other)) return false;
    }
    next_row = part.rows.end;
  }
  return next_row == num_rows && HaveAllTraces(parts);
}

std::unique_ptr<RoundingSolver> MakeJoiningSolver(std::vector<RowPart> parts) {
  return std::make_unique<JoiningSolver>(std::move(parts));
}

}  // namespace adaround
