#include "cli/comparison_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>
#include <set>
#include <utility>

#include "adaround/base/error.h"
#include "adaround/io/calibration_files.h"
#include "adaround/io/sha256.h"
#include "adaround/report/run_report.h"
#include "cli/data_files.h"
#include "cli/log_sink.h"
#include "cli/provenance.h"

namespace adaround::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::string TextOf(const std::map<std::string, std::string>& provenance) {
  std::string text;
  for (const auto& [name, value] : provenance) {
    text += name + "=" + std::to_string(value.size()) + ":" + value + "\n";
  }
  return text;
}

// Shows a run's layers live, its warnings once per comparison, and its steps.
class RunObserver final : public QuantizeObserver {
 public:
  RunObserver(ProgressDisplay& display, const std::string& label)
      : display_(display), label_(label) {}

  void OnProgress(const std::string& stage, int64_t done, int64_t total) override {
    display_.OnProgress(label_ + ": " + stage, done, total);
  }
  void OnWarning(const std::string& message) override {
    display_.OnWarning("row '" + Printable(label_) + "': " + message);
  }
  void OnTransform(const TransformStep& step, const Graph&) override {
    LogVerbose(Printable(label_) + ": " + step.name + ": " + Printable(step.detail));
  }
  void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double) override {
    LogVerbose("  " + LayerLine(layer, done, total));
  }
  bool ShouldStop() const override { return display_.ShouldStop(); }

 private:
  ProgressDisplay& display_;
  std::string label_;
};

}  // namespace

// What is done, and what is likely to take how long.
struct ComparisonRunner::Clock {
  int64_t num_done = 0;
  int64_t num_total = 0;
  int64_t num_resumed = 0;
  std::set<std::string> executed;  // keys of runs that were not in the journal
  struct Row {
    int64_t num_left = 0;
    int64_t num_measured = 0;
    double seconds = 0.0;
  };
  std::vector<Row> rows;

  // Rows that have not begun are taken to be as the others are on average.
  std::string Left() const {
    double seconds = 0.0;
    int64_t num_measured = 0;
    for (const Row& row : rows) {
      seconds += row.seconds;
      num_measured += row.num_measured;
    }
    if (num_measured == 0 || num_done == num_total) return "";
    const double mean = seconds / static_cast<double>(num_measured);
    double left = 0.0;
    for (const Row& row : rows) {
      const double own =
          row.num_measured > 0 ? row.seconds / static_cast<double>(row.num_measured) : mean;
      left += static_cast<double>(row.num_left) * own;
    }
    return "  (about " + FormatSeconds(left) + " left)";
  }
};

ComparisonRunner::ComparisonRunner(const Graph& graph, ComparisonSetup setup)
    : graph_(graph), setup_(std::move(setup)) {
  for (size_t i = 0; i < setup_.calibrations.size(); ++i) {
    num_available_.push_back(Open(i, 0).num_samples());
    std::set<int64_t> amounts;
    for (const int64_t amount : setup_.amounts) {
      if (amount > num_available_.back()) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("--calib-samples: {} are wanted, {} holds {}", amount,
                                Printable(setup_.calibrations[i].path, 4096),
                                num_available_.back()));
      }
      if (!amounts.insert(amount == 0 ? num_available_.back() : amount).second) {
        throw Error(ErrorCode::kInvalidArgument,
                    fmt::format("--calib-samples: {} is an amount that is there already", amount));
      }
    }
  }
  const CalibrationSet samples = Open(0, 0);
  for (const RowDefinition& row : setup_.rows) {
    for (const std::string& scope : row.scopes) {
      if (scope == kFirstLayer && report_.first_layer.empty()) {
        report_.first_layer = LayersToQuantize(graph_, samples, setup_.base).front();
      }
      PlanRow(row, scope);
    }
  }
  FindNearestRows();
}

CalibrationSet ComparisonRunner::Open(size_t calibration, int64_t amount) const {
  return OpenCalibration(setup_.calibrations[calibration].path, graph_, amount, setup_.base);
}

