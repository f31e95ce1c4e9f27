#include "pipeline/segment_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace adaround {
namespace {

// Passes over one segment by the header's definition: float and quantized once in full, and for
// each wave what its layers' inputs need.
int64_t NaiveSegmentCost(const std::vector<PlannedNode>& nodes, size_t begin, size_t end) {
  int64_t total = 0;
  for (size_t i = begin; i < end; ++i) total += 2 * nodes[i].cost;
  for (const std::vector<size_t>& wave : LayerWaves(nodes, begin, end)) {
    std::set<size_t> needed;
    for (const size_t layer : wave) {
      for (const size_t p : nodes[layer].predecessors) needed.insert(p);
    }
    for (size_t i = end; i-- > begin;) {
      if (!needed.contains(i)) continue;
      total += nodes[i].cost;
      for (const size_t p : nodes[i].predecessors) needed.insert(p);
    }
  }
  return total;
}

struct Measures {
  int64_t cost = 0;
  int64_t stored = 0;   // bytes written, per sample
  int64_t over = 0;     // bytes held beyond the budget, summed over segments
};

Measures Measure(const std::vector<PlannedNode>& nodes, const std::vector<int64_t>& live_bytes,
                 const std::vector<size_t>& boundaries, int64_t num_samples, int64_t budget) {
  Measures measures;
  for (size_t s = 0; s + 1 < boundaries.size(); ++s) {
    int64_t held = 2 * num_samples * (live_bytes[boundaries[s]] + live_bytes[boundaries[s + 1]]);
    for (size_t i = boundaries[s]; i < boundaries[s + 1]; ++i) held += nodes[i].target_bytes;
    measures.cost += NaiveSegmentCost(nodes, boundaries[s], boundaries[s + 1]);
    measures.stored += live_bytes[boundaries[s + 1]];
    measures.over += std::max<int64_t>(0, held - budget);
  }
  return measures;
}

std::vector<std::vector<size_t>> AllPartitions(size_t n) {
  std::vector<std::vector<size_t>> partitions;
  for (uint32_t cuts = 0; cuts < (1U << (n - 1)); ++cuts) {
    std::vector<size_t> boundaries = {0};
    for (size_t cut = 1; cut < n; ++cut) {
      if ((cuts >> (cut - 1) & 1U) != 0) boundaries.push_back(cut);
    }
    boundaries.push_back(n);
    partitions.push_back(boundaries);
  }
  return partitions;
}

struct RandomNetwork {
  std::vector<PlannedNode> nodes;
  std::vector<int64_t> live_bytes;
};

// A chain with skips; every second node or so is a layer.
RandomNetwork MakeNetwork(size_t n, uint32_t seed, int64_t largest_bytes) {
  std::mt19937 generator(seed);
  std::uniform_int_distribution<int64_t> cost(1, 1000);
  std::uniform_int_distribution<int64_t> bytes(1, std::max<int64_t>(1, largest_bytes));
  RandomNetwork network;
  for (size_t i = 0; i < n; ++i) {
    PlannedNode node;
    if (i > 0) node.predecessors.push_back(i - 1);
    if (i > 3 && generator() % 3 == 0) node.predecessors.push_back(i - 3);
    node.cost = cost(generator);
    node.is_layer = generator() % 2 == 0;
    if (node.is_layer && largest_bytes > 0) node.target_bytes = 10 * bytes(generator);
    network.nodes.push_back(node);
    network.live_bytes.push_back(i == 0 || largest_bytes == 0 ? 0 : bytes(generator));
  }
  network.live_bytes.push_back(0);
  return network;
}

void ExpectSoundBoundaries(const SegmentPlan& plan, size_t n) {
  ASSERT_GE(plan.boundaries.size(), 2u);
  EXPECT_EQ(plan.boundaries.front(), 0u);
  EXPECT_EQ(plan.boundaries.back(), n);
  EXPECT_TRUE(std::is_sorted(plan.boundaries.begin(), plan.boundaries.end()));
  EXPECT_EQ(std::adjacent_find(plan.boundaries.begin(), plan.boundaries.end()),
            plan.boundaries.end());
}

TEST(PlanSegments, WithoutStorageToPayForItIsTheCheapestPartition) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    const RandomNetwork network = MakeNetwork(9, seed, 0);
    const SegmentPlan plan = PlanSegments(network.nodes, network.live_bytes, 10, 0);
    ExpectSoundBoundaries(plan, 9);
    int64_t best = INT64_MAX;
    for (const auto& boundaries : AllPartitions(9)) {
      best = std::min(best, Measure(network.nodes, network.live_bytes, boundaries, 10, 0).cost);
    }
    EXPECT_EQ(plan.cost, best);
  }
}

