#include "rounding/cross_entropy_search.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "adaround/base/error.h"
#include "base/checked_math.h"
#include "base/parallel_for.h"
#include "base/rng.h"
#include "tensor/eigen_view.h"

namespace adaround {
namespace {

// Draws that one task makes and judges together.
constexpr int64_t kDrawsPerTask = 128;
// Coins beyond these are fixed.
constexpr double kDecidedBelow = 0.01;
constexpr double kDecidedAbove = 0.99;
// Rounds over all P variables that a search costs, the shrinking of the problem counted in.
constexpr double kPredictedFullRounds = 20.0;
// For few weights fewer draws would save nothing.
constexpr double kLeastDraws = 200.0;
// Below this many times sqrt(P) draws the elite's mean is mostly luck.
constexpr double kLeastPopulation = 8.0;

// Draws a round for a number of variables.
struct Draws {
  double wanted = 0.0;
  double affordable = 0.0;
  double least = 0.0;  // below which the search is pointless
};

Draws DrawsFor(const CrossEntropyOptions& options, int64_t num_free) {
  const auto size = static_cast<double>(std::max<int64_t>(1, num_free));
  Draws draws;
  draws.wanted = std::max(kLeastDraws, std::ceil(options.population * std::sqrt(size)));
  draws.affordable = options.max_operations / (kPredictedFullRounds * size * size);
  draws.least = std::min(draws.wanted, std::ceil(kLeastPopulation * std::sqrt(size)));
  return draws;
}

class CrossEntropySearcher {
 public:
  CrossEntropySearcher(const QuadraticProblem& problem, const CrossEntropyOptions& options,
                       uint64_t stream, int num_threads, const std::function<bool()>& should_stop)
      : problem_(problem),
        options_(options),
        stream_(stream),
        num_threads_(num_threads),
        should_stop_(should_stop),
        fixed_(problem.reference) {
    for (size_t i = 0; i < problem.step.size(); ++i) {
      if (problem.step[i] == 0.0F) continue;
      active_.push_back(i);
      probability_.push_back(static_cast<double>(problem.fraction[i]));
    }
    best_.up = problem.reference;
  }

  CrossEntropyResult Search() {
    if (active_.empty()) return best_;
    best_.population =
        CrossEntropyPopulation(options_, static_cast<int64_t>(active_.size()));
    draws_.resize(static_cast<size_t>(best_.population) * active_.size());
    energies_.resize(static_cast<size_t>(best_.population));
    bool any_drawn = false;
    FixDecided();
    while (!active_.empty() && best_.num_rounds < options_.max_rounds) {
      if (should_stop_ && should_stop_()) {
        throw Error(ErrorCode::kCancelled, "stopped on request");
      }
      Draw();
      const std::vector<int64_t> elite = Elite();
      Consider(DecisionsOf(elite.front()), any_drawn);
      any_drawn = true;
      Refit(elite);
      ++best_.num_rounds;
      FixDecided();
    }
    // Where every coin has decided, what they decided is a draw as well.
    if (active_.empty()) Consider(fixed_, any_drawn);
    return best_;
  }

 private:
  void Consider(const std::vector<uint8_t>& up, bool any_drawn) {
    const double energy = Energy(problem_, up);
    if (any_drawn && energy >= best_.energy) return;
    best_.energy = energy;
    best_.up = up;
  }

  // Fixes coins that have decided, and makes the problem of the others: with the fixed decisions'
  // part folded into the linear term, in units of decisions.
  void FixDecided() {
    size_t kept = 0;
    for (size_t a = 0; a < active_.size(); ++a) {
      const double p = probability_[a];
      if (p < kDecidedBelow || p > kDecidedAbove) {
        fixed_[active_[a]] = p > kDecidedAbove ? 1 : 0;
        continue;
      }
      active_[kept] = active_[a];
      probability_[kept] = p;
      ++kept;
    }
    const auto size = static_cast<int64_t>(kept);
    if (kept == active_.size() && curvature_.rows() == size) return;
    active_.resize(kept);
    probability_.resize(kept);
    const std::vector<double> field = GradientAt(problem_, fixed_);
    linear_.resize(size);
    curvature_.resize(size, size);
    for (int64_t a = 0; a < size; ++a) {
      const size_t i = active_[static_cast<size_t>(a)];
      const float* row = problem_.CurvatureRow(static_cast<int64_t>(i));
      const float step = problem_.step[i];
      linear_(a) = static_cast<float>(static_cast<double>(step) * field[i]);
      for (int64_t b = 0; b < size; ++b) {
        const size_t j = active_[static_cast<size_t>(b)];
        curvature_(a, b) = step * row[j] * problem_.step[j];
      }
    }
  }

