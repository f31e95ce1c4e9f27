#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <ostream>
#include <set>
#include <utility>

#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/quantize.h"
#include "io/test_files.h"
#include "pipeline/layer_record.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::FloatInput;
using testing::Given;
using testing::IntegersOf;
using testing::IntList;
using testing::Op;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::ScratchFolder;

const std::map<std::string, std::string> kInputs = {{"seed", "42"}};

// Two convolutions in a row, a depthwise one by itself, and two large layers by themselves: rows of
// one are columns of its weight.
Graph SeparateLayers() {
  Graph graph;
  graph.inputs = {FloatInput("chain_in", {-1, 3, 6, 6}), FloatInput("depthwise_in", {-1, 8, 6, 6}),
                  FloatInput("gemm_in", {-1, 20}), FloatInput("matmul_in", {-1, 4, 18})};
  graph.outputs = {"second", "depthwise", "gemm_relu", "matmul"};
  const Attribute pads = IntList({1, 1, 1, 1});
  graph.nodes.push_back(
      Op("Conv", {"chain_in", "first.w", "first.b"}, {"first"}, {{"pads", pads}}));
  graph.nodes.push_back(Op("Relu", {"first"}, {"first_relu"}));
  graph.nodes.push_back(Op("Conv", {"first_relu", "second.w"}, {"second"}, {{"pads", pads}}));
  graph.nodes.push_back(Op("Conv", {"depthwise_in", "depthwise.w"}, {"depthwise"},
                           {{"pads", pads}, {"group", int64_t{8}}}));
  graph.nodes.push_back(
      Op("Gemm", {"gemm_in", "gemm.w", "gemm.b"}, {"gemm"}, {{"transB", int64_t{1}}}));
  graph.nodes.push_back(Op("Relu", {"gemm"}, {"gemm_relu"}));
  graph.nodes.push_back(Op("MatMul", {"matmul_in", "matmul.w"}, {"matmul"}));
  graph.initializers["first.w"] = RandomTensor({8, 3, 3, 3}, 1);
  graph.initializers["first.b"] = RandomTensor({8}, 2);
  graph.initializers["second.w"] = RandomTensor({8, 8, 3, 3}, 3);
  graph.initializers["depthwise.w"] = RandomTensor({8, 1, 3, 3}, 4);
  graph.initializers["gemm.w"] = RandomTensor({1000, 20}, 5);
  graph.initializers["gemm.b"] = RandomTensor({1000}, 6);
  graph.initializers["matmul.w"] = RandomTensor({18, 900}, 7);
  return graph;
}

CalibrationSet Samples(const Graph& graph) {
  std::vector<CalibrationTensor> given;
  given.push_back(Given("chain_in", RandomTensor({20, 3, 6, 6}, 50)));
  given.push_back(Given("depthwise_in", RandomTensor({20, 8, 6, 6}, 51)));
  given.push_back(Given("gemm_in", RandomTensor({20, 20}, 52)));
  given.push_back(Given("matmul_in", RandomTensor({20, 4, 18}, 53)));
  return CalibrationSet(std::move(given), graph);
}

// Sees what is searched, and asks for an end once `stop` says so.
class Witness final : public QuantizeObserver {
 public:
  void OnProgress(const std::string& stage, int64_t, int64_t) override { stages_.insert(stage); }
  void OnWarning(const std::string& warning) override { warnings_.push_back(warning); }
  bool ShouldStop() const override { return stop && stop(); }
  void OnLayer(const LayerReport&, int64_t, int64_t, double) override {}

  // A solver tells its progress under the layer's name.
  bool SawSearchOf(const std::string& layer) const { return stages_.contains(layer); }
  const std::vector<std::string>& warnings() const { return warnings_; }

  std::function<bool()> stop;

 private:
  std::set<std::string> stages_;
  std::vector<std::string> warnings_;
};

