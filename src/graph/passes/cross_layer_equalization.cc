#include "graph/passes/cross_layer_equalization.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "adaround/base/error.h"
#include "graph/linear_layer.h"
#include "graph/passes/channel_bounds.h"
#include "graph/passes/channel_reach.h"
#include "graph/passes/rename_tensors.h"

namespace adaround {
namespace {

// Values that a scale makes stay below this: float32 with room for sums.
constexpr double kLargestValue = 1e30;

using Ranges = std::vector<double>;

// A layer's weights with the scales that its channels have so far.
struct ScaledLayer {
  Shape shape;
  // Largest magnitude of each stretch of weights that ForEachChannelPair() visits.
  std::vector<float> largest;
  std::vector<double> out_scale;  // by which the rows are divided
  std::vector<double> in_scale;   // by which the inputs' weights are multiplied; one per input
};

// Which of a channel's sides is read as zeros, as its weights are so much smaller than others'.
enum class Negligible : uint8_t { kNone, kRow, kColumn };

struct Pair {
  size_t layer = 0;
  ChannelReach reach;
  std::vector<Negligible> negligible;
  std::vector<double> bias;  // largest magnitude of what is added per channel, bounds included
  std::vector<double> scale;
};

bool AllFinite(const Tensor& tensor) {
  const float* values = tensor.data<float>();
  return std::all_of(values, values + tensor.num_elements(),
                     [](float value) { return std::isfinite(value); });
}

double At(const std::vector<float>& values, size_t channel) {
  return values[values.size() == 1 ? 0 : channel];
}

// Whether scales change the bound.
bool Moves(float bound) { return std::isfinite(bound) && bound != 0.0F; }

std::vector<float> LargestMagnitudes(const LinearLayer& layer, const Tensor& weight) {
  std::vector<float> all;
  ForEachChannelPair(layer, weight.shape(), [&](int64_t, int64_t, int64_t offset, int64_t length) {
    float largest = 0.0F;
    for (const float* w = weight.data<float>() + offset; length > 0; --length, ++w) {
      largest = std::max(largest, std::abs(*w));
    }
    all.push_back(largest);
  });
  return all;
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0.0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

class Equalizer {
 public:
  Equalizer(Graph& graph, const std::set<std::string>& fixed,
            const std::function<bool()>& should_stop)
      : graph_(graph),
        should_stop_(should_stop),
        consumers_(graph.Consumers()),
        layers_(FindLinearLayers(graph).layers) {
    FindPairs(fixed);
  }

  EqualizationResult Run() {
    if (!pairs_.empty()) {
      Sweep();
      ScaleWeights();
      ScaleBiases();
      const std::set<std::string> rescaled = RescaledTensors();
      ScaleBounds();
      renamed_ = RenameTensors(graph_, rescaled, "/equalized");
    }
    for (const Pair& pair : pairs_) {
      EqualizedPair equalized;
      equalized.layer = layers_[pair.layer].name;
      equalized.original_output = layers_[pair.layer].output;
      equalized.output = renamed_.at(equalized.original_output);
      for (const ChannelPath& path : pair.reach.paths) {
        equalized.readers.push_back(layers_[path.reader].name);
      }
      equalized.scale = pair.scale;
      result_.pairs.push_back(std::move(equalized));
    }
    return std::move(result_);
  }

 private:
  // Between the layers of all pairs.
  std::set<std::string> RescaledTensors() const {
    std::set<std::string> tensors;
    for (const Pair& pair : pairs_) {
      tensors.insert(layers_[pair.layer].output);
      tensors.insert(graph_.nodes[layers_[pair.layer].node].outputs[0]);
      for (const auto& [node, place] : pair.reach.places) {
        tensors.insert(graph_.nodes[node].outputs[0]);
      }
    }
    return tensors;
  }

  bool IsOwn(const std::string& initializer) const {
    const auto readers = consumers_.find(initializer);
    return readers != consumers_.end() && readers->second.size() == 1 &&
           !graph_.IsOutput(initializer);
  }

  // Whether the layer's weights may change: nothing else reads them, by any input.
  bool IsFree(const LinearLayer& layer) const {
    const Node& node = graph_.nodes[layer.node];
    return IsOwn(layer.weight) &&
           std::count(node.inputs.begin(), node.inputs.end(), layer.weight) == 1 &&
           AllFinite(graph_.initializers.at(layer.weight));
  }

  void FindPairs(const std::set<std::string>& fixed) {
    for (const LinearLayer& layer : layers_) {
      ScaledLayer scaled;
      scaled.shape = graph_.initializers.at(layer.weight).shape();
      scaled.out_scale.assign(static_cast<size_t>(layer.num_rows), 1.0);
      // Of all groups.
      scaled.in_scale.assign(static_cast<size_t>(NumInputs(layer, scaled.shape)), 1.0);
      scaled_.push_back(std::move(scaled));
    }
    for (size_t i = 0; i < layers_.size(); ++i) {
      std::string reason;
      if (std::optional<Pair> pair = PairOf(i, fixed, reason)) {
        pairs_.push_back(std::move(*pair));
      } else if (std::string ignored; !fixed.empty() && PairOf(i, {}, ignored)) {
        ++result_.num_fixed_pairs;
      } else if (!reason.empty()) {
        result_.left.push_back(layers_[i].name + ": " + reason);
      }
    }
    for (const Pair& pair : pairs_) {
      MeasureWeights(pair.layer);
      for (const ChannelPath& path : pair.reach.paths) MeasureWeights(path.reader);
    }
  }

  void MeasureWeights(size_t index) {
    if (!scaled_[index].largest.empty()) return;
    ThrowIfStopped();
    scaled_[index].largest =
        LargestMagnitudes(layers_[index], graph_.initializers.at(layers_[index].weight));
  }

  void ThrowIfStopped() const {
    if (should_stop_ && should_stop_()) {
      throw Error(ErrorCode::kCancelled, "stopped on request");
    }
  }

  static int64_t NumInputs(const LinearLayer& layer, const Shape& shape) {
    if (layer.weight_axis == 1) return shape[0];
    return shape[1] * layer.num_groups;
  }

  // Nothing, and a reason where other layers alone read the output.
  std::optional<Pair> PairOf(size_t index, const std::set<std::string>& fixed,
                             std::string& reason) const {
    const LinearLayer& layer = layers_[index];
    // A bias Add may stand between the product and the output.
    if (layer.num_rows < 2 || fixed.contains(graph_.nodes[layer.node].outputs[0])) {
      return std::nullopt;
    }
    Pair pair;
    pair.reach = FollowChannels(graph_, layers_, consumers_, index, fixed);
    if (!pair.reach.is_closed || pair.reach.paths.empty()) return std::nullopt;
    const auto leave = [&](const std::string& why) {
      reason = why;
      return std::nullopt;
    };
    if (!IsFree(layer)) return leave("its weight is read elsewhere too, or is not finite");
    pair.layer = index;
    pair.scale.assign(static_cast<size_t>(layer.num_rows), 1.0);
    pair.bias.assign(pair.scale.size(), 0.0);
    pair.negligible.assign(pair.scale.size(), Negligible::kNone);
    if (!layer.bias.empty()) {
      if (!IsOwn(layer.bias) || !AllFinite(graph_.initializers.at(layer.bias))) {
        return leave("its bias is read elsewhere too, or is not finite");
      }
      const std::vector<float> bias = LayerBias(graph_, layer);
      for (size_t c = 0; c < bias.size(); ++c) pair.bias[c] = std::abs(bias[c]);
    }
    for (const ChannelPath& path : pair.reach.paths) {
      if (path.reader == index || !IsFree(layers_[path.reader])) {
        return leave("the weight of '" + layers_[path.reader].name +
                     "' behind it is read elsewhere too, or is not finite");
      }
    }
    for (const auto& [node, place] : pair.reach.places) {
      const std::optional<ChannelBounds> bounds = Bounds(node, place);
      if (!bounds) continue;
      for (const auto* values : {&bounds->lower, &bounds->upper}) {
        for (size_t c = 0; c < pair.bias.size(); ++c) {
          const double bound = At(*values, c);
          if (!Moves(static_cast<float>(bound))) continue;
          const std::string& name = graph_.nodes[node].name;
          if (place.num_channels == 0) {
            return leave("bounds per channel do not fit the flattened maps that '" + name +
                         "' reads");
          }
          if (graph_.opset < 8) {
            return leave("bounds per channel in place of '" + name +
                         "' need operator set 8; the model has " + std::to_string(graph_.opset));
          }
          pair.bias[c] = std::max(pair.bias[c], std::abs(bound));
        }
      }
    }
    return pair;
  }

  std::optional<ChannelBounds> Bounds(size_t node, const ChannelPlace& place) const {
    return BoundsOf(graph_, graph_.nodes[node], BoundedInput(graph_, graph_.nodes[node]), place);
  }

  // Largest magnitude of each output channel's weights as they are scaled so far.
  Ranges OutputRanges(size_t index) const {
    const ScaledLayer& layer = scaled_[index];
    Ranges ranges(layer.out_scale.size(), 0.0);
    const float* largest = layer.largest.data();
    ForEachChannelPair(
        layers_[index], layer.shape, [&](int64_t out, int64_t in, int64_t, int64_t) {
          double& range = ranges[static_cast<size_t>(out)];
          range = std::max(range, layer.in_scale[static_cast<size_t>(in)] * *largest++);
        });
    for (size_t c = 0; c < ranges.size(); ++c) ranges[c] /= layer.out_scale[c];
    return ranges;
  }

  // The same of the inputs that come from one channel each.
  void IncludeInputRanges(const ChannelPath& path, Ranges& ranges) const {
    const ScaledLayer& layer = scaled_[path.reader];
    const float* largest = layer.largest.data();
    Ranges inputs(layer.in_scale.size(), 0.0);
    ForEachChannelPair(
        layers_[path.reader], layer.shape, [&](int64_t out, int64_t in, int64_t, int64_t) {
          const double scale =
              layer.in_scale[static_cast<size_t>(in)] / layer.out_scale[static_cast<size_t>(out)];
          double& range = inputs[static_cast<size_t>(in)];
          range = std::max(range, scale * *largest++);
        });
    const auto per_channel = static_cast<size_t>(path.inputs_per_channel);
    for (size_t i = 0; i < inputs.size(); ++i) {
      double& range = ranges[i / per_channel];
      range = std::max(range, inputs[i]);
    }
  }

  void Sweep() {
    do {
      result_.has_converged = false;
      while (!result_.has_converged && result_.num_sweeps < kMaxEqualizationSweeps) {
        ++result_.num_sweeps;
        double largest_change = 0.0;
        result_.num_dead_channels = 0;
        for (Pair& pair : pairs_) {
          ThrowIfStopped();
          largest_change = std::max(largest_change, Equalize(pair));
        }
        result_.has_converged = largest_change <= kEqualizationTolerance;
      }
      // What is small beside the others is known once neighbours have settled; each turn finds
      // more, or is the last.
    } while (result_.has_converged && FindNegligible());
  }

  // Of each channel's weights on either side, as they are scaled so far.
  struct PairRanges {
    Ranges first;
    Ranges second;
    double median = 0.0;  // of sqrt(first * second) of the live channels
  };

  PairRanges RangesOf(const Pair& pair) const {
    PairRanges ranges;
    ranges.first = OutputRanges(pair.layer);
    ranges.second.assign(ranges.first.size(), 0.0);
    for (const ChannelPath& path : pair.reach.paths) IncludeInputRanges(path, ranges.second);
    std::vector<double> live;
    for (size_t c = 0; c < pair.negligible.size(); ++c) {
      const double product = ranges.first[c] * ranges.second[c];
      if (pair.negligible[c] == Negligible::kNone && product > 0.0) {
        live.push_back(std::sqrt(product));
      }
    }
    ranges.median = Median(live);
    return ranges;
  }

  // Marks channels below kNegligibleRange and kNegligibleSide; whether there are more.
  bool FindNegligible() {
    bool found = false;
    for (Pair& pair : pairs_) {
      const PairRanges ranges = RangesOf(pair);
      std::vector<double> rows;
      std::vector<double> columns;
      for (size_t c = 0; c < pair.scale.size(); ++c) {
        if (pair.negligible[c] != Negligible::kNone) continue;
        if (ranges.first[c] == 0.0 || ranges.second[c] == 0.0) continue;
        rows.push_back(ranges.first[c] * pair.scale[c]);
        columns.push_back(ranges.second[c] / pair.scale[c]);
      }
      const double row_median = Median(rows);
      const double column_median = Median(columns);
      for (size_t c = 0; c < pair.scale.size(); ++c) {
        const double first = ranges.first[c];
        const double second = ranges.second[c];
        if (pair.negligible[c] != Negligible::kNone || first == 0.0 || second == 0.0) continue;
        if (std::sqrt(first * second) >= kNegligibleRange * ranges.median) continue;
        const double row = first * pair.scale[c] / row_median;
        const double column = second / pair.scale[c] / column_median;
        if (std::min(row, column) >= kNegligibleSide) continue;
        pair.negligible[c] = row <= column ? Negligible::kRow : Negligible::kColumn;
        found = true;
      }
    }
    return found;
  }

  // Returns the largest relative change of a scale.
  double Equalize(Pair& pair) {
    const PairRanges ranges = RangesOf(pair);
    const Ranges& first = ranges.first;
    const Ranges& second = ranges.second;
    const double median = ranges.median;
    double largest_change = 0.0;
    for (size_t c = 0; c < first.size(); ++c) {
      double change = 1.0;
      const bool row_counts = first[c] > 0.0 && pair.negligible[c] != Negligible::kRow;
      const bool column_counts = second[c] > 0.0 && pair.negligible[c] != Negligible::kColumn;
      if (row_counts && column_counts) {
        change = std::sqrt(first[c] / second[c]);
      } else {
        ++result_.num_dead_channels;
        if (median > 0.0 && column_counts) change = median / second[c];
        if (median > 0.0 && row_counts) change = first[c] / median;
      }
      // Within the bounds, and so that no product leaves float32.
      const double old = pair.scale[c];
      const double least = std::max({1.0 / kMaxEqualizationScale, pair.bias[c] / kLargestValue,
                                     old * first[c] / kLargestValue});
      const double most = std::min(kMaxEqualizationScale,
                                   second[c] > 0.0 ? old * kLargestValue / second[c]
                                                   : kMaxEqualizationScale);
      if (least > most) continue;
      const double scale = std::clamp(old * change, least, most);
      change = scale / old;
      pair.scale[c] = scale;
      scaled_[pair.layer].out_scale[c] = scale;
      for (const ChannelPath& path : pair.reach.paths) {
        std::vector<double>& inputs = scaled_[path.reader].in_scale;
        const auto begin = static_cast<int64_t>(c) * path.inputs_per_channel;
        for (int64_t i = begin; i < begin + path.inputs_per_channel; ++i) {
          inputs[static_cast<size_t>(i)] = scale;
        }
      }
      largest_change = std::max(largest_change, std::abs(std::log(change)));
    }
    return largest_change;
  }

  void ScaleWeights() {
    for (size_t i = 0; i < layers_.size(); ++i) {
      const ScaledLayer& layer = scaled_[i];
      const auto is_one = [](double scale) { return scale == 1.0; };
      if (std::all_of(layer.out_scale.begin(), layer.out_scale.end(), is_one) &&
          std::all_of(layer.in_scale.begin(), layer.in_scale.end(), is_one)) {
        continue;
      }
      Tensor scaled = graph_.initializers.at(layers_[i].weight).Clone();
      float* values = scaled.mutable_data<float>();
      ForEachChannelPair(
          layers_[i], layer.shape, [&](int64_t out, int64_t in, int64_t offset, int64_t length) {
            const double scale = layer.in_scale[static_cast<size_t>(in)] /
                                 layer.out_scale[static_cast<size_t>(out)];
            for (int64_t k = offset; k < offset + length; ++k) {
              values[k] = static_cast<float>(values[k] * scale);
            }
          });
      graph_.initializers[layers_[i].weight] = std::move(scaled);
    }
  }

  void ScaleBiases() {
    for (const Pair& pair : pairs_) {
      const std::string& name = layers_[pair.layer].bias;
      if (name.empty()) continue;
      const Tensor& old = graph_.initializers.at(name);
      const bool one_for_all = old.num_elements() == 1;
      std::vector<float> bias;
      for (size_t c = 0; c < pair.scale.size(); ++c) {
        const double value = old.data<float>()[one_for_all ? 0 : c];
        bias.push_back(static_cast<float>(value / pair.scale[c]));
      }
      const Shape shape = one_for_all ? Shape{static_cast<int64_t>(bias.size())} : old.shape();
      graph_.initializers[name] = Tensor::FromVector<float>(shape, bias);
    }
  }

  void ScaleBounds() {
    ChannelBoundsEditor editor(graph_);
    for (const Pair& pair : pairs_) {
      for (const auto& [index, place] : pair.reach.places) {
        std::optional<ChannelBounds> bounds = Bounds(index, place);
        if (!bounds) continue;
        const bool lower_moves = Scale(pair.scale, bounds->lower);
        const bool upper_moves = Scale(pair.scale, bounds->upper);
        if (lower_moves || upper_moves) editor.SetBounds(index, place, *bounds);
      }
    }
    editor.Apply();
    result_.num_split_clips = editor.num_split();
  }

  // Divides bounds by the scales; false where that changes nothing.
  static bool Scale(const std::vector<double>& scale, std::vector<float>& bounds) {
    if (std::none_of(bounds.begin(), bounds.end(), Moves)) return false;
    std::vector<float> scaled;
    bool changes = false;
    for (size_t c = 0; c < scale.size(); ++c) {
      scaled.push_back(static_cast<float>(At(bounds, c) / scale[c]));
      changes = changes || scale[c] != 1.0;
    }
    bounds = std::move(scaled);
    return changes;
  }

  Graph& graph_;
  const std::function<bool()>& should_stop_;
  std::map<std::string, std::vector<size_t>> consumers_;
  std::vector<LinearLayer> layers_;
  std::vector<ScaledLayer> scaled_;
  std::vector<Pair> pairs_;
  std::map<std::string, std::string> renamed_;
  EqualizationResult result_;
};

}  // namespace

EqualizationResult EqualizeCrossLayer(Graph& graph, const std::set<std::string>& fixed,
                                      const std::function<bool()>& should_stop) {
  return Equalizer(graph, fixed, should_stop).Run();
}

}  // namespace adaround
