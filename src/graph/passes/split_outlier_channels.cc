#include "graph/passes/split_outlier_channels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "graph/linear_layer.h"
#include "graph/name_book.h"

namespace adaround {
namespace {

// Where a weight's input channels lie: element (outer, channel, inner) is at
// (outer * channels + channel) * inner_size + inner.
struct ChannelAxisView {
  int64_t outer_size = 1;
  int64_t channels = 1;
  int64_t inner_size = 1;
};

// The dimension of the weight that counts input channels of a layer without groups.
size_t InputAxis(const LinearLayer& layer) { return layer.weight_axis == 0 ? 1 : 0; }

ChannelAxisView ViewOf(const Shape& shape, size_t axis) {
  ChannelAxisView view;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i < axis) view.outer_size *= shape[i];
    if (i == axis) view.channels = shape[i];
    if (i > axis) view.inner_size *= shape[i];
  }
  return view;
}

// One input channel's weights, in the order of (outer, inner).
using Channel = std::vector<float>;

std::vector<Channel> ChannelsOf(const float* weights, const ChannelAxisView& view) {
  std::vector<Channel> channels(static_cast<size_t>(view.channels));
  for (int64_t outer = 0; outer < view.outer_size; ++outer) {
    for (Channel& channel : channels) {
      channel.insert(channel.end(), weights, weights + view.inner_size);
      weights += view.inner_size;
    }
  }
  return channels;
}

float LargestMagnitude(const Channel& channel) {
  float largest = 0.0F;
  for (const float w : channel) largest = std::max(largest, std::abs(w));
  return largest;
}

// The channels to split, in turn; a split channel's second copy goes to the end of the list.
std::vector<size_t> ChooseSplits(const std::vector<Channel>& channels, int64_t count) {
  std::vector<float> largest;
  for (const Channel& channel : channels) largest.push_back(LargestMagnitude(channel));
  std::vector<size_t> splits;
  for (int64_t i = 0; i < count; ++i) {
    const auto found = std::max_element(largest.begin(), largest.end());
    // Below this, halves leave the normal numbers.
    if (*found < 4 * std::numeric_limits<float>::min()) break;
    splits.push_back(static_cast<size_t>(found - largest.begin()));
    *found /= 2;
    largest.push_back(*found);
  }
  return splits;
}

// The larger part of w; w minus it is exact, as it lies between w / 2 and 2 w (Sterbenz), or is
// w / 2.
float LargerPart(float w, float quarter_step) {
  const float magnitude = std::abs(w);
  const bool is_small = magnitude <= quarter_step;
  return std::copysign(is_small ? magnitude / 2 : magnitude / 2 + quarter_step, w);
}

// Divides the channels of `splits`; the weights' steps are those of `rows`, one entry of it per
// element of a channel.
void Split(const std::vector<size_t>& splits, const std::vector<float>& quarter_step,
           std::vector<Channel>& channels) {
  for (const size_t split : splits) {
    Channel second = channels[split];
    Channel& first = channels[split];
    for (size_t i = 0; i < first.size(); ++i) {
      const float larger = LargerPart(first[i], quarter_step[i]);
      second[i] = first[i] - larger;
      first[i] = larger;
    }
    channels.push_back(std::move(second));
  }
}

Tensor WeightOf(const std::vector<Channel>& channels, Shape shape, size_t axis) {
  shape[axis] = static_cast<int64_t>(channels.size());
  const ChannelAxisView view = ViewOf(shape, axis);
  std::vector<float> weights;
  weights.reserve(static_cast<size_t>(view.outer_size * view.channels * view.inner_size));
  for (int64_t outer = 0; outer < view.outer_size; ++outer) {
    for (const Channel& channel : channels) {
      const auto begin = channel.begin() + outer * view.inner_size;
      weights.insert(weights.end(), begin, begin + view.inner_size);
    }
  }
  return Tensor::FromVector<float>(std::move(shape), weights);
}

// A quarter of the step for each element of a channel, from the channels as they will be.
std::vector<float> QuarterSteps(const std::vector<Channel>& halved, const LinearLayer& layer,
                                const ChannelAxisView& view, const OutlierSplitOptions& options) {
  const size_t size = halved.front().size();
  // With output channels before the input's, an element's row is its outer index; behind them, the
  // first extent of the inner ones.
  const int64_t row_stride =
      layer.weight_axis == 0 ? view.inner_size : view.inner_size / layer.num_rows;
  std::vector<float> largest(static_cast<size_t>(layer.num_rows), 0.0F);
  const auto row_of = [&](size_t i) {
    return options.scale_per_row ? i / static_cast<size_t>(row_stride) : size_t{0};
  };
  for (const Channel& channel : halved) {
    for (size_t i = 0; i < size; ++i) {
      largest[row_of(i)] = std::max(largest[row_of(i)], std::abs(channel[i]));
    }
  }
  std::vector<float> quarter(size);
  for (size_t i = 0; i < size; ++i) {
    quarter[i] = largest[row_of(i)] / static_cast<float>(options.steps) / 4;
  }
  return quarter;
}

