// The family of rounding methods.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "adaround/quant/search_trace.h"
#include "adaround/rounding/rounding_options.h"
#include "rounding/rounding_problem.h"

namespace adaround {

// Rows begin ... end - 1 of a layer, all groups together.
struct RowSpan {
  int64_t begin = 0;
  int64_t end = 0;

  int64_t size() const { return end - begin; }
  bool operator==(const RowSpan&) const = default;
};

struct SolveContext {
  uint64_t seed = 42;
  // Position of the layer in the network: with the seed, names the random stream.
  uint64_t layer = 0;
  int num_threads = 1;
  // Called from any thread, by one at a time: row blocks finished, and all. May be empty.
  std::function<void(int64_t done, int64_t total)> on_progress;
  // True: end soon with Error(kCancelled); asked by several threads at once; may be empty.
  std::function<bool()> should_stop;
  // To solve these rows alone, as they would be among all; for solvers that SolvesRows() says it
  // of. Both ends are multiples of kRowsPerPart, or the layer's own. Integers of other rows mean
  // nothing.
  std::optional<RowSpan> rows;
};

// A multiple of the blocks of rows of every solver.
inline constexpr int64_t kRowsPerPart = 384;

struct RoundingSummary {
  // How the rows were solved, in words: "enumeration" or "second order, relaxation" of adaround,
  // and the like.
  std::string strategy;
  // Adam steps per block of rows, fewer where all its weights come to rest before; rounds or flips
  // that the longest search of a row took.
  int64_t iterations = 0;
  int64_t num_undecided = 0;  // weights with h(V) within 0.01 ... 0.99 at the end
  int64_t num_descent_flips = 0;  // flips that coordinate descent accepted
  int64_t num_nearest_rows = 0;   // rows that took nearest, being no worse
  SearchTrace trace;  // empty where the method has no course to show
  // Where only some rows were solved, in place of `trace`: of each block, losses summed over its
  // rows.
  std::vector<SearchTrace> block_traces;
  std::optional<double> ridge;    // of the loss that was searched, where the method knows one
};

struct RoundingResult {
  std::vector<int16_t> integers;  // [M, K], in [q_min, q_max]
  RoundingSummary summary;
};

// The longest rows, and the most weights of a layer, that a method takes: known beforehand, so that
// a network is refused before any of its layers is searched.
struct SizeLimit {
  int64_t max_row_length = std::numeric_limits<int64_t>::max();
  // All rows together: for methods that do not round row by row.
  int64_t max_weights = std::numeric_limits<int64_t>::max();
  std::string remedy;  // for larger ones, such as "raise --cem-budget"
};

// What a solver's memory and time depend on, before there is a problem.
struct LayerExtent {
  int64_t num_rows = 0;
  int64_t row_length = 0;
  int64_t num_groups = 1;
  bool identity_activation = false;  // in the loss
  int64_t columns_per_draw = 1;      // see SampledColumns
};

LayerExtent ExtentOf(const RoundingProblem& problem);

// Chooses, for each weight of one linear operator, whether to round down (0) or up (1).
//
// Minimizes the asymmetric reconstruction loss of Nagel et al. (arXiv:2004.10568), eq. (25):
//   loss = sum over rows, mean over samples, of (f(W x + b) - f(W_hat x_hat + b))^2
//
// The result depends on problem, options, seed and layer, not on the number of threads.
// Threads: Solve() is const; concurrent calls are safe.
class RoundingSolver {
 public:
  virtual ~RoundingSolver() = default;
  // Integers lie in [q_min, q_max].
  // REQUIRES: problem.Validate() is empty.  Throws Error(kCancelled), Error(kNumerical).
  virtual RoundingResult Solve(const RoundingProblem& problem,
                               const SolveContext& context) const = 0;
  // Whether every integer is the clipped floor or ceiling of its weight.
  virtual bool StaysAtFloorOrCeil() const = 0;
  // Whether Solve() heeds SolveContext::rows: rows of such a layer are independent of one another.
  virtual bool SolvesRows(const LayerExtent& /*layer*/) const { return false; }
  // Solve() of a larger problem may throw Error(kInvalidArgument).
  virtual SizeLimit Limit() const { return {}; }
  // At most so many bytes are held at once in matrices over pairs of weights, which grow faster
  // than the layer, beside the problem and its curvature.
  virtual int64_t PairBytes(const LayerExtent&, int /*num_threads*/) const { return 0; }
  // Multiply-accumulates that Solve() takes, roughly: by it a run's time is told beforehand, and
  // what is left of it.
  virtual double Work(const LayerExtent& layer, int64_t num_columns) const {
    return static_cast<double>(layer.num_rows * layer.row_length) *
           static_cast<double>(num_columns);
  }
};

// Throws Error(kInvalidArgument), listing the names, where there is no such method. Solvers of
// methods that are not row-wise (RoundingMethod::row_wise) want problem.task_curvature.
std::unique_ptr<RoundingSolver> CreateRoundingSolver(const std::string& method,
                                                     const RoundingOptions& options);

// `solver` followed by what CreateRoundingSolver() puts behind every search of the method.
std::unique_ptr<RoundingSolver> CompleteSolver(std::unique_ptr<RoundingSolver> solver,
                                               const std::string& method,
                                               const RoundingOptions& options);

}  // namespace adaround
