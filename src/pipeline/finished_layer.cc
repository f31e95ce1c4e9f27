#include "pipeline/finished_layer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"
#include "pipeline/chosen_layer.h"
#include "rounding/row_parts.h"

namespace adaround {
namespace {

bool HasGrid(const QuantizedTensor& tensor, const Shape& shape, const ChannelLayout& layout,
             const QuantGrid& wanted) {
  const QuantGrid& grid = tensor.grid;
  return tensor.shape == shape && tensor.layout.axis == layout.axis &&
         tensor.layout.groups == layout.groups && grid.q_min == wanted.q_min &&
         grid.q_max == wanted.q_max && grid.bit_width == wanted.bit_width &&
         grid.granularity == wanted.granularity && grid.group_size == wanted.group_size;
}

bool Describes(const LayerReport& report, const LayerReport& known) {
  return report.op == known.op && report.weight == known.weight && report.bits == known.bits &&
         report.num_rows == known.num_rows && report.row_length == known.row_length &&
         report.num_groups == known.num_groups;
}

// Whether the bias is there where it `should` be, as the network's own is.
bool HasBias(const std::optional<Tensor>& bias, bool should, const Graph& graph,
             const std::string& name) {
  if (bias.has_value() != should) return false;
  if (!should) return true;
  const auto own = graph.initializers.find(name);
  return own != graph.initializers.end() && bias->dtype() == own->second.dtype() &&
         bias->shape() == own->second.shape();
}

Error DoesNotFit() {
  return Error(ErrorCode::kMalformed,
               "what an earlier run or a shard left of it does not fit the network; --force starts "
               "afresh, with shards first");
}

// Whoever writes a file may write any numbers: their sums stay numbers.
bool IsSound(const FinishedRows& rows) {
  constexpr int64_t kMaxCount = 100'000'000'000;
  constexpr double kMaxLoss = 1e200;
  if (static_cast<int64_t>(rows.block_traces.size()) > rows.num_rows) return false;
  bool sound = rows.iterations <= kMaxCount && rows.num_undecided <= kMaxCount &&
               rows.num_descent_flips <= kMaxCount;
  for (const SearchTrace& trace : rows.block_traces) {
    for (const SearchPoint& point : trace) {
      sound = sound && std::abs(point.loss) <= kMaxLoss && point.num_undecided <= kMaxCount &&
              std::all_of(point.soft_roundings.begin(), point.soft_roundings.end(),
                          [](int64_t count) { return count <= kMaxCount; });
    }
  }
  return sound;
}

}  // namespace

void CheckFinishedLayer(const FinishedLayer& finished, const PreparedNetwork& network,
                        const ChosenLayer& layer, const QuantizeOptions& options) {
  const Graph& graph = network.graph;
  const Shape& shape = graph.initializers.at(layer.linear.weight).shape();
  const ChannelLayout layout = LayoutOf(layer.linear);
  const QuantGrid grid = GridOf(layer, options);
  const bool corrected = !finished.report.bias_correction.empty();
  const bool fits = Describes(finished.report, DescribeLayer(network, layer)) &&
                    HasGrid(finished.weight, shape, layout, grid) &&
                    HasGrid(finished.nearest, shape, layout, grid) &&
                    HasBias(finished.bias, corrected, graph, layer.linear.bias) &&
                    HasBias(finished.nearest_bias, corrected, graph, layer.linear.bias);
  if (!fits) throw DoesNotFit().WithContext("layer '" + Printable(layer.linear.name) + "'");
}

std::unique_ptr<RoundingSolver> JoinFinishedRows(std::vector<FinishedRows> parts,
                                                 const ChosenLayer& layer, const QuantGrid& grid) {
  const LinearLayer& linear = layer.linear;
  std::vector<RowPart> joined;
  for (FinishedRows& part : parts) {
    if (part.first_row >= linear.num_rows || part.num_rows < 1 ||
        part.num_rows > linear.num_rows - part.first_row) {
      throw DoesNotFit();
    }
    const RowSpan rows = {part.first_row, part.first_row + part.num_rows};
    const QuantGrid wanted = GridOfRows(grid, rows, linear.num_rows, linear.row_length);
    const Shape shape = {part.num_rows, linear.row_length};
    if (!HasGrid(part.weight, shape, ChannelLayout(), wanted) ||
        part.weight.grid.scale != wanted.scale ||
        part.weight.grid.zero_point != wanted.zero_point) {
      throw DoesNotFit();
    }
    if (!IsSound(part)) throw DoesNotFit();
    RoundingSummary summary;
    summary.strategy = part.strategy;
    summary.iterations = part.iterations;
    summary.num_undecided = part.num_undecided;
    summary.num_descent_flips = part.num_descent_flips;
    summary.ridge = part.ridge;
    summary.block_traces = std::move(part.block_traces);
    joined.push_back({rows, std::move(part.weight.integers), std::move(summary)});
  }
  if (!MakeOneLayer(joined, linear.num_rows)) return nullptr;
  return MakeJoiningSolver(std::move(joined));
}

FinishedRows MakeFinishedRows(const ChosenLayer& layer, const RowSpan& rows, const QuantGrid& grid,
                              const RoundingResult& result) {
  const LinearLayer& linear = layer.linear;
  FinishedRows finished;
  finished.layer = linear.name;
  finished.first_row = rows.begin;
  finished.num_rows = rows.size();
  finished.strategy = result.summary.strategy;
  finished.iterations = result.summary.iterations;
  finished.num_undecided = result.summary.num_undecided;
  finished.num_descent_flips = result.summary.num_descent_flips;
  finished.ridge = result.summary.ridge;
  finished.block_traces = result.summary.block_traces;
  finished.weight.shape = {rows.size(), linear.row_length};
  finished.weight.grid = GridOfRows(grid, rows, linear.num_rows, linear.row_length);
  finished.weight.integers.assign(result.integers.begin() + rows.begin * linear.row_length,
                                  result.integers.begin() + rows.end * linear.row_length);
  ADAROUND_CHECK(finished.weight.Validate().empty());
  return finished;
}

}  // namespace adaround
