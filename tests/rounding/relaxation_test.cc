#include "rounding/relaxation.h"

#include <gtest/gtest.h>

#include "rounding/beta_schedule.h"
#include "rounding/soft_rounding.h"
#include "rounding/soft_weights.h"
#include "support/rounding_testing.h"

namespace adaround {
namespace {

using testing::MakeExample;
using testing::NaiveRowError;

// Every member of the family that a method uses, and a stretched one at another temperature.
std::vector<SoftRounding> SoftRoundings() {
  return {kRectifiedSigmoid, kPlainSigmoid, {.temperature = 0.05F}, {.temperature = 20.0F},
          {.zeta = 1.2F, .gamma = -0.05F, .temperature = 3.0F}};
}

TEST(SoftRounding, InverseFindsTheFraction) {
  for (const SoftRounding& h : SoftRoundings()) {
    for (int i = 0; i <= 1000; ++i) {
      const float fraction = static_cast<float>(i) / 1000.0F;
      // Of a plain sigmoid, 0 and 1 start kLeastSigmoid away; else both ends of the sigmoid lose
      // bits: a few float32 roundings of numbers near 1.
      const bool is_end = i == 0 || i == 1000;
      const float tolerance = h.gamma == 0.0F && is_end ? 1.01F * kLeastSigmoid : 1e-6F;
      EXPECT_TRUE(std::isfinite(h.Inverse(fraction)));
      EXPECT_NEAR(h.Value(h.Inverse(fraction)), fraction, tolerance);
    }
  }
}

TEST(SoftRounding, StaysWithinZeroAndOneAndRises) {
  for (const SoftRounding& h : SoftRoundings()) {
    float last = 0.0F;
    for (float v = -20.0F; v <= 20.0F; v += 0.125F) {
      const float value = h.Value(h.temperature * v);
      EXPECT_GE(value, last);
      EXPECT_LE(value, 1.0F);
      last = value;
    }
  }
  EXPECT_EQ(kRectifiedSigmoid.Value(-20.0F), 0.0F);
  EXPECT_EQ(kRectifiedSigmoid.Value(20.0F), 1.0F);
  EXPECT_FLOAT_EQ(kRectifiedSigmoid.Value(0.0F), 0.5F);
  EXPECT_FLOAT_EQ(kPlainSigmoid.Value(0.0F), 0.5F);
}

TEST(SoftRounding, MatchesTheFormula) {
  for (const SoftRounding& h : SoftRoundings()) {
    for (double v = -6.0; v <= 6.0; v += 0.37) {
      const double at = v * static_cast<double>(h.temperature);
      EXPECT_NEAR(h.Value(static_cast<float>(at)), testing::NaiveSoftRounding(h, at), 1e-6);
    }
  }
}

TEST(SoftRounding, DerivativeMatchesCentralDifferences) {
  for (const SoftRounding& h : SoftRoundings()) {
    const double temperature = static_cast<double>(h.temperature);
    for (double v = -6.0; v <= 6.0; v += 0.37) {
      const double at = v * temperature;
      const double step = 1e-5 * temperature;
      const double wanted = (testing::NaiveSoftRounding(h, at + step) -
                             testing::NaiveSoftRounding(h, at - step)) / (2 * step);
      EXPECT_NEAR(h.Derivative(static_cast<float>(at)), wanted, 1e-5 / temperature) << v;
    }
  }
}

TEST(BetaSchedule, FallsFromStartToEndAfterTheWarmStart) {
  AdaRoundOptions options;
  options.iterations = 1000;
  options.warm_start_fraction = 0.2;
  options.beta_start = 20;
  options.beta_end = 2;
  for (const int64_t step : {0, 1, 199}) EXPECT_FALSE(BetaAt(options, step).has_value());
  EXPECT_DOUBLE_EQ(BetaAt(options, 200).value(), 20.0);
  EXPECT_NEAR(BetaAt(options, 600).value(), 11.0, 1e-9);
  // The last step lies one short of the cosine's end.
  EXPECT_NEAR(BetaAt(options, 999).value(), 2.0, 1e-3);
  double last = 21.0;
  for (int64_t step = 200; step < 1000; ++step) {
    const double beta = BetaAt(options, step).value();
    EXPECT_LT(beta, last);
    last = beta;
  }
}

TEST(BetaSchedule, WarmStartMayTakeNothingOrAll) {
  AdaRoundOptions options;
  options.iterations = 10;
  options.warm_start_fraction = 0.0;
  EXPECT_DOUBLE_EQ(BetaAt(options, 0).value(), options.beta_start);
  options.warm_start_fraction = 1.0;
  for (int64_t step = 0; step < 10; ++step) EXPECT_FALSE(BetaAt(options, step).has_value());
}

// The forms that methods search with.
std::vector<RelaxationForm> Forms() {
  RelaxationForm annealing;
  annealing.soft_rounding = kPlainSigmoid;
  annealing.temperature_end = 0.001;
  annealing.regularize = false;
  return {RelaxationForm{}, RelaxationForm{.soft_rounding = kPlainSigmoid}, annealing};
}

DataTerm OnMinibatches(std::vector<float> row_weight) {
  DataTerm term;
  term.row_weight = std::move(row_weight);
  return term;
}

TEST(SoftWeights, StartAtTheFloatWeights) {
  for (SoftRounding h : SoftRoundings()) {
    const auto example = MakeExample({.num_rows = 7, .row_length = 30});
    const RowBlock block = MakeRowBlock(example->problem, 0, 0, 7);
    const SoftWeights soft(h, block);
    for (int64_t i = 0; i < block.base.size(); ++i) {
      const float wanted =
          block.base.data()[i] + block.step.data()[i] * block.fraction.data()[i];
      EXPECT_NEAR(soft.weights().data()[i], wanted, 1.01F * kLeastSigmoid * block.step.data()[i]);
    }
  }
}

TEST(SoftWeights, StepsAreThoseOfAdamOnTheNaiveGradient) {
  // Several steps with changing temperature and beta, in double, one weight at a time; the data
  // term is linear, so that its gradient stays what it is.
  const auto example = MakeExample({.num_rows = 7, .row_length = 30});
  const RowBlock block = MakeRowBlock(example->problem, 0, 0, 7);
  Matrix slopes(7, 30);
  for (int64_t i = 0; i < slopes.size(); ++i) {
    slopes.data()[i] = std::sin(static_cast<float>(3 * i + 1));
  }
  constexpr double kRate = 0.05;
  constexpr float kLambda = 0.02F;
  const float betas[] = {9.0F, 6.0F, 3.0F, 2.0F};
  for (const SoftRounding& start : SoftRoundings()) {
    SoftWeights soft(start, block);
    AdamSchedule schedule(kRate);
    SoftRounding h = start;
    std::vector<double> v(slopes.size());
    std::vector<double> momentum(slopes.size());
    std::vector<double> square(slopes.size());
    for (int64_t i = 0; i < slopes.size(); ++i) v[i] = soft.v().data()[i];
    int64_t num_clear = 0;
    for (int step = 0; step < 4; ++step) {
      soft.weight_gradient() = slopes;
      SoftStep settings;
      settings.adam = schedule.Next();
      settings.regularize = step > 0;
      settings.beta = betas[step];
      settings.lambda = kLambda;
      settings.next_temperature = 0.8F * h.temperature;
      soft.Advance(settings);
      for (int64_t i = 0; i < slopes.size(); ++i) {
        const double size = block.step.data()[i];
        const double temperature = h.temperature;
        const auto loss = [&](double at) {
          const double value = testing::NaiveSoftRounding(h, at);
          const double penalty = 1.0 - std::pow(std::abs(2 * value - 1), betas[step]);
          return static_cast<double>(slopes.data()[i]) * size * value +
                 (settings.regularize ? static_cast<double>(kLambda) * penalty : 0.0);
        };
        const double v_before = v[i];
        const double difference = 1e-5 * temperature;
        const double gradient =
            size == 0.0 ? 0.0
                        : (loss(v[i] + difference) - loss(v[i] - difference)) / (2 * difference);
        momentum[i] = 0.9 * momentum[i] + 0.1 * gradient;
        square[i] = 0.999 * square[i] + 0.001 * gradient * gradient;
        v[i] -= kRate * (momentum[i] / (1 - std::pow(0.9, step + 1))) /
                (std::sqrt(square[i] / (1 - std::pow(0.999, step + 1))) + 1e-8);
        // Adam divides by the gradient's size: where the sigmoid is all but flat, or at the edge of
        // its clipping, float32's rounding decides.
        const double h_now = testing::NaiveSoftRounding(h, v_before);
        const bool is_clear =
            std::abs(gradient) * temperature > 1e-5 && std::min(h_now, 1 - h_now) > 1e-5;
        const double tolerance = is_clear ? 2e-3 : 2 * kRate;
        num_clear += is_clear ? 1 : 0;
        EXPECT_NEAR(soft.v().data()[i], v[i], tolerance) << "weight " << i << " step " << step;
        v[i] = soft.v().data()[i];
      }
      h.temperature = settings.next_temperature;
      for (int64_t i = 0; i < slopes.size(); ++i) {
        EXPECT_NEAR(soft.weights().data()[i],
                    static_cast<double>(block.base.data()[i]) +
                        static_cast<double>(block.step.data()[i]) *
                            testing::NaiveSoftRounding(h, soft.v().data()[i]),
                    1e-5);
      }
    }
    EXPECT_GT(num_clear, 2 * slopes.size());  // of four steps
  }
}

double TotalError(const RoundingProblem& problem, const RowBlock& block) {
  std::vector<int16_t> integers(problem.weights.size());
  StoreIntegers(block, integers);
  double total = 0.0;
  for (int64_t row = 0; row < problem.samples->num_rows; ++row) {
    total += NaiveRowError(problem, row, integers);
  }
  return total;
}

TEST(RelaxAndRound, LowersTheTrueLoss) {
  AdaRoundOptions options;
  options.iterations = 400;
  options.learning_rate = 2e-2;
  Activation silu;
  silu.kind = Activation::Kind::kSilu;
  for (const Activation& activation : {Activation{}, MakeRelu(), MakeClip(0.0F, 6.0F), silu}) {
    const auto example = MakeExample({.num_rows = 16, .row_length = 48, .num_samples = 256,
                                      .bit_width = 3, .activation = activation});
    const double nearest =
        TotalError(example->problem, MakeRowBlock(example->problem, 0, 0, 16));
    for (const RelaxationForm& form : Forms()) {
      RowBlock block = MakeRowBlock(example->problem, 0, 0, 16);
      RelaxAndRound(example->problem, form, options, {},
                    OnMinibatches(std::vector<float>(16, 1.0F)), block);
      // A plain sigmoid is slow near 0 and 1: in so few steps it wins less.
      const double part = form.soft_rounding.gamma < 0.0F ? 0.9 : 0.95;
      EXPECT_LT(TotalError(example->problem, block), part * nearest) << activation.Name();
    }
  }
}

TEST(RelaxAndRound, GramAndWholeMinibatchTakeTheSameSteps) {
  const auto example =
      MakeExample({.num_rows = 8, .row_length = 24, .num_samples = 96, .bit_width = 3});
  SampledColumns& samples = example->samples;
  // One draw is all columns: the minibatch's gradient is then the exact one, as the Gram form's is.
  samples.columns_per_draw = samples.num_samples;
  AdaRoundOptions options;
  options.iterations = 100;
  options.batch_size = 1;
  options.learning_rate = 2e-2;
  const std::vector<float> row_weight = {1.0F, 2.0F, 0.5F, 3.0F, 1.0F, 1.0F, 0.1F, 10.0F};
  for (const float ridge : {0.0F, 0.3F}) {
    RowBlock by_columns = MakeRowBlock(example->problem, 0, 0, 8);
    std::fill(by_columns.ridge.begin(), by_columns.ridge.end(), ridge);
    RowBlock by_gram = by_columns;
    const int64_t undecided = RelaxAndRound(example->problem, RelaxationForm{}, options, {},
                                            OnMinibatches(row_weight), by_columns);

    const ConstMatrixView columns(samples.x_hat.data(), samples.num_samples, samples.row_length);
    const float factor = 2.0F / static_cast<float>(samples.num_samples);
    Matrix gram = factor * (columns.transpose() * columns);
    gram.diagonal().array() += 2.0F * ridge;
    Matrix target = by_gram.target;
    for (int64_t r = 0; r < 8; ++r) {
      target.row(r).array() -= example->problem.bias[static_cast<size_t>(r)];
    }
    const Matrix weights = ConstMatrixView(example->problem.weights.data(), 8, samples.row_length);
    Matrix gram_target = factor * (target * columns);
    // On a min-max grid no weight is clipped: the ridge pulls towards the weights themselves.
    gram_target += 2.0F * ridge * weights;
    DataTerm exact = OnMinibatches(row_weight);
    exact.gram = &gram;
    exact.gram_target = &gram_target;
    const int64_t gram_undecided =
        RelaxAndRound(example->problem, RelaxationForm{}, options, {}, exact, by_gram);
    // Adam divides by the gradient's size: rounding noise may turn a weight that sits at h = 1/2.
    int64_t differing = 0;
    for (size_t i = 0; i < by_gram.up.size(); ++i) {
      differing += by_gram.up[i] != by_columns.up[i] ? 1 : 0;
    }
    EXPECT_LE(differing, 1);
    EXPECT_NEAR(static_cast<double>(undecided), static_cast<double>(gram_undecided), 2.0);
  }
}

TEST(RelaxAndRound, FirstStepFollowsTheGradient) {
  // Adam's first step has the learning rate's size and the gradient's sign: a huge one turns every
  // weight to the side where the loss falls. The soft weights then still equal the float weights.
  AdaRoundOptions options;
  options.iterations = 1;
  options.learning_rate = 100.0;
  options.batch_size = 1;
  options.lambda = 0.0;
  Activation silu;
  silu.kind = Activation::Kind::kSilu;
  Activation sigmoid;
  sigmoid.kind = Activation::Kind::kSigmoid;
  for (const Activation& activation :
       {Activation{}, MakeRelu(), MakeClip(0.0F, 2.0F), MakeLeakyRelu(-0.5F), silu, sigmoid}) {
    SCOPED_TRACE(activation.Name());
    const auto example = MakeExample({.num_rows = 6, .row_length = 12, .num_samples = 40,
                                      .activation = activation});
    example->samples.columns_per_draw = 40;  // one draw is all columns
    const RoundingProblem& problem = example->problem;
    RowBlock block = MakeRowBlock(problem, 0, 0, 6);
    RelaxAndRound(problem, RelaxationForm{}, options, {},
                  OnMinibatches(std::vector<float>(6, 1.0F)), block);
    int num_checked = 0;
    for (int64_t row = 0; row < 6; ++row) {
      std::vector<double> z(40, static_cast<double>(problem.bias[static_cast<size_t>(row)]));
      for (int64_t k = 0; k < 12; ++k) {
        testing::AddFeature(problem, row, k,
                            static_cast<double>(problem.weights[static_cast<size_t>(row * 12 + k)]),
                            z);
      }
      for (int64_t k = 0; k < 12; ++k) {
        constexpr double kStep = 1e-6;
        std::vector<double> above = z;
        std::vector<double> below = z;
        testing::AddFeature(problem, row, k, kStep, above);
        testing::AddFeature(problem, row, k, -kStep, below);
        const double slope = (testing::NaiveLoss(problem, row, above) -
                              testing::NaiveLoss(problem, row, below)) / (2 * kStep);
        // Within float32's rounding of the sums the sign is anyone's.
        if (std::abs(slope) < 1e-3 || block.step(row, k) == 0.0F) continue;
        ++num_checked;
        EXPECT_EQ(block.UpAt(row, k), slope < 0 ? 1 : 0) << "row " << row << " weight " << k;
      }
    }
    EXPECT_GT(num_checked, 30);
  }
}

TEST(RelaxAndRound, StrongRegularizerDecidesEveryWeight) {
  const auto example = MakeExample({.num_rows = 8, .row_length = 24});
  AdaRoundOptions options;
  options.iterations = 2000;
  options.learning_rate = 2e-2;
  options.lambda = 10.0;
  RowBlock block = MakeRowBlock(example->problem, 0, 0, 8);
  EXPECT_EQ(RelaxAndRound(example->problem, RelaxationForm{}, options, {},
                          OnMinibatches(std::vector<float>(8, 1.0F)), block),
            0);
}

// Against the same steps taken to the last one.
TEST(RelaxAndRound, EndsEarlyWithWhatAllIterationsDecide) {
  const auto example = MakeExample({.num_rows = 8, .row_length = 24});
  AdaRoundOptions options;
  options.iterations = 4000;
  options.learning_rate = 2e-2;
  options.lambda = 10.0;
  const DataTerm term = OnMinibatches(std::vector<float>(8, 1.0F));
  int64_t num_steps = 0;
  SolveContext context;
  context.should_stop = [&num_steps] {
    ++num_steps;
    return false;
  };
  RowBlock early = MakeRowBlock(example->problem, 0, 0, 8);
  RelaxAndRound(example->problem, RelaxationForm{}, options, context, term, early);
  EXPECT_LT(num_steps, options.iterations * 9 / 10);
  EXPECT_GT(num_steps, options.iterations / 5);  // the warm start

  RowBlock all = MakeRowBlock(example->problem, 0, 0, 8);
  SoftWeights soft(kRectifiedSigmoid, all);
  ReconstructionGradient loss(example->problem, options.batch_size, context, term, all);
  AdamSchedule adam(options.learning_rate);
  for (int64_t step = 0; step < options.iterations; ++step) {
    loss.At(soft.weights(), step, soft.weight_gradient());
    SoftStep settings;
    settings.adam = adam.Next();
    const std::optional<double> beta = BetaAt(options, step);
    settings.regularize = beta.has_value();
    settings.beta = static_cast<float>(beta.value_or(0.0));
    settings.lambda = static_cast<float>(options.lambda);
    soft.Advance(settings);
  }
  EXPECT_TRUE(soft.IsSettled());
  EXPECT_EQ(soft.Decide(all), 0);
  EXPECT_EQ(early.up, all.up);
}

TEST(RelaxAndRound, LowTemperatureDecidesEveryWeight) {
  const auto example = MakeExample({.num_rows = 8, .row_length = 24});
  AdaRoundOptions options;
  options.iterations = 1000;
  RelaxationForm form = Forms().back();
  const auto undecided_at = [&](double temperature) {
    form.temperature_end = temperature;
    RowBlock block = MakeRowBlock(example->problem, 0, 0, 8);
    return RelaxAndRound(example->problem, form, options, {},
                         OnMinibatches(std::vector<float>(8, 1.0F)), block);
  };
  EXPECT_GT(undecided_at(1.0), 100);  // of 192: nothing drives h to an end
  EXPECT_LE(undecided_at(1e-4), 1);
}

TEST(RelaxAndRound, NoIterationsLeaveTheBlockAlone) {
  const auto example = MakeExample({.num_rows = 4, .row_length = 12});
  AdaRoundOptions options;
  options.iterations = 0;
  for (const RelaxationForm& form : Forms()) {
    RowBlock block = MakeRowBlock(example->problem, 0, 0, 4);
    for (uint8_t& up : block.up) up = up != 0 ? 0 : 1;
    const std::vector<uint8_t> before = block.up;
    RelaxAndRound(example->problem, form, options, {}, OnMinibatches(std::vector<float>(4, 1.0F)),
                  block);
    EXPECT_EQ(block.up, before);
  }
}

}  // namespace
}  // namespace adaround
