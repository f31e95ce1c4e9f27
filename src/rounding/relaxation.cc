#include "rounding/relaxation.h"

#include <cmath>
#include <optional>

#include "rounding/beta_schedule.h"
#include "rounding/soft_weights.h"

namespace adaround {
namespace {

// T after `step` of `num_steps`.
float TemperatureAt(const RelaxationForm& form, int64_t step, int64_t num_steps) {
  const double start = static_cast<double>(form.soft_rounding.temperature);
  if (start == form.temperature_end) return form.soft_rounding.temperature;
  const double progress = static_cast<double>(step) / static_cast<double>(num_steps);
  return static_cast<float>(start * std::pow(form.temperature_end / start, progress));
}

// Whether the weights have settled for good: at this look and at the one before it, between which
// Adam's momentum, 0.9 of itself after each step, dies away.
class SettledTwice {
 public:
  bool Look(const SoftWeights& soft, int64_t step) {
    if (step % kStepsPerLook != 0) return false;
    const bool before = settled_;
    settled_ = soft.IsSettled();
    return settled_ && before;
  }

 private:
  static constexpr int64_t kStepsPerLook = 32;
  bool settled_ = false;
};

// Looks at soft weights when it is time to.
class RelaxationLooks {
 public:
  // Never where `recorder` is null.
  RelaxationLooks(const AdaRoundOptions& options, SearchRecorder* recorder) : recorder_(recorder) {
    if (recorder != nullptr) iterations_ = TracedIterations(options);
  }
  // After `step` Adam steps.
  void Look(const SoftWeights& soft, int64_t step) {
    if (next_ == iterations_.size() || step != iterations_[next_]) return;
    SearchPoint& point = recorder_->AtIteration(step, soft.weights());
    soft.Count(point);
    ++next_;
  }
  // The state at the end is that of all times to come.
  void Finish(const SoftWeights& soft) {
    if (next_ == iterations_.size()) return;
    Look(soft, iterations_[next_]);
    for (; next_ < iterations_.size(); ++next_) recorder_->RepeatAt(iterations_[next_]);
  }

 private:
  SearchRecorder* recorder_;
  std::vector<int64_t> iterations_;
  size_t next_ = 0;
};

}  // namespace

int64_t RelaxAndRound(const RoundingProblem& problem, const RelaxationForm& form,
                      const AdaRoundOptions& options, const SolveContext& context,
                      const DataTerm& term, RowBlock& block,
                      SearchRecorder* recorder) {
  if (options.iterations == 0) return 0;
  SoftWeights soft(form.soft_rounding, block, form.start_pull);
  ReconstructionGradient loss(problem, options.batch_size, context, term, block);
  AdamSchedule adam(options.learning_rate);
  SettledTwice settled;
  RelaxationLooks looks(options, recorder);
  for (int64_t step = 0; step < options.iterations && !settled.Look(soft, step); ++step) {
    looks.Look(soft, step);
    loss.At(soft.weights(), step, soft.weight_gradient());
    SoftStep settings;
    settings.adam = adam.Next();
    if (form.regularize) {
      const std::optional<double> beta = BetaAt(options, step);
      settings.regularize = beta.has_value();
      settings.beta = static_cast<float>(beta.value_or(0.0));
      settings.lambda = static_cast<float>(options.lambda);
    }
    settings.next_temperature = TemperatureAt(form, step + 1, options.iterations);
    soft.Advance(settings);
  }
  looks.Finish(soft);
  return soft.Decide(block);
}

}  // namespace adaround
