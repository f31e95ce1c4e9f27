#include "pipeline/shard_plan.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <set>
#include <utility>

#include "pipeline/memory_need.h"
#include "pipeline/work_plan.h"
#include "rounding/row_parts.h"

namespace adaround {
namespace {

// Sets of layers that depend on one another.
class Components {
 public:
  explicit Components(size_t num_layers) : parent_(num_layers) {
    std::iota(parent_.begin(), parent_.end(), size_t{0});
  }
  size_t Find(size_t layer) {
    while (parent_[layer] != layer) layer = parent_[layer] = parent_[parent_[layer]];
    return layer;
  }
  void Join(size_t a, size_t b) { parent_[Find(a)] = Find(b); }

 private:
  std::vector<size_t> parent_;
};

Components FindComponents(const PreparedNetwork& network) {
  std::map<size_t, size_t> position_of_node;
  for (size_t p = 0; p < network.nodes.size(); ++p) position_of_node[network.nodes[p]] = p;
  std::map<size_t, size_t> layer_at;  // by position
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (network.layers[i].first_with_weight != i) continue;
    layer_at[position_of_node.at(network.layers[i].linear.node)] = i;
  }
  Components components(network.layers.size());
  // For each position one layer of every component whose integers reach it.
  std::vector<std::set<size_t>> before(network.planned.size());
  for (size_t p = 0; p < network.planned.size(); ++p) {
    const PlannedNode& node = network.planned[p];
    for (const size_t predecessor : node.predecessors) {
      for (const size_t layer : before[predecessor]) before[p].insert(components.Find(layer));
    }
    for (const size_t first : node.waits_for) before[p].insert(components.Find(layer_at.at(first)));
    const auto own = layer_at.find(p);
    if (own == layer_at.end()) continue;
    for (const size_t layer : before[p]) components.Join(layer, own->second);
    before[p] = {components.Find(own->second)};
  }
  return components;
}

// What one process does at once.
struct Unit {
  std::vector<size_t> layers;
  std::vector<RowSpan> rows;  // of the only layer; none = all
  double work = 0.0;
};

// Rows in order, those that touch as one.
std::vector<RowSpan> JoinAdjacent(std::vector<RowSpan> rows) {
  std::sort(rows.begin(), rows.end(),
            [](const RowSpan& a, const RowSpan& b) { return a.begin < b.begin; });
  std::vector<RowSpan> joined;
  for (const RowSpan& span : rows) {
    if (!joined.empty() && joined.back().end == span.begin) {
      joined.back().end = span.end;
    } else {
      joined.push_back(span);
    }
  }
  return joined;
}

}  // namespace

std::unique_ptr<RoundingSolver> CreateRowsSolver(const QuantizeOptions& options) {
  RoundingOptions without_guard = options.rounding;
  without_guard.keep_nearest_rows = false;
  return CreateRoundingSolver(options.method, without_guard);
}

std::vector<ShardShare> PlanShards(const PreparedNetwork& network, const SampleSplit& split,
                                   const QuantizeOptions& options, int64_t count) {
  const std::unique_ptr<RoundingSolver> solver = CreateRowsSolver(options);
  const std::vector<double> work = SearchWork(network, split, options);
  Components components = FindComponents(network);
  std::map<size_t, Unit> whole;  // by component
  for (size_t i = 0; i < network.layers.size(); ++i) {
    if (network.layers[i].first_with_weight != i) continue;
    Unit& unit = whole[components.Find(i)];
    unit.layers.push_back(i);
    unit.work += work[i];
  }
  const double total = std::accumulate(work.begin(), work.end(), 0.0);
  const double fair = total / static_cast<double>(count);
  std::vector<Unit> units;
  for (const auto& [component, unit] : whole) {
    std::vector<RowSpan> parts;
    const ChosenLayer& layer = network.layers[unit.layers.front()];
    LayerExtent extent = ExtentOf(network, layer, split, options);
    if (unit.layers.size() == 1 && unit.work > fair && solver->SolvesRows(extent)) {
      const auto wanted = static_cast<int64_t>(std::ceil(unit.work / fair));
      parts = PartRows(layer.linear.num_rows, std::min(wanted, count));
    }
    for (const RowSpan& rows : parts) {
      // Not in proportion to rows: what all of them share, each part computes anew.
      extent.num_rows = rows.size();
      units.push_back({unit.layers,
                       {rows},
                       solver->Work(extent, SearchColumns(network, layer, split, options))});
    }
    if (parts.empty()) units.push_back(unit);
  }
  // The largest first. Stable: equal ones in the network's order.
  std::stable_sort(units.begin(), units.end(),
                   [](const Unit& a, const Unit& b) { return a.work > b.work; });
  std::vector<ShardShare> shares(static_cast<size_t>(count));
  for (const Unit& unit : units) {
    ShardShare& share = *std::min_element(
        shares.begin(), shares.end(), [](const auto& a, const auto& b) { return a.work < b.work; });
    share.work += unit.work;
    for (const size_t layer : unit.layers) {
      std::vector<RowSpan>& rows = share.layers[layer];
      rows.insert(rows.end(), unit.rows.begin(), unit.rows.end());
    }
  }
  for (ShardShare& share : shares) {
    for (auto& [layer, rows] : share.layers) rows = JoinAdjacent(std::move(rows));
  }
  return shares;
}

ShardContents DescribeShare(const PreparedNetwork& network, const std::vector<ShardShare>& shares,
                            size_t index) {
  double total = 0.0;
  for (const ShardShare& share : shares) total += share.work;
  ShardContents contents;
  contents.fraction = total > 0.0 ? shares[index].work / total : 0.0;
  for (const auto& [layer, spans] : shares[index].layers) {
    contents.layers.push_back({network.layers[layer].linear.name, {}});
    for (const RowSpan& rows : spans) {
      contents.layers.back().rows.emplace_back(rows.begin, rows.size());
    }
  }
  return contents;
}

}  // namespace adaround
