// The main job: choose integers for every weight of a network.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adaround/base/progress.h"
#include "adaround/io/layer_plan.h"
#include "adaround/model/quantized_model.h"
#include "adaround/pipeline/calibration_set.h"
#include "adaround/pipeline/checkpoint.h"
#include "adaround/pipeline/task_hessian_options.h"
#include "adaround/pipeline/transform_options.h"
#include "adaround/quant/layer_grid.h"
#include "adaround/quant/range_options.h"
#include "adaround/report/layer_report.h"
#include "adaround/rounding/rounding_options.h"

namespace adaround {

// How biases are corrected for the shift that rounding gives the mean of a layer's outputs (Nagel
// et al. 2019, arXiv:1906.04721, section 4.2), layer by layer, so that later layers see it. Both
// QuantizeResult::model and the baseline `nearest` are corrected, each by its own integers, on the
// inputs x_hat that the former's layers make.
enum class BiasCorrection {
  kNone,
  // By the mean error on the search samples: E[W x] - E[W_hat x_hat].
  kEmpirical,
  // By -(W_hat - W) E[x], with E[x] from the moments of the layer before; layers whose E[x] cannot
  // be derived stay as they are (LayerReport::bias_uncorrected_because).
  kAnalytic
};

std::string BiasCorrectionName(BiasCorrection correction);
std::vector<std::string> BiasCorrectionNames();
// Throws Error(kInvalidArgument), listing the names.
BiasCorrection ParseBiasCorrection(const std::string& name);

struct QuantizeOptions {
  // Grid.
  int bits = 4;  // 2 ... 8
  bool symmetric = true;
  Granularity granularity = Granularity::kPerChannel;
  int64_t group_size = 128;  // weights per scale where the granularity is per group; >= 1
  RangeEstimator range_estimator = RangeEstimator::kMse;
  double percentile = RangeOptions{}.percentile;  // of kPercentile; 50 ... 100
  // For accelerators: integers from -2^(b-1)+1 (symmetric grids only); scales that are powers of
  // two, those of activations too.
  bool narrow_range = false;
  bool power_of_two_scales = false;
  // Bits of the activations that layers read, 2 ... 8; nothing leaves them in float. Each tensor
  // has one unsigned grid, chosen from float activations before any layer is searched: x_hat is
  // what the quantized network's layers really read.
  std::optional<int> act_bits;
  ActivationEstimator act_range_estimator = ActivationEstimator::kMinMax;
  double act_percentile = 99.99;  // percent kept between the ends by kPercentile; 50 ... 100
  // What is done to the float network before its weights are rounded.
  TransformOptions transform;
  BiasCorrection bias_correction = BiasCorrection::kNone;
  // One of RoundingMethods().
  std::string method = "adaround";
  RoundingOptions rounding;
  // What methods that minimize the task loss minimize.
  TaskHessianOptions task_hessian;
  // Ablations of the paper's table 4. Without the first, layers are searched on inputs of the float
  // network in place of x_hat; without the second, f is the identity in every loss.
  bool asymmetric_reconstruction = true;
  bool activation_in_loss = true;
  // Columns that the search may use, and that decide whether its result is kept, per layer. The
  // search of long rows gets 28 columns a weight, up to twice as many: a seeded 3x3 convolution of
  // 256 channels ends 5 % lower on held-out images with 16,384 than with 8,192.
  int64_t search_columns = 8192;
  int64_t held_out_columns = 2048;
  // Positions of an image that a minibatch draws together; 0 draws single columns. The paper's
  // minibatch is 32 whole images: preset paper draws 64 positions of each.
  int64_t positions_per_draw = 0;
  // Samples, spread evenly over those that there are, that are enough for these options; 0 = all.
  // For callers who choose samples: QuantizeModel takes all that it is given.
  int64_t enough_samples = 0;
  // Part of the samples that the search does not see. 0 ... 0.5.
  double held_out_fraction = 0.15;
  // A layer whose search ends above nearest on the held-out samples takes nearest; methods that do
  // not search are taken as they are. Preset paper turns it off.
  bool fall_back_to_nearest = true;
  // Layers to quantize, by name (ECMAScript regular expressions, searched anywhere in the name):
  // those that some `include` matches (all, where there is none) and no `exclude` matches.
  std::vector<std::string> include;
  std::vector<std::string> exclude;
  // (expression, bits): other widths for some layers; the last match counts.
  std::vector<std::pair<std::string, int>> layer_bits;
  // What single layers differ in, by exact name; never beside include, exclude and layer_bits. Of
  // layers that share a weight all get the same grid.
  std::vector<LayerPlan> plan;
  uint64_t seed = 42;
  // Of the rounding alone; nothing = `seed`. Draws of one method that differ in this alone share
  // the columns that they are searched on and judged by.
  std::optional<uint64_t> rounding_seed;
  int num_threads = 1;
  // Bytes of resident memory to stay below; nothing = half of the machine's. Decides where
  // activations are kept, never what comes out.
  std::optional<int64_t> memory_limit;
  // Bytes that the caller holds beside the run, and that count under the limit: decoded pictures.
  int64_t caller_bytes = 0;
  // Where activations go that do not fit into memory.
  std::filesystem::path spill_directory;