std::vector<int64_t> ComparisonRunner::AmountsOf(const RowDefinition& row,
                                                 size_t calibration) const {
  std::vector<int64_t> amounts;
  for (const int64_t amount : setup_.amounts) {
    amounts.push_back(CalibSamples(amount, setup_.base, num_available_[calibration]));
  }
  if (!amounts.empty()) return amounts;
  // One amount for all rows, whatever their presets: differences are to be the methods' own.
  if (!row.sweeps_samples) {
    return {CalibSamples(std::nullopt, setup_.base, num_available_[calibration])};
  }
  constexpr int64_t kFewest = 64;
  constexpr int64_t kMost = 2048;  // the paper's
  const int64_t available = *std::min_element(num_available_.begin(), num_available_.end());
  for (int64_t amount = kFewest; amount <= std::min(kMost, available); amount *= 2) {
    amounts.push_back(amount);
  }
  if (amounts.empty() || (amounts.back() < available && available < kMost)) {
    amounts.push_back(available);
  }
  return amounts;
}

void ComparisonRunner::PlanRow(const RowDefinition& row, const std::string& scope) {
  Plan plan;
  plan.options = row.options;
  plan.num_draws = row.num_draws;
  if (scope == kFirstLayer) RestrictToLayer(report_.first_layer, plan.options);
  std::string note;
  try {
    if (!row.calib_labels.empty()) {
      if (setup_.calibrations.size() > 1) {
        throw Error(ErrorCode::kInvalidArgument,
                    "--calib-labels are of the samples of --calib, and do not fit --other-calib: "
                    "make a comparison of its own for each");
      }
      plan.options.task_hessian.labels =
          ReadCalibLabels(row.calib_labels, setup_.calibrations.front().path, graph_);
      plan.labels_digest = CalibrationDigest(row.calib_labels);
    }
  } catch (const Error& error) {
    throw error.WithContext("row '" + Printable(row.label) + "'");
  }
  try {
    const size_t num_layers = LayersToQuantize(graph_, Open(0, 0), plan.options).size();
    if (num_layers > 1 && WorksOnOneLayer(plan.options.method)) {
      note = fmt::format("{} rounds one layer, not {}: --scope first", plan.options.method,
                         num_layers);
    }
  } catch (const Error& error) {
    // What else a row fails by is for its runs to show.
    if (error.code() == ErrorCode::kInvalidArgument) {
      throw error.WithContext("row '" + Printable(row.label) + "'");
    }
  }
  QuantizeOptions nearest = plan.options;
  nearest.method = "nearest";
  plan.grid_key = TextOf(Provenance({}, nearest, 0));
  for (size_t calibration = 0; calibration < setup_.calibrations.size(); ++calibration) {
    for (const int64_t amount : AmountsOf(row, calibration)) {
      ComparisonRow planned;
      planned.table = row.table;
      planned.label = row.label;
      planned.method = row.options.method;
      planned.options = row.text;
      planned.scope = scope;
      planned.calibration = setup_.calibrations[calibration].name;
      planned.num_calib_samples = amount;
      planned.is_stochastic = row.num_draws > 1;
      planned.note = note;
      plan.calibration = calibration;
      report_.rows.push_back(std::move(planned));
      plans_.push_back(plan);
    }
  }
}

void ComparisonRunner::FindNearestRows() {
  for (size_t i = 0; i < plans_.size(); ++i) {
    ComparisonRow& row = report_.rows[i];
    for (size_t j = 0; j < plans_.size() && !row.nearest_row; ++j) {
      const ComparisonRow& other = report_.rows[j];
      if (other.method == "nearest" && other.table == row.table && other.scope == row.scope &&
          plans_[j].calibration == plans_[i].calibration &&
          other.num_calib_samples == row.num_calib_samples &&
          plans_[j].grid_key == plans_[i].grid_key) {
        row.nearest_row = j;
      }
    }
  }
}

int64_t ComparisonRunner::NumRuns(size_t row) const {
  return report_.rows[row].note.empty() ? setup_.num_repeats * plans_[row].num_draws : 0;
}

int64_t ComparisonRunner::num_runs() const {
  int64_t count = 0;
  for (size_t row = 0; row < plans_.size(); ++row) count += NumRuns(row);
  return count;
}

int64_t ComparisonRunner::largest_amount() const {
  int64_t largest = 0;
  for (size_t row = 0; row < plans_.size(); ++row) {
    if (plans_[row].calibration != 0) continue;
    largest = std::max(largest, report_.rows[row].num_calib_samples);
  }
  return largest;
}

