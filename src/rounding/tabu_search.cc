#include "rounding/tabu_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "adaround/base/error.h"
#include "base/rng.h"

namespace adaround {
namespace {

constexpr size_t kLanes = 16;
constexpr int64_t kFlipsBetweenChecks = 256;
constexpr int64_t kRandomTenure = 10;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The one-flip neighbourhood of a point, kept up to date in O(P) a flip. All in double, so that
// millions of flips do not wear the energies out.
class Neighbourhood {
 public:
  Neighbourhood(const QuadraticProblem& problem, std::vector<uint8_t> up)
      : problem_(problem),
        up_(std::move(up)),
        energy_(Energy(problem, up_)),
        field_(GradientAt(problem, up_)),
        signed_step_(up_.size()),
        own_(up_.size()),
        barred_(up_.size(), 0.0),
        changes_(up_.size()) {
    for (size_t i = 0; i < up_.size(); ++i) {
      const auto step = static_cast<double>(problem.step[i]);
      signed_step_[i] = up_[i] != 0 ? -step : step;
      own_[i] = 0.5 * step * step *
                static_cast<double>(problem.CurvatureRow(static_cast<int64_t>(i))[i]);
      if (step == 0.0) own_[i] = kInfinity;
    }
  }

  double energy() const { return energy_; }
  const std::vector<uint8_t>& up() const { return up_; }
  // What flipping i adds to the energy.
  double Change(size_t i) const { return signed_step_[i] * field_[i] + own_[i]; }

  void Bar(size_t i) { barred_[i] = kInfinity; }
  void Unbar(size_t i) { barred_[i] = 0.0; }

  // Of the flips that are not barred the one with the least Change(), the first of equals; P where
  // all are barred.
  size_t Best() {
    const size_t size = up_.size();
    double lanes[kLanes];
    std::fill_n(lanes, kLanes, kInfinity);
    size_t i = 0;
    for (; i + kLanes <= size; i += kLanes) {
      for (size_t lane = 0; lane < kLanes; ++lane) {
        const double change = Change(i + lane) + barred_[i + lane];
        changes_[i + lane] = change;
        lanes[lane] = change < lanes[lane] ? change : lanes[lane];
      }
    }
    for (; i < size; ++i) {
      changes_[i] = Change(i) + barred_[i];
      lanes[0] = changes_[i] < lanes[0] ? changes_[i] : lanes[0];
    }
    const double best = *std::min_element(lanes, lanes + kLanes);
    if (best == kInfinity) return size;
    const auto found = std::find(changes_.begin(), changes_.end(), best);
    return static_cast<size_t>(found - changes_.begin());
  }

  void Flip(size_t i) {
    energy_ += Change(i);
    const double change = signed_step_[i];
    const float* row = problem_.CurvatureRow(static_cast<int64_t>(i));
    double* field = field_.data();
    const size_t size = up_.size();
    for (size_t j = 0; j < size; ++j) field[j] += change * static_cast<double>(row[j]);
    signed_step_[i] = -change;
    up_[i] = up_[i] != 0 ? 0 : 1;
  }

 private:
  const QuadraticProblem& problem_;
  std::vector<uint8_t> up_;
  double energy_;
  std::vector<double> field_;        // c + Q v
  std::vector<double> signed_step_;  // what a flip adds to v
  std::vector<double> own_;          // what it costs by its own curvature; infinite: no choice
  std::vector<double> barred_;       // infinite while tabu
  std::vector<double> changes_;
};

class TabuSearcher {
 public:
  TabuSearcher(const QuadraticProblem& problem, const TabuOptions& options, uint64_t stream,
               const std::function<bool()>& should_stop)
      : problem_(problem),
        options_(options),
        should_stop_(should_stop),
        rng_(stream, 0, 0) {
    for (size_t i = 0; i < problem.step.size(); ++i) {
      if (problem.step[i] != 0.0F) free_.push_back(i);
    }
    best_.up = problem.reference;
  }

  TabuResult Search(TabuStart start) {
    if (free_.empty()) return best_;
    std::vector<uint8_t> up = problem_.reference;
    if (start == TabuStart::kRandom) {
      for (const size_t i : free_) up[i] = static_cast<uint8_t>(rng_.Below(2));
    }
    best_.up = up;
    best_.energy = Energy(problem_, up);
    RunFrom(std::move(up));
    for (int64_t restart = 0; restart < options_.restarts; ++restart) {
      RunFrom(Perturbed(best_.up));
    }
    best_.energy = Energy(problem_, best_.up);
    return best_;
  }

 private:
  std::vector<uint8_t> Perturbed(std::vector<uint8_t> up) {
    const auto num_free = static_cast<int64_t>(free_.size());
    const int64_t num_redrawn = std::max<int64_t>(2, num_free / 10);
    for (int64_t i = 0; i < num_redrawn; ++i) {
      up[free_[static_cast<size_t>(rng_.Below(num_free))]] = static_cast<uint8_t>(rng_.Below(2));
    }
    return up;
  }

  void RunFrom(std::vector<uint8_t> up) {
    Neighbourhood point(problem_, std::move(up));
    const auto num_free = static_cast<int64_t>(free_.size());
    const int64_t tenure = std::min(options_.tenure, std::max<int64_t>(1, num_free / 4));
    std::vector<std::pair<size_t, int64_t>> barred;  // flip, until when
    for (int64_t step = 0; step < options_.flips_per_weight * num_free; ++step) {
      if (step % kFlipsBetweenChecks == 0 && should_stop_ && should_stop_()) {
        throw Error(ErrorCode::kCancelled, "stopped on request");
      }
      size_t flip = point.Best();
      double change = flip < problem_.step.size() ? point.Change(flip) : kInfinity;
      for (const auto& [i, until] : barred) {
        const double other = point.Change(i);
        if (other < change && point.energy() + other < best_.energy) {
          flip = i;
          change = other;
        }
      }
      std::erase_if(barred, [&](const auto& entry) {
        const bool over = entry.second <= step || entry.first == flip;
        if (over) point.Unbar(entry.first);
        return over;
      });
      if (flip == problem_.step.size()) continue;  // everything is barred; that passes
      point.Flip(flip);
      ++best_.num_flips;
      if (tenure > 0) {
        barred.emplace_back(flip, step + tenure + rng_.Below(std::min(kRandomTenure, tenure) + 1));
        point.Bar(flip);
      }
      if (point.energy() < best_.energy) {
        best_.energy = point.energy();
        best_.up = point.up();
      }
    }
  }

  const QuadraticProblem& problem_;
  const TabuOptions& options_;
  const std::function<bool()>& should_stop_;
  Rng rng_;
  std::vector<size_t> free_;
  TabuResult best_;
};

}  // namespace

TabuResult SearchByTabu(const QuadraticProblem& problem, const TabuOptions& options,
                        TabuStart start, uint64_t stream,
                        const std::function<bool()>& should_stop) {
  return TabuSearcher(problem, options, stream, should_stop).Search(start);
}

}  // namespace adaround