QuantizeResult Whole(const QuantizeOptions& options, Checkpoint* checkpoint = nullptr,
                     Witness* witness = nullptr) {
  const Graph graph = SeparateLayers();
  return QuantizeModel(graph, Samples(graph), options, witness, checkpoint);
}

// What each of `count` processes leaves in a folder of its own.
void MakeShards(const QuantizeOptions& options, int64_t count, const ScratchFolder& folder) {
  const Graph graph = SeparateLayers();
  for (int64_t index = 1; index <= count; ++index) {
    Checkpoint shard(folder / std::to_string(index), kInputs);
    QuantizeShard(graph, Samples(graph), options, {index, count}, nullptr, shard);
  }
}

void AddShards(int64_t count, const ScratchFolder& folder, Checkpoint& all) {
  for (int64_t index = 1; index <= count; ++index) {
    all.AddAllOf(Checkpoint(folder / std::to_string(index), kInputs));
  }
}

void ExpectSame(const QuantizeResult& a, const QuantizeResult& b) {
  ASSERT_EQ(IntegersOf(a.model), IntegersOf(b.model));
  ASSERT_EQ(IntegersOf(a.nearest), IntegersOf(b.nearest));
  for (const auto& [name, tensor] : a.model.weights) {
    EXPECT_EQ(tensor.grid.scale, b.model.weights.at(name).grid.scale) << name;
  }
  for (const auto& [name, bias] : a.model.biases) {
    EXPECT_EQ(bias.integers, b.model.biases.at(name).integers) << name;
  }
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (size_t i = 0; i < a.layers.size(); ++i) {
    auto first = LayerRecord(a.layers[i]);
    auto second = LayerRecord(b.layers[i]);
    first.erase("seconds");
    second.erase("seconds");
    EXPECT_EQ(first, second);
  }
}

struct ShardCase {
  std::string name;
  std::function<void(QuantizeOptions&)> choose;
};

std::ostream& operator<<(std::ostream& out, const ShardCase& shard_case) {
  return out << shard_case.name;
}

class Shards : public ::testing::TestWithParam<ShardCase> {};

TEST_P(Shards, HoweverManyGiveTheWholeResult) {
  QuantizeOptions options = QuickQuantizeOptions();
  GetParam().choose(options);
  const QuantizeResult whole = Whole(options);
  for (const int64_t count : {1, 2, 3, 8}) {
    const ScratchFolder folder;
    options.num_threads = count == 2 ? 2 : 1;
    MakeShards(options, count, folder);
    Checkpoint all(folder / "all", kInputs);
    AddShards(count, folder, all);
    // What another process finds.
    Checkpoint again(folder / "all", kInputs);
    Witness witness;
    ExpectSame(Whole(options, &again, &witness), whole);
    for (const LayerReport& layer : whole.layers) {
      EXPECT_FALSE(witness.SawSearchOf(layer.name)) << layer.name << ", " << count << " shards";
    }
    EXPECT_TRUE(witness.warnings().empty());
  }
}

ShardCase OfMethod(const std::string& method) {
  return {method, [method](QuantizeOptions& options) { options.method = method; }};
}

