#include "adaround/pipeline/compare_outputs.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "adaround/base/error.h"
#include "base/parallel_for.h"
#include "base/progress_counter.h"
#include "base/rng.h"
#include "pipeline/prepared_network.h"

namespace adaround {
namespace {

struct Sums {
  double signal = 0.0;
  double noise = 0.0;
  double largest_output = 0.0;
  double largest_difference = 0.0;
};

void AddTensors(const std::string& name, const Tensor& first, const Tensor& second, Sums& sums) {
  if (first.shape() != second.shape()) {
    throw Error(ErrorCode::kMalformed, "output '" + Printable(name) + "' has shape " +
                                           ShapeToString(first.shape()) + " in one model and " +
                                           ShapeToString(second.shape()) + " in the other");
  }
  const Tensor a = ConvertTo(first, DType::kFloat64);
  const Tensor b = ConvertTo(second, DType::kFloat64);
  for (int64_t i = 0; i < a.num_elements(); ++i) {
    const double value = a.data<double>()[i];
    const double difference = std::abs(value - b.data<double>()[i]);
    if (!std::isfinite(difference)) {
      throw Error(ErrorCode::kNumerical, "output '" + Printable(name) + "' is not finite");
    }
    sums.signal += value * value;
    sums.noise += difference * difference;
    sums.largest_output = std::max(sums.largest_output, std::abs(value));
    sums.largest_difference = std::max(sums.largest_difference, difference);
  }
}

}  // namespace

SampleInputs InputsFrom(const CalibrationSet& data) {
  return [&data](int64_t sample) {
    TensorMap values;
    for (const std::string& name : data.names()) values[name] = data.FloatSample(name, sample);
    return values;
  };
}

SampleInputs RandomInputs(const Graph& graph, uint64_t seed) {
  std::vector<GraphInput> inputs = graph.inputs;
  for (GraphInput& input : inputs) {
    for (size_t axis = 0; axis < input.shape.size(); ++axis) {
      if (input.shape[axis] >= 0) continue;
      if (axis > 0) {
        throw Error(ErrorCode::kUnsupported,
                    "input '" + Printable(input.name) + "' leaves the extent of axis " +
                        std::to_string(axis) + " open; give samples with --data");
      }
      input.shape[axis] = 1;
    }
  }
  return [inputs, seed](int64_t sample) {
    TensorMap values;
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].dtype != DType::kFloat32) {
        values[inputs[i].name] = Tensor::Zeros(inputs[i].dtype, inputs[i].shape);
        continue;
      }
      Tensor tensor(DType::kFloat32, inputs[i].shape);
      Rng rng(seed, i, static_cast<uint64_t>(sample));
      float* out = tensor.mutable_data<float>();
      for (int64_t k = 0; k < tensor.num_elements(); ++k) {
        // Box and Muller.
        const double radius = std::sqrt(-2.0 * std::log(1.0 - rng.Uniform()));
        out[k] = static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * rng.Uniform()));
      }
      values[inputs[i].name] = std::move(tensor);
    }
    return values;
  };
}

OutputComparison CompareOutputs(const QuantizedModel& first, const Graph& second,
                                const SampleInputs& inputs, int64_t num_samples, int num_threads,
                                ProgressObserver* observer) {
  const std::set<std::string> wanted(first.graph.outputs.begin(), first.graph.outputs.end());
  if (wanted != std::set<std::string>(second.outputs.begin(), second.outputs.end())) {
    throw Error(ErrorCode::kMalformed, "the two models' outputs have different names");
  }
  Executor first_executor(first.Dequantized());
  HookActivations(first.activations, first_executor);
  const Executor second_executor(second);
  std::set<std::string> available;
  for (const auto& [name, value] : inputs(0)) available.insert(name);
  const ExecutionPlan first_plan = first_executor.Plan(available, wanted);
  const ExecutionPlan second_plan = second_executor.Plan(available, wanted);

  std::vector<Sums> sums(static_cast<size_t>(num_samples));
  ProgressCounter progress(num_samples, ReportTo(observer, "verifying"));
  ParallelFor(num_samples, num_threads, [&](int64_t sample) {
    if (observer != nullptr && observer->ShouldStop()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
    const TensorMap given = inputs(sample);
    const TensorMap a = first_executor.Run(first_plan, given);
    const TensorMap b = second_executor.Run(second_plan, given);
    for (const auto& [name, value] : a) {
      AddTensors(name, value, b.at(name), sums[static_cast<size_t>(sample)]);
    }
    progress.Advance();
  });

  OutputComparison result;
  result.num_samples = num_samples;
  double signal = 0.0;
  double noise = 0.0;
  for (const Sums& own : sums) {
    signal += own.signal;
    noise += own.noise;
    result.largest_output = std::max(result.largest_output, own.largest_output);
    result.largest_difference = std::max(result.largest_difference, own.largest_difference);
  }
  result.sqnr_db = noise == 0.0 ? std::numeric_limits<double>::infinity()
                                : 10.0 * std::log10(signal / noise);
  return result;
}

}  // namespace adaround
