#include "adaround/pipeline/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "adaround/pipeline/quantize.h"
#include "io/test_files.h"
#include "support/small_networks.h"

namespace adaround {
namespace {

using testing::ExpectError;
using testing::Given;
using testing::GivenList;
using testing::IntegersOf;
using testing::QuickQuantizeOptions;
using testing::RandomTensor;
using testing::ScratchFolder;
using testing::SmallConvNet;

const std::map<std::string, std::string> kInputs = {{"seed", "42"}};

QuantizeResult Quantize(const QuantizeOptions& options, Checkpoint* checkpoint) {
  const Graph graph = SmallConvNet();
  const CalibrationSet samples(GivenList(Given("input", RandomTensor({24, 3, 8, 8}, 50))), graph);
  return QuantizeModel(graph, samples, options, nullptr, checkpoint);
}

QuantizeOptions OptionsWithBiases() {
  QuantizeOptions options = QuickQuantizeOptions();
  options.bias_correction = BiasCorrection::kEmpirical;
  options.act_bits = 8;
  return options;
}

void ExpectSameModel(const QuantizedModel& a, const QuantizedModel& b) {
  ASSERT_EQ(IntegersOf(a), IntegersOf(b));
  for (const auto& [name, tensor] : a.weights) {
    EXPECT_EQ(tensor.grid.scale, b.weights.at(name).grid.scale);
    EXPECT_EQ(tensor.grid.zero_point, b.weights.at(name).grid.zero_point);
  }
  ASSERT_EQ(a.biases.size(), b.biases.size());
  for (const auto& [name, bias] : a.biases) {
    EXPECT_EQ(bias.integers, b.biases.at(name).integers) << name;
    EXPECT_EQ(bias.scale, b.biases.at(name).scale) << name;
  }
}

// Not only the first ones: any.
TEST(Checkpoint, AnySetOfFinishedLayersGivesTheSameResult) {
  const QuantizeOptions options = OptionsWithBiases();
  const ScratchFolder folder;
  Checkpoint all(folder / "all", kInputs);
  const QuantizeResult whole = Quantize(options, &all);
  ASSERT_EQ(all.num_layers(), 4);
  for (unsigned finished = 0; finished < 16; ++finished) {
    Checkpoint some(folder / std::to_string(finished), kInputs);
    for (size_t i = 0; i < 4; ++i) {
      if ((finished >> i & 1) != 0) some.Add(*all.Find(whole.layers[i].name));
    }
    // What another process finds.
    Checkpoint again(folder / std::to_string(finished), kInputs);
    const QuantizeResult result = Quantize(options, &again);
    EXPECT_EQ(again.num_layers(), 4);
    ExpectSameModel(result.model, whole.model);
    ExpectSameModel(result.nearest, whole.nearest);
    ASSERT_EQ(result.layers.size(), 4u);
    for (size_t i = 0; i < 4; ++i) {
      EXPECT_EQ(result.layers[i].name, whole.layers[i].name);
      EXPECT_EQ(result.layers[i].error, whole.layers[i].error);
    }
    if (finished == 15) {
      EXPECT_LT(result.forward_macs, whole.forward_macs);
    }
  }
}

// What the guard stops is not there, for this process or the next.
TEST(Checkpoint, NothingIsAddedPastItsGuard) {
  const ScratchFolder folder;
  Checkpoint checkpoint(folder / "checkpoint", kInputs);
  int64_t num_asked = 0;
  checkpoint.SetGuard([&] {
    if (++num_asked == 3) throw Error(ErrorCode::kMalformed, "input changed");
  });
  ExpectError(ErrorCode::kMalformed, {"input changed"},
              [&] { Quantize(OptionsWithBiases(), &checkpoint); });
  EXPECT_EQ(checkpoint.num_layers(), 2);
  EXPECT_EQ(Checkpoint(folder / "checkpoint", kInputs).num_layers(), 2);
}

TEST(Checkpoint, EveryMemberOfAReportComesBack) {
  LayerReport report;
  report.name = "a/\"b\"";
  report.op = "Conv";
  report.weight = "w";
  report.activation = "Relu";
  report.num_rows = 1;
  report.row_length = 2;
  report.num_groups = 3;
  report.bits = 4;
  report.num_search_columns = 5;
  report.num_held_out_columns = 6;
  report.nearest_error = std::numeric_limits<double>::infinity();
  report.error = 0.1;
  report.search_error = 1e-310;
  report.nearest_task_loss = std::nan("");
  report.search_task_loss = -std::numeric_limits<double>::infinity();
  report.above_nearest = true;
  report.fell_back = true;
  report.shares_weight = true;
  report.strategy = "gram";
  report.iterations = 7;
  report.num_undecided = 8;
  report.ridge = 1.0 / 3.0;
  report.num_descent_flips = 9;
  report.num_nearest_rows = 10;
  report.num_rows_above_nearest = 11;
  report.num_changed = std::numeric_limits<int64_t>::max();
  report.short_last_group = true;
  report.bias_correction = "empirical";
  report.bias_uncorrected_because = "why";
  report.seconds = 12.5;
  report.quantized_bytes = 13;
  report.trace = {{"nearest", 0, 0.25, {}, 0},
                  {"relaxation", 100, 0.125, std::vector<int64_t>(kSoftRoundingBins, 14), 15}};
  const ScratchFolder folder;
  const QuantizeResult result = Quantize(QuickQuantizeOptions(), nullptr);
  const QuantizedTensor& weight = result.model.weights.at("head.w");
  Checkpoint(folder / "c", kInputs).Add({report, weight, weight, {}, {}});
  const LayerReport read = Checkpoint(folder / "c", kInputs).Find(report.name)->report;
  EXPECT_EQ(read.name, report.name);
  EXPECT_EQ(read.op, report.op);
  EXPECT_EQ(read.weight, report.weight);
  EXPECT_EQ(read.activation, report.activation);
  EXPECT_EQ(read.num_rows, report.num_rows);
  EXPECT_EQ(read.row_length, report.row_length);
  EXPECT_EQ(read.num_groups, report.num_groups);
  EXPECT_EQ(read.bits, report.bits);
  EXPECT_EQ(read.num_search_columns, report.num_search_columns);
  EXPECT_EQ(read.num_held_out_columns, report.num_held_out_columns);
  EXPECT_EQ(read.nearest_error, report.nearest_error);
  EXPECT_EQ(read.error, report.error);
  EXPECT_EQ(read.search_error, report.search_error);
  EXPECT_TRUE(std::isnan(*read.nearest_task_loss));
  EXPECT_EQ(read.search_task_loss, report.search_task_loss);
  EXPECT_TRUE(read.above_nearest && read.fell_back && read.shares_weight && read.short_last_group);
  EXPECT_EQ(read.strategy, report.strategy);
  EXPECT_EQ(read.iterations, report.iterations);
  EXPECT_EQ(read.num_undecided, report.num_undecided);
  EXPECT_EQ(read.ridge, report.ridge);
  EXPECT_EQ(read.num_descent_flips, report.num_descent_flips);
  EXPECT_EQ(read.num_nearest_rows, report.num_nearest_rows);
  EXPECT_EQ(read.num_rows_above_nearest, report.num_rows_above_nearest);
  EXPECT_EQ(read.num_changed, report.num_changed);
  EXPECT_EQ(read.bias_correction, report.bias_correction);
  EXPECT_EQ(read.bias_uncorrected_because, report.bias_uncorrected_because);
  EXPECT_EQ(read.seconds, report.seconds);
  EXPECT_EQ(read.quantized_bytes, report.quantized_bytes);
  ASSERT_EQ(read.trace.size(), report.trace.size());
  for (size_t i = 0; i < read.trace.size(); ++i) {
    EXPECT_EQ(read.trace[i].stage, report.trace[i].stage);
    EXPECT_EQ(read.trace[i].iteration, report.trace[i].iteration);
    EXPECT_EQ(read.trace[i].loss, report.trace[i].loss);
    EXPECT_EQ(read.trace[i].soft_roundings, report.trace[i].soft_roundings);
    EXPECT_EQ(read.trace[i].num_undecided, report.trace[i].num_undecided);
  }
}

// A layer's record that says of itself what it is not, though its digest fits.
TEST(Checkpoint, ALayerOfAnotherShapeIsRefused) {
  const ScratchFolder folder;
  Checkpoint all(folder / "all", kInputs);
  const QuantizeResult whole = Quantize(OptionsWithBiases(), &all);
  const FinishedLayer first = *all.Find(whole.layers[0].name);
  const FinishedLayer second = *all.Find(whole.layers[1].name);
  const auto refused = [&](const char* name, FinishedLayer layer) {
    layer.report = first.report;
    Checkpoint wrong(folder / name, kInputs);
    wrong.Add(layer);
    ExpectError(ErrorCode::kMalformed, {first.report.name, "does not fit", "--force"},
                [&] { Quantize(OptionsWithBiases(), &wrong); });
  };
  refused("other layer", second);
  FinishedLayer other_grid = first;
  other_grid.nearest.grid.q_min = -7;
  for (int16_t& q : other_grid.nearest.integers) q = 0;
  refused("other grid", other_grid);
  FinishedLayer no_bias = first;
  no_bias.nearest_bias.reset();
  refused("no bias", no_bias);
  FinishedLayer long_bias = first;
  long_bias.bias = Tensor::FromVector<float>({1000}, std::vector<float>(1000, 0.0F));
  refused("long bias", long_bias);
  FinishedLayer wrong_type = first;
  wrong_type.bias = ConvertTo(*first.bias, DType::kInt64);
  refused("wrong type", wrong_type);
}

TEST(Checkpoint, FilesThatAreNotWhatWasWrittenAreRefused) {
  const ScratchFolder folder;
  Checkpoint all(folder / "all", kInputs);
  const QuantizeResult whole = Quantize(QuickQuantizeOptions(), &all);
  for (const char* name : {"model.json", "weights.safetensors"}) {
    const std::filesystem::path path = folder / "all/0" / name;
    const std::string bytes = testing::ReadBytes(path);
    for (size_t at = 0; at < bytes.size(); at += 7) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      testing::WriteBytes(path, damaged);
      ExpectError(ErrorCode::kMalformed, {"all/0", "--force starts afresh"},
                  [&] { all.Find(whole.layers[0].name); });
    }
    std::filesystem::remove(path);
    ExpectError(ErrorCode::kMalformed, {"all/0", "--force starts afresh"},
                [&] { all.Find(whole.layers[0].name); });
    testing::WriteBytes(path, bytes);
  }
  EXPECT_TRUE(all.Find(whole.layers[0].name));
  EXPECT_FALSE(all.Find("no such layer"));
}

}  // namespace
}  // namespace adaround
