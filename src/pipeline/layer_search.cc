#include "pipeline/layer_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/rounding/rounding_method.h"
#include "base/progress_counter.h"
#include "pipeline/chosen_layer.h"
#include "pipeline/finished_layer.h"
#include "pipeline/shard_plan.h"
#include "quant/range_estimator.h"
#include "rounding/nearest_guard.h"

namespace adaround {

LayerSearch::LayerSearch(const PreparedNetwork& network, const SampleSplit& split,
                         const QuantizeOptions& options, const TaskLossHessian* task_loss,
                         const std::map<size_t, ExpectedInput>& expected_inputs,
                         QuantizeObserver* observer)
    : network_(network),
      split_(split),
      options_(options),
      task_loss_(task_loss),
      expected_inputs_(expected_inputs),
      observer_(observer),
      solver_(CreateRoundingSolver(options.method, options.rounding)),
      nearest_solver_(CreateRoundingSolver("nearest", options.rounding)) {}

FinishedLayer LayerSearch::Search(size_t index, const LayerColumns& columns,
                                  std::vector<FinishedRows> parts) const {
  const ChosenLayer& layer = network_.layers[index];
  const LayerCapture& capture = columns.x_hat;
  const bool has_held_out = capture.held_out().num_samples > 0;
  const SampledColumns& judge = has_held_out ? capture.held_out() : capture.search();
  const std::vector<int64_t> positions = PositionsOf(layer);
  FinishedLayer finished;
  LayerReport& report = finished.report;
  report = DescribeLayer(network_, layer);
  report.num_search_columns = capture.search().num_samples;
  report.num_held_out_columns = capture.held_out().num_samples;

  RoundingProblem problem = MakeProblem(index, positions, columns);
  std::vector<float> task_curvature;
  try {
    ThrowIfAny(ErrorCode::kNumerical, problem.Validate());
    const SolveContext context = MakeContext(index);
    if (task_loss_) {
      task_curvature = task_loss_->Matrix(SamplesOf(split_, false), options_.num_threads,
                                          TaskProgress("task loss's curvature"));
      problem.task_curvature = task_curvature.data();
      const bool flat = std::all_of(task_curvature.begin(), task_curvature.end(),
                                    [](float entry) { return entry == 0.0F; });
      if (flat && observer_ != nullptr) {
        observer_->OnWarning("layer '" + Printable(layer.linear.name) + "': " +
                             (options_.task_hessian.labels
                                  ? "the network gives every label for certain, or none counts"
                                  : "the network is certain of its answers") +
                             ", whatever the layer's weights do; rounding to nearest stays");
      }
    }
    const std::unique_ptr<RoundingSolver> joined = Join(std::move(parts), layer, problem.grid);
    RoundingResult solved = (joined ? joined : solver_)->Solve(problem, context);
    const RoundingResult nearest = nearest_solver_->Solve(problem, context);
    const auto judge_error = [&](const std::vector<int16_t>& integers) {
      // Whatever the search is told, its result is judged by what the quantized network does.
      return MeanError(RowErrors(
          problem, layer.activation, judge,
          DequantizeMatrix(integers, layer.linear.num_rows, layer.linear.row_length, problem.grid),
          options_.num_threads));
    };
    report.nearest_error = judge_error(nearest.integers);
    report.search_error = judge_error(solved.integers);
    report.error = report.search_error;
    if (!std::isfinite(report.error)) {
      throw Error(ErrorCode::kNumerical, "the reconstruction error is not finite");
    }
    report.above_nearest =
        FindRoundingMethod(options_.method).searches && report.search_error > report.nearest_error;
    if (task_loss_) JudgeByTaskLoss(problem, nearest.integers, solved.integers, report);
    report.fell_back = options_.fall_back_to_nearest && report.above_nearest;
    report.num_rows_above_nearest =
        CountRowsAboveNearest(problem, solved.integers, nearest.integers, solved.summary);
    if (report.fell_back) {
      solved.integers = nearest.integers;
      report.error = report.nearest_error;
    }
    report.strategy = solved.summary.strategy;
    report.iterations = solved.summary.iterations;
    report.num_undecided = solved.summary.num_undecided;
    report.num_descent_flips = solved.summary.num_descent_flips;
    report.ridge = solved.summary.ridge;
    report.num_nearest_rows = solved.summary.num_nearest_rows;
    report.trace = std::move(solved.summary.trace);
    for (size_t i = 0; i < solved.integers.size(); ++i) {
      if (solved.integers[i] != nearest.integers[i]) ++report.num_changed;
    }
    finished.weight = Store(layer, positions, problem.grid, solved.integers);
    finished.nearest = Store(layer, positions, problem.grid, nearest.integers);
    report.quantized_bytes = finished.weight.PackedBytes();
    if (options_.bias_correction != BiasCorrection::kNone) {
      finished.bias =
          CorrectedBias(index, columns, problem, finished.weight, solved.integers, report);
      finished.nearest_bias =
          CorrectedBias(index, columns, problem, finished.nearest, nearest.integers, report);
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    throw error.WithContext("layer '" + Printable(layer.linear.name) + "'");
  }
  return finished;
}

void LayerSearch::SearchRows(size_t index, const LayerColumns& columns,
                             const std::vector<RowSpan>& rows,
                             const std::function<void(const FinishedRows&)>& take) const {
  const ChosenLayer& layer = network_.layers[index];
  const std::unique_ptr<RoundingSolver> solver = CreateRowsSolver(options_);
  try {
    const RoundingProblem problem = MakeProblem(index, PositionsOf(layer), columns);
    ThrowIfAny(ErrorCode::kNumerical, problem.Validate());
    SolveContext context = MakeContext(index);
    for (const RowSpan& span : rows) {
      context.rows = span;
      take(MakeFinishedRows(layer, span, problem.grid, solver->Solve(problem, context)));
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo) throw;
    throw error.WithContext("layer '" + Printable(layer.linear.name) + "'");
  }
}

std::unique_ptr<RoundingSolver> LayerSearch::Join(std::vector<FinishedRows> parts,
                                                  const ChosenLayer& layer,
                                                  const QuantGrid& grid) const {
  if (parts.empty()) return nullptr;
  std::unique_ptr<RoundingSolver> joined = JoinFinishedRows(std::move(parts), layer, grid);
  if (joined) return CompleteSolver(std::move(joined), options_.method, options_.rounding);
  if (observer_ != nullptr) {
    observer_->OnWarning("layer '" + Printable(layer.linear.name) +
                         "': its parts are not all of one search; it is searched anew");
  }
  return nullptr;
}

RoundingProblem LayerSearch::MakeProblem(size_t index, const std::vector<int64_t>& positions,
                                         const LayerColumns& columns) const {
  const ChosenLayer& layer = network_.layers[index];
  const float* weight = network_.graph.initializers.at(layer.linear.weight).data<float>();
  RoundingProblem problem;
  problem.weights.reserve(positions.size());
  for (const int64_t position : positions) problem.weights.push_back(weight[position]);
  problem.bias = LayerBias(network_.graph, layer.linear);
  problem.grid = GridOf(layer, options_);
  if (options_.activation_in_loss) problem.activation = layer.activation;
  problem.samples = &columns.ForSearch();
  // The scan over scales looks at every weight some forty times: fewer columns will do.
  constexpr int64_t kRangeColumns = 1024;
  SampledColumns thin;
  if (layer.grid.range_estimator == RangeEstimator::kOutputMse) {
    thin = ThinColumns(*problem.samples, kRangeColumns);
  }
  const RowErrorFunction output_error = [&](const std::vector<float>& rounded,
                                            std::vector<double>& errors) {
    errors = RowErrors(problem, ChannelActivation{}, thin, rounded, options_.num_threads);
  };
  EstimateRange({layer.grid.range_estimator, options_.power_of_two_scales, layer.grid.percentile},
                {problem.weights.data(), layer.linear.num_rows, layer.linear.row_length},
                output_error, options_.num_threads, problem.grid);
  return problem;
}

QuantizedTensor LayerSearch::Store(const ChosenLayer& layer, const std::vector<int64_t>& positions,
                                   const QuantGrid& grid,
                                   const std::vector<int16_t>& integers) const {
  QuantizedTensor tensor;
  tensor.shape = network_.graph.initializers.at(layer.linear.weight).shape();
  tensor.layout = LayoutOf(layer.linear);
  tensor.grid = grid;
  tensor.integers.resize(integers.size());
  for (size_t i = 0; i < integers.size(); ++i) {
    tensor.integers[static_cast<size_t>(positions[i])] = integers[i];
  }
  ADAROUND_CHECK(tensor.Validate().empty());
  return tensor;
}

TaskLossHessian::Progress LayerSearch::TaskProgress(const char* stage) const {
  TaskLossHessian::Progress progress;
  progress.throw_if_stopped = [this] {
    if (observer_ == nullptr || !observer_->ShouldStop()) return;
    throw Error(ErrorCode::kCancelled, "stopped on request");
  };
  progress.on_progress = ReportTo(observer_, stage);
  return progress;
}

void LayerSearch::JudgeByTaskLoss(const RoundingProblem& problem,
                                  const std::vector<int16_t>& nearest,
                                  const std::vector<int16_t>& solved, LayerReport& report) const {
  const SampledColumns& samples = *problem.samples;
  std::vector<std::vector<float>> changes;
  for (const std::vector<int16_t>* integers : {&nearest, &solved}) {
    changes.push_back(
        DequantizeMatrix(*integers, samples.num_rows, samples.row_length, problem.grid));
    for (size_t i = 0; i < problem.weights.size(); ++i) changes.back()[i] -= problem.weights[i];
  }
  const std::vector<double> rises =
      task_loss_->PredictedRises(SamplesOf(split_, split_.num_held_out > 0), changes,
                                 options_.num_threads, TaskProgress("held-out task loss"));
  report.nearest_task_loss = rises[0];
  report.search_task_loss = rises[1];
  report.above_nearest = rises[1] > rises[0];
}

int64_t LayerSearch::CountRowsAboveNearest(const RoundingProblem& problem,
                                           const std::vector<int16_t>& searched,
                                           const std::vector<int16_t>& nearest,
                                           const RoundingSummary& summary) const {
  if (options_.rounding.keep_nearest_rows) return summary.num_nearest_rows;
  const RoundingMethod& method = FindRoundingMethod(options_.method);
  if (!method.searches || !method.row_wise) return 0;
  const std::vector<int64_t> above = RowsAboveNearest(problem, method.Reads("activation_in_loss"),
                                                      searched, nearest, options_.num_threads);
  return static_cast<int64_t>(above.size());
}

SolveContext LayerSearch::MakeContext(size_t index) const {
  SolveContext context;
  context.seed = options_.rounding_seed.value_or(options_.seed);
  context.layer = index;
  context.num_threads = options_.num_threads;
  context.on_progress = ReportTo(observer_, network_.layers[index].linear.name);
  if (observer_ != nullptr) {
    context.should_stop = [this] { return observer_->ShouldStop(); };
  }
  return context;
}

std::vector<int64_t> LayerSearch::PositionsOf(const ChosenLayer& layer) const {
  return LayoutOf(layer.linear)
      .RowMajorPositions(network_.graph.initializers.at(layer.linear.weight).shape());
}

std::optional<Tensor> LayerSearch::CorrectedBias(size_t index, const LayerColumns& columns,
                                                 const RoundingProblem& problem,
                                                 const QuantizedTensor& rounded,
                                                 const std::vector<int16_t>& integers,
                                                 LayerReport& report) const {
  const LinearLayer& layer = network_.layers[index].linear;
  std::vector<double> correction;
  if (options_.bias_correction == BiasCorrection::kEmpirical) {
    correction = EmpiricalCorrection(
        columns.x_hat.search(),
        DequantizeMatrix(integers, layer.num_rows, layer.row_length, problem.grid), problem.bias);
  } else {
    const ExpectedInput& input = expected_inputs_.at(layer.node);
    report.bias_uncorrected_because = input.unknown_because;
    if (input.mean.empty()) return std::nullopt;
    correction = AnalyticCorrection(layer, network_.graph.initializers.at(layer.weight),
                                    rounded.Dequantize(), input);
  }
  Tensor bias = network_.graph.initializers.at(layer.bias).Clone();
  float* values = bias.mutable_data<float>();
  for (size_t row = 0; row < correction.size(); ++row) {
    values[row] = static_cast<float>(values[row] + correction[row]);
    if (!std::isfinite(values[row])) {
      throw Error(ErrorCode::kNumerical, "the corrected bias is not finite");
    }
  }
  report.bias_correction = BiasCorrectionName(options_.bias_correction);
  return bias;
}

}  // namespace adaround