ComparisonReport ComparisonRunner::Run(ComparisonBench& bench, ComparisonJournal& journal,
                                       const std::filesystem::path& spill_directory,
                                       int64_t data_bytes, ProgressDisplay& display) {
  Clock clock;
  clock.num_total = num_runs();
  clock.rows.resize(plans_.size());
  for (size_t row = 0; row < plans_.size(); ++row) clock.rows[row].num_left = NumRuns(row);
  // Rows on the same samples follow each other, so that these are opened once.
  std::vector<bool> is_done(plans_.size(), false);
  for (size_t first = 0; first < plans_.size(); ++first) {
    if (is_done[first]) continue;
    const size_t calibration = plans_[first].calibration;
    const int64_t amount = report_.rows[first].num_calib_samples;
    const CalibrationChoice& choice = setup_.calibrations[calibration];
    if (CalibrationFiles(choice.path) != choice.files) ThrowInputChanged(choice.path);
    const CalibrationSet samples = Open(calibration, amount);
    for (size_t row = first; row < plans_.size(); ++row) {
      if (plans_[row].calibration != calibration) continue;
      if (report_.rows[row].num_calib_samples != amount) continue;
      is_done[row] = true;
      plans_[row].options.spill_directory = spill_directory;
      plans_[row].options.caller_bytes = samples.cache_bytes() + data_bytes + bench.kept_bytes();
      RunRow(row, samples, bench, journal, display, clock);
    }
  }
  SetLiveLine("");
  report_.num_resumed = clock.num_resumed;
  return report_;
}

ComparisonRun ComparisonRunner::RunOnce(const CalibrationSet& samples,
                                        const QuantizeOptions& options, bool measure_transforms,
                                        ComparisonBench& bench, QuantizeObserver& observer) const {
  try {
    return bench.Run(samples, options, measure_transforms, &observer);
  } catch (const Error& error) {
    // These end a comparison; all else is a finding about the method.
    if (error.code() == ErrorCode::kCancelled || error.code() == ErrorCode::kIo) throw;
    ComparisonRun failed;
    failed.failure = error.what();
    return failed;
  }
}

void ComparisonRunner::RunRow(size_t index, const CalibrationSet& samples, ComparisonBench& bench,
                              ComparisonJournal& journal, ProgressDisplay& display, Clock& clock) {
  ComparisonRow& row = report_.rows[index];
  if (NumRuns(index) == 0) return;
  for (int64_t repeat = 0; repeat < setup_.num_repeats; ++repeat) {
    for (int64_t draw = 0; draw < plans_[index].num_draws; ++draw) {
      QuantizeOptions options = plans_[index].options;
      options.seed = setup_.base.seed + static_cast<uint64_t>(repeat);
      options.rounding_seed = DrawSeed(options.seed, draw);
      if (options.task_hessian.labels) {
        options.task_hessian.labels = SelectLabels(*options.task_hessian.labels, samples.indices());
      }
      const std::map<std::string, std::string> provenance = Provenance(
          {setup_.model_digest, setup_.calibrations[plans_[index].calibration].digest,
           plans_[index].labels_digest},
          options, samples.num_samples());
      if (repeat == 0 && draw == 0) row.provenance = provenance;
      const std::string key = Sha256OfBytes(TextOf(provenance));
      ComparisonRun run;
      if (const ComparisonRun* found = journal.Find(key)) {
        run = *found;
        if (!clock.executed.contains(key)) ++clock.num_resumed;
      } else {
        const SteadyClock::time_point start = SteadyClock::now();
        RunObserver observer(display, row.label);
        try {
          run = RunOnce(samples, options, repeat == 0 && draw == 0, bench, observer);
          setup_.stamps.Check();
          journal.Append(key, run);
        } catch (const std::bad_alloc&) {
          // Another time there may be more: not for the journal.
          run.failure = "out of memory; --memory-limit keeps activations on disk";
        }
        clock.executed.insert(key);
        clock.rows[index].seconds +=
            std::chrono::duration<double>(SteadyClock::now() - start).count();
        ++clock.rows[index].num_measured;
      }
      run.repeat = repeat;
      run.draw = draw;
      run.seed = options.seed;
      run.rounding_seed = options.rounding_seed;
      row.runs.push_back(run);
      ++clock.num_done;
      --clock.rows[index].num_left;
      const std::string line = RunLine(row, run, clock.num_done, clock.num_total) + clock.Left();
      if (run.failure.empty()) {
        LogInfo(line);
      } else {
        LogWarning(line);
      }
    }
  }
}

}  // namespace adaround::cli