// The channel that each entry of the list is a copy of, once all splits are made.
std::vector<int64_t> SourcesOf(size_t num_channels, const std::vector<size_t>& splits) {
  std::vector<int64_t> sources;
  for (size_t i = 0; i < num_channels; ++i) sources.push_back(static_cast<int64_t>(i));
  for (const size_t split : splits) sources.push_back(sources[split]);
  return sources;
}

std::string ReasonToLeave(const LinearLayer& layer, const Graph& graph,
                          const std::map<std::string, std::vector<size_t>>& consumers) {
  if (layer.num_groups != 1) return "it has groups";
  const auto readers = consumers.find(layer.weight);
  const Node& node = graph.nodes[layer.node];
  const bool reads_twice = std::count(node.inputs.begin(), node.inputs.end(), layer.weight) != 1;
  if (readers->second.size() != 1 || reads_twice || graph.IsOutput(layer.weight)) {
    return "its weight is read elsewhere too";
  }
  return "";
}

}  // namespace

OutlierSplit SplitOutlierChannels(const std::map<std::string, OutlierSplitOptions>& options,
                                  Graph& graph) {
  OutlierSplit result;
  const auto consumers = graph.Consumers();
  NameBook tensors = TensorNames(graph);
  NameBook nodes = NodeNames(graph);
  std::map<size_t, Node> gathers;  // by the index of the node that they go before
  for (const LinearLayer& layer : FindLinearLayers(graph).layers) {
    const auto own = options.find(layer.name);
    if (own == options.end()) continue;
    const std::string reason = ReasonToLeave(layer, graph, consumers);
    if (!reason.empty()) {
      result.left.push_back(layer.name + ": " + reason);
      continue;
    }
    const Tensor& weight = graph.initializers.at(layer.weight);
    const size_t axis = InputAxis(layer);
    const ChannelAxisView view = ViewOf(weight.shape(), axis);
    std::vector<Channel> channels = ChannelsOf(weight.data<float>(), view);
    const auto wanted =
        static_cast<int64_t>(std::ceil(own->second.ratio * static_cast<double>(view.channels)));
    const std::vector<size_t> splits = ChooseSplits(channels, wanted);
    if (splits.empty()) {
      result.left.push_back(layer.name + ": its weights are zero");
      continue;
    }
    std::vector<Channel> halved = channels;
    Split(splits, std::vector<float>(channels.front().size(), 0.0F), halved);
    const std::vector<float> quarter_step = QuarterSteps(halved, layer, view, own->second);
    Split(splits, quarter_step, channels);

    const std::string indices = tensors.Fresh(layer.weight + ".split_channels");
    const std::string gathered = tensors.Fresh(layer.input + ".split_for." + layer.name);
    const std::vector<int64_t> sources = SourcesOf(static_cast<size_t>(view.channels), splits);
    graph.initializers[indices] =
        Tensor::FromVector<int64_t>({static_cast<int64_t>(sources.size())}, sources);
    // A product of matrices reads its input's last dimension, all others the second.
    const int64_t input_axis = layer.kind == LinearKind::kMatMul ? -1 : 1;
    gathers.emplace(layer.node, NewNode(nodes, "Gather", {layer.input, indices}, gathered,
                                        {{"axis", input_axis}}));
    graph.nodes[layer.node].inputs[0] = gathered;
    const auto num_splits = static_cast<int64_t>(splits.size());
    result.layers.push_back({layer.name, view.channels, num_splits,
                             num_splits * view.outer_size * view.inner_size});
    graph.initializers[layer.weight] = WeightOf(channels, weight.shape(), axis);
  }
  std::vector<Node> all;
  all.reserve(graph.nodes.size() + gathers.size());
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto gather = gathers.find(i);
    if (gather != gathers.end()) all.push_back(std::move(gather->second));
    all.push_back(std::move(graph.nodes[i]));
  }
  graph.nodes = std::move(all);
  return result;
}

}  // namespace adaround
