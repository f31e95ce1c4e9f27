// Steps of the rounding methods, on blocks as the driver makes them, and whole solves.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "bench/counters.h"
#include "bench/layer_problem.h"
#include "bench/registration.h"
#include "pipeline/layer_capture.h"
#include "rounding/adam.h"
#include "rounding/discrete_search.h"
#include "rounding/layer_gram.h"
#include "rounding/rounding_solver.h"
#include "rounding/soft_weights.h"

namespace adaround::bench {
namespace {

double Weights(const FirstBlock& first) {
  return static_cast<double>(first.block.base.size());
}

BlockNeeds NeedsOfRelaxation() {
  BlockNeeds needs;
  needs.ridge = kDefaultRidge;
  needs.normalize_rows = true;
  return needs;
}

// Bytes: gradient, base, step, V, sigmoid and both moments are read; V, sigmoid, both moments and
// the soft weights are written.
void SoftWeightsAdvance(benchmark::State& state, const LayerShape& shape) {
  const FirstBlock first = TakeFirstBlock(ProblemOf(shape), NeedsOfRelaxation());
  SoftWeights soft(kRectifiedSigmoid, first.block);
  AdamSchedule adam(AdaRoundOptions().learning_rate);
  soft.weight_gradient() = Matrix::Random(first.block.num_rows(), first.block.row_length());
  SoftStep step;
  step.regularize = true;
  step.beta = 10.0F;
  step.lambda = 0.01F;
  for (auto _ : state) {
    step.adam = adam.Next();
    soft.Advance(step);
    benchmark::ClobberMemory();
  }
  constexpr double kArraysMoved = 12.0;
  CountParts(state, "per_weight", Weights(first));
  CountBytes(state, kArraysMoved * sizeof(float) * Weights(first));
}

// Two products: pre-activations, and their derivatives back to the weights.
void MinibatchGradient(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  const FirstBlock first = TakeFirstBlock(problem, NeedsOfRelaxation());
  const DataTerm term = first.MakeDataTerm(false);
  const SolveContext context;
  const int64_t batch_size = AdaRoundOptions().batch_size;
  ReconstructionGradient loss(problem, batch_size, context, term, first.block);
  const Matrix weights = first.block.HardWeights();
  Matrix gradient(weights.rows(), weights.cols());
  int64_t step = 0;
  for (auto _ : state) {
    loss.At(weights, step++, gradient);
    benchmark::ClobberMemory();
  }
  CountParts(state, "per_weight", Weights(first));
  CountFlops(state, 4.0 * static_cast<double>(batch_size) * Weights(first));
}

void GramGradient(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  BlockNeeds needs = NeedsOfRelaxation();
  needs.gram = true;
  needs.gram_target = true;
  const FirstBlock first = TakeFirstBlock(problem, needs);
  const DataTerm term = first.MakeDataTerm(true);
  const SolveContext context;
  ReconstructionGradient loss(problem, 1, context, term, first.block);
  const Matrix weights = first.block.HardWeights();
  Matrix gradient(weights.rows(), weights.cols());
  for (auto _ : state) {
    loss.At(weights, 0, gradient);
    benchmark::ClobberMemory();
  }
  CountParts(state, "per_weight", Weights(first));
  CountFlops(state, 2.0 * static_cast<double>(shape.row_length) * Weights(first));
}

void MakeGram(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  for (auto _ : state) benchmark::DoNotOptimize(GroupGram(*problem.samples, 0, 1));
  const auto length = static_cast<double>(shape.row_length);
  // One triangle.
  CountFlops(state, length * (length + 1.0) * static_cast<double>(shape.num_samples));
}

// One sweep of `descend` from nearest, at so many operations a weight.
template <typename Descend>
void SweepFromNearest(benchmark::State& state, FirstBlock& first, int64_t flops_per_weight,
                      const Descend& descend) {
  const std::vector<uint8_t> nearest = first.block.up;
  for (auto _ : state) {
    first.block.up = nearest;
    benchmark::DoNotOptimize(descend());
  }
  CountParts(state, "per_weight", Weights(first));
  CountFlops(state, static_cast<double>(flops_per_weight) * Weights(first));
}

// Operations: one multiply-add for each weight and column, which judging all flips by the gradient
// takes at least.
void DescentOnColumns(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  BlockNeeds needs = NeedsOfRelaxation();
  needs.features = true;
  needs.gram = true;
  FirstBlock first = TakeFirstBlock(problem, needs);
  SweepFromNearest(state, first, 2 * shape.num_samples, [&] {
    return DescendOnColumns(problem, first.features, first.gram, 1, first.block);
  });
}

// Operations: those of the gradient at its start.
void DescentOnGram(benchmark::State& state, const LayerShape& shape) {
  BlockNeeds needs = NeedsOfRelaxation();
  needs.gram = true;
  needs.gram_target = true;
  FirstBlock first = TakeFirstBlock(ProblemOf(shape), needs);
  SweepFromNearest(state, first, 2 * shape.row_length, [&] {
    return DescendOnGram(first.gram, first.gram_target, 1, first.block);
  });
}

// Operations: a multiply-add to move a column's pre-activation, a difference and a multiply-add for
// its squared error.
void Enumeration(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  BlockNeeds needs;
  needs.features = true;
  FirstBlock first = TakeFirstBlock(problem, needs);
  for (auto _ : state) {
    EnumerateRow(problem, first.features, 0, first.block);
    benchmark::ClobberMemory();
  }
  const auto free = (first.block.step.row(0).array() != 0.0F).count();
  const double combinations = static_cast<double>(int64_t{1} << free);
  CountParts(state, "per_combination", combinations);
  CountFlops(state, 5.0 * combinations * static_cast<double>(shape.num_samples));
}

// A layer over maps of `extent` squared, of which each sample gives `columns` columns.
struct GatherShape {
  const char* name;
  int64_t in_channels;
  int64_t out_channels;
  int64_t groups;
  int64_t kernel;
  int64_t extent;
  int64_t columns;
};

constexpr GatherShape kGatherShapes[] = {
    {"64x576", 64, 64, 1, 3, 56, 64},  {"256x2304", 256, 256, 1, 3, 14, 64},
    {"16x144", 16, 16, 1, 3, 32, 64},  {"144of1x9", 144, 144, 144, 3, 28, 64},
    {"144x24", 24, 144, 1, 1, 56, 64},
};

// Bytes: the columns are written once and their inputs read once.
void ColumnCapture(benchmark::State& state, const GatherShape& shape) {
  Node node;
  node.op = "Conv";
  const int64_t pad = shape.kernel / 2;
  node.attributes["pads"] = std::vector<int64_t>{pad, pad, pad, pad};
  node.attributes["group"] = shape.groups;
  LinearLayer layer;
  layer.num_rows = shape.out_channels;
  layer.row_length = shape.in_channels / shape.groups * shape.kernel * shape.kernel;
  layer.num_groups = shape.groups;
  layer.kernel_shape = {shape.kernel, shape.kernel};
  constexpr int64_t kSamples = 32;
  const SampleSplit split = SplitSamples(kSamples, 0.0);
  CaptureLimits limits;
  limits.max_search_columns = shape.columns * split.num_search;
  const Shape input_shape = {1, shape.in_channels, shape.extent, shape.extent};
  LayerCapture capture(
      node, layer, input_shape,
      {shape.out_channels, shape.in_channels / shape.groups, shape.kernel, shape.kernel},
      {1, shape.out_channels, shape.extent, shape.extent}, split, limits, 1, 0);
  const Tensor input = Tensor::Zeros(DType::kFloat32, input_shape);
  int64_t sample = 0;
  for (auto _ : state) {
    capture.CaptureInput(sample, input);
    sample = (sample + 1) % kSamples;
  }
  const auto values = static_cast<double>(shape.columns * layer.row_length * shape.groups);
  CountParts(state, "per_value", values);
  CountBytes(state, 2.0 * sizeof(float) * values);
}

// The default method from start to end, with few steps.
void Solve(benchmark::State& state, const LayerShape& shape) {
  const RoundingProblem& problem = ProblemOf(shape);
  RoundingOptions options;
  options.adaround.iterations = 100;
  const auto solver = CreateRoundingSolver("adaround", options);
  for (auto _ : state) benchmark::DoNotOptimize(solver->Solve(problem, {}));
  CountParts(state, "per_weight", static_cast<double>(shape.num_rows * shape.row_length));
}

// How a whole solve's time grows, in turn, with rows, with iterations and with a row's weights.
struct Growth {
  int64_t num_rows;
  int64_t row_length;
  int64_t iterations;
};

constexpr Growth kGrowth[] = {
    {64, 288, 1000},  {128, 288, 1000}, {256, 288, 1000}, {128, 288, 500},
    {128, 288, 2000}, {128, 288, 4000}, {128, 144, 1000}, {128, 576, 1000},
};

void SolveAtSize(benchmark::State& state, const Growth& size) {
  LayerShape shape;
  shape.num_rows = size.num_rows;
  shape.row_length = size.row_length;
  shape.num_samples = 8192;
  const LayerProblem layer(shape);
  RoundingOptions options;
  options.adaround.iterations = size.iterations;
  const auto solver = CreateRoundingSolver("adaround", options);
  for (auto _ : state) benchmark::DoNotOptimize(solver->Solve(layer.problem(), {}));
  const auto weights = static_cast<double>(size.num_rows * size.row_length);
  CountParts(state, "per_weight_step", weights * static_cast<double>(size.iterations));
}

}  // namespace

void RegisterSolver() {
  const int64_t enumerated = AdaRoundOptions().enumerate_row_length;
  for (const LayerShape& shape : LayerShapes()) {
    const auto add = [&shape](const std::string& step, auto function) {
      benchmark::RegisterBenchmark(("solver/" + step + "/" + shape.name).c_str(), function, shape)
          ->Unit(benchmark::kMicrosecond);
    };
    if (shape.row_length <= enumerated) {
      add("enumeration", Enumeration);
    } else {
      add("advance", SoftWeightsAdvance);
      add("minibatch_gradient", MinibatchGradient);
      if (shape.relu) {
        add("descent_on_columns", DescentOnColumns);
      } else {
        add("make_gram", MakeGram);
        add("gram_gradient", GramGradient);
        add("descent_on_gram", DescentOnGram);
      }
    }
    add("solve", Solve);
  }
  for (const Growth& size : kGrowth) {
    const std::string name = std::to_string(size.num_rows) + "x" + std::to_string(size.row_length) +
                             "x" + std::to_string(size.iterations);
    benchmark::RegisterBenchmark(("solver/growth/" + name).c_str(), SolveAtSize, size)
        ->Unit(benchmark::kMillisecond);
  }
  for (const GatherShape& shape : kGatherShapes) {
    benchmark::RegisterBenchmark((std::string("solver/capture/") + shape.name).c_str(),
                                 ColumnCapture, shape)
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace adaround::bench