TEST(PlanSegments, NoPartitionIsBetterInEveryRespect) {
  for (uint32_t seed = 1; seed <= 12; ++seed) {
    for (const int64_t largest_bytes : {10, 300, 10'000}) {
      const RandomNetwork network = MakeNetwork(9, seed, largest_bytes);
      for (const int64_t budget : {int64_t{0}, 20 * largest_bytes, int64_t{1} << 40}) {
        const SegmentPlan plan = PlanSegments(network.nodes, network.live_bytes, 10, budget);
        ExpectSoundBoundaries(plan, 9);
        const Measures chosen =
            Measure(network.nodes, network.live_bytes, plan.boundaries, 10, budget);
        EXPECT_EQ(plan.cost, chosen.cost);
        for (const auto& boundaries : AllPartitions(9)) {
          const Measures other =
              Measure(network.nodes, network.live_bytes, boundaries, 10, budget);
          const bool dominates = other.cost < chosen.cost && other.stored <= chosen.stored &&
                                 other.over <= chosen.over;
          EXPECT_FALSE(dominates);
        }
      }
    }
  }
}

TEST(PlanSegments, DearStorageLeavesOneSegment) {
  RandomNetwork network = MakeNetwork(9, 1, 10);
  for (size_t cut = 1; cut < 9; ++cut) network.live_bytes[cut] = int64_t{1} << 40;
  const SegmentPlan plan = PlanSegments(network.nodes, network.live_bytes, 10, 1 << 20);
  EXPECT_EQ(plan.boundaries, (std::vector<size_t>{0, 9}));
}

TEST(PlanSegments, LongNetworksStayLinear) {
  // A hundred equal layers in a chain: each must not be run again for all that follow.
  std::vector<PlannedNode> nodes(100);
  for (size_t i = 0; i < 100; ++i) {
    if (i > 0) nodes[i].predecessors = {i - 1};
    nodes[i].cost = 1'000'000;
    nodes[i].is_layer = true;
  }
  std::vector<int64_t> live_bytes(101, 1000);
  const SegmentPlan plan = PlanSegments(nodes, live_bytes, 100, int64_t{1} << 40);
  EXPECT_LE(plan.cost, 4 * int64_t{100'000'000});
}

// Nothing is stored, and a long segment is no dearer; but all of its layers' targets lie there at
// once.
TEST(PlanSegments, TargetsThatDoNotFitShortenSegments) {
  std::vector<PlannedNode> nodes(8);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i > 0) nodes[i].predecessors = {i - 1};
    nodes[i].is_layer = true;
    nodes[i].target_bytes = 1000;
  }
  std::vector<int64_t> live_bytes(9, 1);
  live_bytes.front() = live_bytes.back() = 0;
  const auto longest = [&](int64_t budget) {
    const SegmentPlan plan = PlanSegments(nodes, live_bytes, 1, budget);
    size_t most = 0;
    for (size_t s = 0; s + 1 < plan.boundaries.size(); ++s) {
      most = std::max(most, plan.boundaries[s + 1] - plan.boundaries[s]);
    }
    return most;
  };
  EXPECT_EQ(longest(1 << 20), 8u);
  EXPECT_LE(longest(3004), 3u);
}

TEST(LayerWaves, WaitForTheLayersBeforeThem) {
  //      0 (layer) - 1 - 2 (layer) -.
  //    /                             5 (layer)
  //   input - 3 (layer) - 4 ---------'
  std::vector<PlannedNode> nodes(6);
  nodes[1].predecessors = {0};
  nodes[2].predecessors = {1};
  nodes[4].predecessors = {3};
  nodes[5].predecessors = {2, 4};
  for (const size_t layer : {0, 2, 3, 5}) nodes[layer].is_layer = true;
  using Waves = std::vector<std::vector<size_t>>;
  EXPECT_EQ(LayerWaves(nodes, 0, 6), (Waves{{0, 3}, {2}, {5}}));
  // Layers before the segment are done: nothing waits for them.
  EXPECT_EQ(LayerWaves(nodes, 1, 6), (Waves{{2, 3}, {5}}));
  EXPECT_EQ(LayerWaves(nodes, 4, 6), (Waves{{5}}));
  EXPECT_EQ(LayerWaves(nodes, 1, 2), Waves{});
}

}  // namespace
}  // namespace adaround