  // The grid of layers that nothing else says anything about.
  LayerGrid DefaultGrid() const;
  // Every violation; empty = sound.
  std::vector<std::string> Validate() const;
};

// `options` with the decisions that a run of them came to (QuantizeResult::plan) in place of what
// led there: the grid that most layers have as the default one, and a plan of the others alone.
// Gives the same result, and is the same for all options that come to the same decisions.
QuantizeOptions WithDecisions(QuantizeOptions options, const std::vector<LayerPlan>& decisions);

// Sets the optimizer's part of `options`: "fast", "default", "best" or "paper".
// Throws Error(kInvalidArgument), listing the names, where there is no such preset.
void ApplyPreset(const std::string& preset, QuantizeOptions& options);
std::vector<std::string> PresetNames();

struct Preset {
  std::string name;
  std::string summary;  // one line
};
std::vector<Preset> Presets();

// Those of the samples that no search sees, in rising order.
std::vector<int64_t> HeldOutSamples(int64_t num_samples, const QuantizeOptions& options);

struct QuantizeResult {
  QuantizedModel model;    // provenance still empty
  QuantizedModel nearest;  // the same grids, every weight rounded to nearest
  // What was quantized: folded and transformed, its weights in float.
  Graph float_graph;
  std::vector<LayerReport> layers;
  std::vector<LeftLayer> left;
  // What was decided for each layer that could be quantized, in the network's order.
  std::vector<LayerPlan> plan;
  // Layers whose activations are quantized but whose bias stays in float: name and why.
  std::vector<LeftLayer> float_biases;
  int64_t num_folded_batch_norms = 0;
  int64_t num_samples = 0;
  int64_t num_held_out_samples = 0;
  // Multiply-accumulates of one sample through the float network, and of all forward passes of both
  // streams together.
  int64_t macs_per_sample = 0;
  int64_t forward_macs = 0;
  int64_t num_segments = 0;
  int64_t peak_stored_bytes = 0;
  int64_t spilled_bytes = 0;
  double forward_seconds = 0.0;
  double solve_seconds = 0.0;
};

class QuantizeObserver : public ProgressObserver {
 public:
  // After each step of the float network's transformation that was asked for, before any layer.
  virtual void OnTransform(const TransformStep& step, const Graph& graph);
  // After each layer, in the order they are finished; `done` of `total` layers, which make up about
  // `fraction` of the work. Layers that share a weight count once.
  virtual void OnLayer(const LayerReport& layer, int64_t done, int64_t total, double fraction) = 0;
};

// What a run would do and need, from shapes alone.
struct QuantizePrediction {
  std::vector<LayerReport> layers;  // shapes and bits
  std::vector<LeftLayer> left;
  int64_t float_bytes = 0;      // of the weights to be quantized
  int64_t quantized_bytes = 0;  // packed, with scales
  int64_t macs_per_sample = 0;
  int64_t forward_macs = 0;  // all passes, all samples
  int64_t peak_memory_bytes = 0;
  double search_work = 0;  // multiply-accumulates of all searches, roughly
  std::vector<std::string> warnings;
};

// Runs float and quantized streams side by side through the network, layer after layer in
// topological order; each layer sees as x_hat what the layers before it, already quantized, make of
// the samples.
//
// `graph` is sorted and validated. Constants are folded, BatchNormalization is folded into the
// layer before it. The result depends on graph, samples and options, not on num_threads,
// memory_limit or spill_directory.
//
// Layers in `checkpoint` are taken from there instead of being searched, and each one that is
// searched is added to it. Both streams' activations are computed anew, from the same integers by
// the same program, so that the result is that of an undisturbed run: what the checkpoint was made
// from must say so (Checkpoint::Checkpoint, `inputs`).
//
// Throws Error: kInvalidArgument (options; a pattern that matches no layer; no layer to quantize;
// a layer that the given samples do not reach), kMalformed, kUnsupported, kNumerical, kIo,
// kCancelled.
QuantizeResult QuantizeModel(Graph graph, const CalibrationSet& samples,
                             const QuantizeOptions& options, QuantizeObserver* observer = nullptr,
                             Checkpoint* checkpoint = nullptr);

// A run's work in `count` parts for as many processes; index 1 ... count.
struct Shard {
  int64_t index = 1;
  int64_t count = 1;
};

// What one process does of a run.
struct ShardContents {
  struct Layer {
    std::string name;
    // First row and number of rows of each part; empty = the whole layer.
    std::vector<std::pair<int64_t, int64_t>> rows;
  };
  std::vector<Layer> layers;  // in the network's order
  double fraction = 0.0;      // of the work of all searches
};

// Searches the shard's layers, and parts of layers, that `checkpoint` does not have, and adds them;
// returns what they are.
// Whichever way a run is cut, QuantizeModel() with a checkpoint that holds what all of its shards
// found (Checkpoint::AddAllOf) gives the result of an undisturbed run; a part that is missing there
// is searched.
//
// Layers that depend on one another come to one shard: where all do, one has all the work. Given
// activations (CalibrationSet) of layers' inputs make them independent. A layer that depends on no
// other is cut in parts of its rows where it is more than a shard's fair part.
//
// REQUIRES: 1 <= shard.index <= shard.count.  Throws as QuantizeModel().
ShardContents QuantizeShard(Graph graph, const CalibrationSet& samples,
                            const QuantizeOptions& options, const Shard& shard,
                            QuantizeObserver* observer, Checkpoint& checkpoint);

// How many shards would share the work; runs one sample through the network.
std::vector<ShardContents> PredictShards(Graph graph, const CalibrationSet& samples,
                                         const QuantizeOptions& options, int64_t count);

// QuantizeModel() up to the point where work would begin; runs one sample through the network.
QuantizePrediction PredictQuantization(Graph graph, const CalibrationSet& samples,
                                       const QuantizeOptions& options);

}  // namespace adaround