  // One round's draws with their energies, up to a constant. Each task has a stream of its own.
  void Draw() {
    const auto size = static_cast<int64_t>(active_.size());
    const int64_t num_tasks = CeilDivide(best_.population, kDrawsPerTask);
    ParallelFor(num_tasks, num_threads_, [&](int64_t task) {
      const int64_t first = task * kDrawsPerTask;
      const int64_t count = std::min(kDrawsPerTask, best_.population - first);
      Rng rng(stream_, static_cast<uint64_t>(best_.num_rounds), static_cast<uint64_t>(task));
      Matrix change(count, size);
      for (int64_t s = 0; s < count; ++s) {
        uint8_t* draw = draws_.data() + (first + s) * size;
        for (int64_t a = 0; a < size; ++a) {
          const auto at = static_cast<size_t>(a);
          draw[a] = rng.Uniform() < probability_[at] ? 1 : 0;
          change(s, a) = static_cast<float>(draw[a]) -
                         static_cast<float>(problem_.reference[active_[at]]);
        }
      }
      Matrix product(count, size);
      product.noalias() = change * curvature_;
      for (int64_t s = 0; s < count; ++s) {
        energies_[static_cast<size_t>(first + s)] =
            change.row(s).dot(0.5F * product.row(s) + linear_);
      }
    });
  }

  // Positions of the best draws, best first; the earlier of equals.
  std::vector<int64_t> Elite() const {
    std::vector<std::pair<float, int64_t>> ranked;
    for (int64_t s = 0; s < best_.population; ++s) {
      ranked.emplace_back(energies_[static_cast<size_t>(s)], s);
    }
    const auto wanted = static_cast<int64_t>(
        std::ceil(options_.elite_fraction * static_cast<double>(best_.population)));
    const int64_t count = std::clamp<int64_t>(wanted, 1, best_.population);
    std::partial_sort(ranked.begin(), ranked.begin() + count, ranked.end());
    std::vector<int64_t> elite;
    for (int64_t s = 0; s < count; ++s) elite.push_back(ranked[static_cast<size_t>(s)].second);
    return elite;
  }

  std::vector<uint8_t> DecisionsOf(int64_t draw) const {
    std::vector<uint8_t> up = fixed_;
    const uint8_t* decisions = draws_.data() + draw * static_cast<int64_t>(active_.size());
    for (size_t a = 0; a < active_.size(); ++a) up[active_[a]] = decisions[a];
    return up;
  }

  void Refit(const std::vector<int64_t>& elite) {
    const size_t size = active_.size();
    std::vector<int64_t> num_up(size, 0);
    for (const int64_t draw : elite) {
      const uint8_t* decisions = draws_.data() + draw * static_cast<int64_t>(size);
      for (size_t a = 0; a < size; ++a) num_up[a] += decisions[a];
    }
    for (size_t a = 0; a < size; ++a) {
      const double mean = static_cast<double>(num_up[a]) / static_cast<double>(elite.size());
      probability_[a] += options_.smoothing * (mean - probability_[a]);
    }
  }

  const QuadraticProblem& problem_;
  const CrossEntropyOptions& options_;
  uint64_t stream_;
  int num_threads_;
  const std::function<bool()>& should_stop_;
  std::vector<uint8_t> fixed_;      // decided coins; the reference elsewhere
  std::vector<size_t> active_;      // variables still drawn
  std::vector<double> probability_;  // of up, of the active
  Matrix curvature_;                // of the active, in units of decisions
  Eigen::RowVectorXf linear_;
  std::vector<uint8_t> draws_;      // [population, active]
  std::vector<float> energies_;
  CrossEntropyResult best_;
};

}  // namespace

int64_t CrossEntropyPopulation(const CrossEntropyOptions& options, int64_t num_free) {
  const Draws draws = DrawsFor(options, num_free);
  if (draws.affordable < draws.least) {
    // Rounded up: a budget that falls short by a hair is not "1.0 times" too small.
    char times[32];
    std::snprintf(times, sizeof(times), "%.1f",
                  std::ceil(10.0 * draws.least / draws.affordable) / 10.0);
    throw Error(ErrorCode::kInvalidArgument,
                "the cross-entropy method over " + std::to_string(num_free) +
                    " weights needs at least " +
                    std::to_string(static_cast<int64_t>(draws.least)) + " draws a round, " +
                    times + " times what --cem-budget allows");
  }
  return static_cast<int64_t>(std::max(1.0, std::min(draws.wanted, draws.affordable)));
}

int64_t CrossEntropyMaxVariables(const CrossEntropyOptions& options) {
  int64_t taken = 0;
  int64_t refused = int64_t{1} << 31;
  while (refused - taken > 1) {
    const int64_t middle = taken + (refused - taken) / 2;
    const Draws draws = DrawsFor(options, middle);
    (draws.affordable < draws.least ? refused : taken) = middle;
  }
  return taken;
}

CrossEntropyResult SearchByCrossEntropy(const QuadraticProblem& problem,
                                        const CrossEntropyOptions& options, uint64_t stream,
                                        int num_threads,
                                        const std::function<bool()>& should_stop) {
  return CrossEntropySearcher(problem, options, stream, num_threads, should_stop).Search();
}

}  // namespace adaround