INSTANTIATE_TEST_SUITE_P(
    Options, Shards,
    ::testing::Values(
        OfMethod("adaround"), OfMethod("rectified-sigmoid"), OfMethod("sigmoid-annealing"),
        OfMethod("ste"), OfMethod("descent"), OfMethod("gptq"), OfMethod("qubo-tabu-warm"),
        OfMethod("stochastic"), OfMethod("nearest"),
        ShardCase{"paper",
                  [](QuantizeOptions& options) {
                    ApplyPreset("paper", options);
                    options.rounding.adaround.iterations = 60;
                  }},
        ShardCase{"per_tensor",
                  [](QuantizeOptions& options) { options.granularity = Granularity::kPerTensor; }},
        ShardCase{"per_group",
                  [](QuantizeOptions& options) {
                    options.granularity = Granularity::kPerGroup;
                    options.group_size = 7;
                    options.symmetric = false;
                  }},
        ShardCase{"biases_and_activations",
                  [](QuantizeOptions& options) {
                    options.bias_correction = BiasCorrection::kEmpirical;
                    options.act_bits = 8;
                  }},
        ShardCase{"float_inputs",
                  [](QuantizeOptions& options) { options.asymmetric_reconstruction = false; }},
        ShardCase{"output_mse",
                  [](QuantizeOptions& options) {
                    options.range_estimator = RangeEstimator::kOutputMse;
                  }}),
    [](const ::testing::TestParamInfo<ShardCase>& test) {
      std::string name = test.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

std::map<std::string, std::vector<std::pair<int64_t, int64_t>>> RowsByLayer(
    const std::vector<ShardContents>& shards) {
  std::map<std::string, std::vector<std::pair<int64_t, int64_t>>> rows;
  for (const ShardContents& shard : shards) {
    for (const ShardContents::Layer& layer : shard.layers) {
      auto& all = rows[layer.name];
      all.insert(all.end(), layer.rows.begin(), layer.rows.end());
      if (layer.rows.empty()) all.emplace_back(0, 0);
      std::sort(all.begin(), all.end());
    }
  }
  return rows;
}

TEST(ShardPlans, CutLargeLayersAndKeepThoseTogetherThatDepend) {
  const Graph graph = SeparateLayers();
  const std::vector<ShardContents> shards =
      PredictShards(graph, Samples(graph), QuickQuantizeOptions(), 4);
  ASSERT_EQ(shards.size(), 4u);
  double sum = 0.0;
  int with_chain = 0;
  for (const ShardContents& shard : shards) {
    sum += shard.fraction;
    int of_chain = 0;
    for (const ShardContents::Layer& layer : shard.layers) {
      if (layer.name == "first" || layer.name == "second") ++of_chain;
    }
    EXPECT_TRUE(of_chain == 0 || of_chain == 2);
    if (of_chain == 2) ++with_chain;
  }
  EXPECT_NEAR(sum, 1.0, 1e-9);
  EXPECT_EQ(with_chain, 1);
  const auto rows = RowsByLayer(shards);
  using Parts = std::vector<std::pair<int64_t, int64_t>>;
  EXPECT_EQ(rows.at("depthwise"), Parts({{0, 0}}));
  EXPECT_GT(rows.at("gemm").size(), 1u);
  int64_t next = 0;
  for (const auto& [first, count] : rows.at("gemm")) {
    EXPECT_EQ(first, next);
    next = first + count;
  }
  EXPECT_EQ(next, 1000);
}

TEST(ShardPlans, AChainOfLayersIsOneShards) {
  const Graph graph = testing::SmallConvNet();
  const CalibrationSet samples(testing::GivenList(Given("input", RandomTensor({24, 3, 8, 8}, 50))),
                               graph);
  const std::vector<ShardContents> shards =
      PredictShards(graph, samples, QuickQuantizeOptions(), 3);
  EXPECT_EQ(shards[0].layers.size(), 4u);
  EXPECT_EQ(shards[0].fraction, 1.0);
  EXPECT_TRUE(shards[1].layers.empty() && shards[2].layers.empty());
}

// Stopped behind the first layer, or part of one, that it finds.
TEST(ShardPlans, AShardThatWasInterruptedSearchesWhatIsLeft) {
  const QuantizeOptions options = QuickQuantizeOptions();
  const Graph graph = SeparateLayers();
  const ScratchFolder folder;
  MakeShards(options, 2, folder);
  int num_stopped = 0;
  for (int64_t index = 1; index <= 2; ++index) {
    const std::filesystem::path place = folder / ("again " + std::to_string(index));
    const auto num_records = [](const Checkpoint& checkpoint) {
      return checkpoint.num_layers() + checkpoint.num_row_parts();
    };
    {
      Checkpoint shard(place, kInputs);
      Witness witness;
      witness.stop = [&] { return num_records(shard) > 0; };
      try {
        QuantizeShard(graph, Samples(graph), options, {index, 2}, &witness, shard);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kCancelled);
        EXPECT_EQ(num_records(shard), 1);
        ++num_stopped;
      }
    }
    Checkpoint shard(place, kInputs);
    QuantizeShard(graph, Samples(graph), options, {index, 2}, nullptr, shard);
    const Checkpoint whole(folder / std::to_string(index), kInputs);
    EXPECT_EQ(shard.Names(), whole.Names());
    EXPECT_EQ(shard.num_row_parts(), whole.num_row_parts());
    for (const char* layer : {"gemm", "matmul"}) {
      const std::vector<FinishedRows> parts = shard.FindRows(layer);
      const std::vector<FinishedRows> wanted = whole.FindRows(layer);
      ASSERT_EQ(parts.size(), wanted.size());
      for (size_t i = 0; i < parts.size(); ++i) {
        EXPECT_EQ(parts[i].first_row, wanted[i].first_row);
        EXPECT_EQ(parts[i].weight.integers, wanted[i].weight.integers);
      }
    }
  }
  EXPECT_GT(num_stopped, 0);
}

TEST(ShardPlans, WhatAShardLacksIsSearched) {
  const QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult whole = Whole(options);
  const ScratchFolder folder;
  MakeShards(options, 3, folder);
  for (int64_t absent = 1; absent <= 3; ++absent) {
    Checkpoint some(folder / ("without " + std::to_string(absent)), kInputs);
    for (int64_t index = 1; index <= 3; ++index) {
      if (index != absent) some.AddAllOf(Checkpoint(folder / std::to_string(index), kInputs));
    }
    ExpectSame(Whole(options, &some), whole);
  }
}

// Each with something else wrong, under its right digest.
TEST(ShardPlans, RowsThatDoNotFitTheNetworkAreRefused) {
  const QuantizeOptions options = QuickQuantizeOptions();
  const ScratchFolder folder;
  MakeShards(options, 4, folder);
  Checkpoint all(folder / "all", kInputs);
  AddShards(4, folder, all);
  const std::vector<FinishedRows> parts = all.FindRows("gemm");
  ASSERT_GT(parts.size(), 1u);
  const auto refused = [&](const char* name, const std::function<void(FinishedRows&)>& spoil) {
    Checkpoint wrong(folder / name, kInputs);
    for (size_t i = 0; i < parts.size(); ++i) {
      FinishedRows part = parts[i];
      if (i == 1) spoil(part);
      wrong.AddRows(part);
    }
    ExpectError(ErrorCode::kMalformed, {"'gemm'", "does not fit", "--force"},
                [&] { Whole(options, &wrong); });
  };
  refused("scale", [](FinishedRows& part) { part.weight.grid.scale[0] *= 2.0F; });
  refused("beyond the last row", [](FinishedRows& part) { part.first_row = 900; });
  refused("far beyond",
          [](FinishedRows& part) { part.first_row = std::numeric_limits<int64_t>::max(); });
  refused("more rows than there are", [](FinishedRows& part) { ++part.num_rows; });
  refused("no rows", [](FinishedRows& part) { part.num_rows = 0; });
  refused("counts without end",
          [](FinishedRows& part) { part.num_descent_flips = std::numeric_limits<int64_t>::max(); });
  refused("a loss without bound", [](FinishedRows& part) { part.block_traces[0][0].loss = 1e308; });
  refused("traces without end", [](FinishedRows& part) {
    part.block_traces.resize(static_cast<size_t>(part.num_rows) + 1);
  });
}

// Parts of two searches are not mixed: the layer is searched anew, and the observer is told.
TEST(ShardPlans, PartsOfDifferentSearchesAreNotJoined) {
  const QuantizeOptions options = QuickQuantizeOptions();
  const QuantizeResult whole = Whole(options);
  const ScratchFolder folder;
  MakeShards(options, 4, folder);
  Checkpoint all(folder / "all", kInputs);
  AddShards(4, folder, all);
  const auto searched_anew = [&](const char* name,
                                 const std::function<void(FinishedRows&)>& spoil) {
    Checkpoint mixed(folder / name, kInputs);
    bool first = true;
    for (FinishedRows part : all.FindRows("gemm")) {
      if (std::exchange(first, false)) spoil(part);
      if (part.num_rows > 0) mixed.AddRows(part);
    }
    Witness witness;
    ExpectSame(Whole(options, &mixed, &witness), whole);
    EXPECT_TRUE(witness.SawSearchOf("gemm"));
    ASSERT_EQ(witness.warnings().size(), 1u);
    EXPECT_NE(witness.warnings()[0].find("'gemm'"), std::string::npos) << witness.warnings()[0];
  };
  searched_anew("strategy", [](FinishedRows& part) { part.strategy += " of another kind"; });
  searched_anew("ridge", [](FinishedRows& part) { part.ridge = 0.5; });
  searched_anew("trace", [](FinishedRows& part) { part.block_traces[0].pop_back(); });
  searched_anew("no traces", [](FinishedRows& part) { part.block_traces.clear(); });
  searched_anew("absent", [](FinishedRows& part) { part.num_rows = 0; });
}

// A layer's weight that another node reads, which leads to a second layer: behind the layer or
// before it.
Graph TiedWeight(bool reader_first) {
  Graph graph;
  graph.inputs = {FloatInput("a_in", {-1, 12}), FloatInput("b_in", {-1, 6, 12})};
  graph.outputs = {"a", "b"};
  const Node layer = Op("Gemm", {"a_in", "a.w"}, {"a"}, {{"transB", int64_t{1}}});
  if (!reader_first) graph.nodes.push_back(layer);
  graph.nodes.push_back(Op("Mul", {"b_in", "a.w"}, {"product"}));
  graph.nodes.push_back(Op("Flatten", {"product"}, {"flat"}));
  graph.nodes.push_back(Op("Gemm", {"flat", "b.w"}, {"b"}, {{"transB", int64_t{1}}}));
  if (reader_first) graph.nodes.push_back(layer);
  graph.initializers["a.w"] = RandomTensor({6, 12}, 1);
  graph.initializers["b.w"] = RandomTensor({5, 72}, 2);
  return graph;
}

TEST(TiedWeights, TheResultIsTheSameHoweverLayersAreSearched) {
  const QuantizeOptions options = QuickQuantizeOptions();
  for (const bool reader_first : {false, true}) {
    Graph graph = TiedWeight(reader_first);
    // The names that the program would take for itself.
    graph.initializers["a.w (float)"] = RandomTensor({6, 12}, 3);
    const CalibrationSet samples(testing::GivenList(Given("a_in", RandomTensor({24, 12}, 50)),
                                                    Given("b_in", RandomTensor({24, 6, 12}, 51))),
                                 graph);
    const ScratchFolder folder;
    Checkpoint all(folder / "all", kInputs);
    const QuantizeResult whole = QuantizeModel(graph, samples, options, nullptr, &all);
    ASSERT_EQ(all.num_layers(), 2);
    for (const char* finished : {"a", "b"}) {
      Checkpoint one(folder / finished, kInputs);
      one.Add(*all.Find(finished));
      ExpectSame(QuantizeModel(graph, samples, options, nullptr, &one), whole);
    }
    Checkpoint merged(folder / "merged", kInputs);
    for (int64_t index = 1; index <= 2; ++index) {
      Checkpoint shard(folder / std::to_string(index), kInputs);
      QuantizeShard(graph, samples, options, {index, 2}, nullptr, shard);
      merged.AddAllOf(shard);
    }
    ExpectSame(QuantizeModel(graph, samples, options, nullptr, &merged), whole);
  }
}

}  // namespace
}  // namespace adaround
