#include "graph/passes/absorb_bias.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <vector>

#include "graph/linear_layer.h"
#include "graph/passes/channel_bounds.h"
#include "graph/passes/channel_reach.h"
#include "graph/passes/own_bias.h"
#include "graph/passes/rename_tensors.h"

namespace adaround {
namespace {

// Standard deviations below the mean: 99.87 % of a normal distribution lie above.
constexpr double kDeviations = 3.0;

struct Candidate {
  size_t layer = 0;
  ChannelReach reach;
  std::vector<double> shift;  // c
};

bool PadsOrIsTransposed(const Node& node) {
  if (node.op == "ConvTranspose") return true;
  if (node.op != "Conv") return false;
  const std::string auto_pad = node.GetString("auto_pad", "NOTSET");
  if (auto_pad == "VALID") return false;
  const std::vector<int64_t> pads = node.GetInts("pads", {});
  return auto_pad != "NOTSET" ||
         std::any_of(pads.begin(), pads.end(), [](int64_t pad) { return pad != 0; });
}

// Bounds of Relu, Clip, Min and Max; nothing for a function with a slope.
std::optional<ChannelBounds> ShiftableBounds(const Graph& graph, const Node& node,
                                             const ChannelPlace& place) {
  if (node.op == "Relu") return ChannelBounds{{0.0F}, {std::numeric_limits<float>::infinity()}};
  return BoundsOf(graph, node, BoundedInput(graph, node), place);
}

// Whether all paths carry a shift of their channels on to the readers, and the least upper bound of
// each channel.
bool CarriesShift(const Graph& graph, const ChannelReach& reach, std::vector<double>& upper) {
  for (const ChannelPath& path : reach.paths) {
    for (const size_t index : path.nodes) {
      const Node& node = graph.nodes[index];
      const ChannelStep step = StepOf(node);
      if (step == ChannelStep::kKeeps || step == ChannelStep::kMean || node.op == "MaxPool" ||
          node.op == "GlobalMaxPool") {
        continue;
      }
      const ChannelPlace& place = reach.places.at(index);
      if (step != ChannelStep::kActivation || place.num_channels == 0 || graph.opset < 8) {
        return false;
      }
      const auto bounds = ShiftableBounds(graph, node, place);
      if (!bounds) return false;
      for (size_t c = 0; c < upper.size(); ++c) {
        const double bound = bounds->upper[bounds->upper.size() == 1 ? 0 : c];
        upper[c] = std::min(upper[c], bound);
      }
    }
  }
  return true;
}

std::vector<Candidate> FindCandidates(const Graph& graph, const std::vector<LinearLayer>& layers,
                                      const std::set<std::string>& fixed,
                                      const ChannelMomentsMap& moments,
                                      AbsorptionResult& result) {
  const auto consumers = graph.Consumers();
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < layers.size(); ++i) {
    const auto known = moments.find(layers[i].output);
    if (known == moments.end() || fixed.contains(graph.nodes[layers[i].node].outputs[0])) continue;
    Candidate candidate;
    candidate.layer = i;
    candidate.reach = FollowChannels(graph, layers, consumers, i, fixed);
    std::vector<double> upper(known->second.mean.size(), std::numeric_limits<double>::infinity());
    if (!candidate.reach.is_closed || candidate.reach.paths.empty() ||
        !CarriesShift(graph, candidate.reach, upper)) {
      continue;
    }
    bool shifts = false;
    for (size_t c = 0; c < upper.size(); ++c) {
      const double low = known->second.mean[c] - kDeviations * known->second.std[c];
      // NaN is no shift.
      const double shift = low > 0.0 ? std::max(0.0, std::min(low, upper[c])) : 0.0;
      candidate.shift.push_back(static_cast<float>(shift));
      shifts = shifts || shift > 0.0;
    }
    if (!shifts) continue;
    const bool is_padded = std::any_of(
        candidate.reach.paths.begin(), candidate.reach.paths.end(), [&](const ChannelPath& path) {
          return PadsOrIsTransposed(graph.nodes[layers[path.reader].node]);
        });
    if (is_padded) {
      ++result.num_padded;
    } else {
      candidates.push_back(std::move(candidate));
    }
  }
  return candidates;
}

void AddToBias(Graph& graph, const LinearLayer& layer, const std::vector<double>& terms) {
  Tensor bias = graph.initializers.at(layer.bias).Clone();
  float* values = bias.mutable_data<float>();
  for (size_t c = 0; c < terms.size(); ++c) values[c] = static_cast<float>(values[c] + terms[c]);
  graph.initializers[layer.bias] = std::move(bias);
}

// W2 c
std::vector<double> ReaderTerms(const Graph& graph, const LinearLayer& reader,
                                const ChannelPath& path, const std::vector<double>& shift) {
  const Tensor& weight = graph.initializers.at(reader.weight);
  std::vector<double> terms(static_cast<size_t>(reader.num_rows), 0.0);
  ForEachChannelPair(
      reader, weight.shape(), [&](int64_t out, int64_t in, int64_t offset, int64_t length) {
        double sum = 0.0;
        for (int64_t k = offset; k < offset + length; ++k) sum += weight.data<float>()[k];
        terms[static_cast<size_t>(out)] +=
            reader.input_factor * sum * shift[static_cast<size_t>(in / path.inputs_per_channel)];
      });
  return terms;
}

}  // namespace

AbsorptionResult AbsorbHighBias(Graph& graph, const std::set<std::string>& fixed,
                                ChannelMomentsMap& moments) {
  std::vector<LinearLayer> layers = FindLinearLayers(graph).layers;
  AbsorptionResult found;
  std::vector<LinearLayer> changed;
  for (const Candidate& candidate : FindCandidates(graph, layers, fixed, moments, found)) {
    changed.push_back(layers[candidate.layer]);
    for (const ChannelPath& path : candidate.reach.paths) changed.push_back(layers[path.reader]);
  }
  std::sort(changed.begin(), changed.end(),
            [](const LinearLayer& a, const LinearLayer& b) { return a.node < b.node; });
  changed.erase(std::unique(changed.begin(), changed.end(),
                            [](const LinearLayer& a, const LinearLayer& b) {
                              return a.node == b.node;
                            }),
                changed.end());
  GiveOwnBiases(graph, changed);

  layers = FindLinearLayers(graph).layers;
  AbsorptionResult result;
  ChannelBoundsEditor editor(graph);
  std::set<std::string> lowered_tensors;
  for (Candidate& candidate : FindCandidates(graph, layers, fixed, moments, result)) {
    ++result.num_layers;
    lowered_tensors.insert(layers[candidate.layer].output);
    lowered_tensors.insert(graph.nodes[layers[candidate.layer].node].outputs[0]);
    for (const auto& [index, place] : candidate.reach.places) {
      lowered_tensors.insert(graph.nodes[index].outputs[0]);
    }
    std::vector<double>& shift = candidate.shift;
    for (const ChannelPath& path : candidate.reach.paths) {
      const LinearLayer& reader = layers[path.reader];
      AddToBias(graph, reader, ReaderTerms(graph, reader, path, shift));
    }
    for (const auto& [index, place] : candidate.reach.places) {
      if (StepOf(graph.nodes[index]) != ChannelStep::kActivation) continue;
      ChannelBounds bounds = *ShiftableBounds(graph, graph.nodes[index], place);
      for (std::vector<float>* values : {&bounds.lower, &bounds.upper}) {
        if (std::isinf(values->front()) && values->size() == 1) continue;
        std::vector<float> shifted;
        for (size_t c = 0; c < shift.size(); ++c) {
          const double bound = (*values)[values->size() == 1 ? 0 : c];
          shifted.push_back(static_cast<float>(bound - shift[c]));
        }
        *values = std::move(shifted);
      }
      editor.SetBounds(index, place, bounds);
    }
    ChannelMoments& lowered = moments.at(layers[candidate.layer].output);
    for (size_t c = 0; c < shift.size(); ++c) {
      result.num_channels += shift[c] > 0.0 ? 1 : 0;
      lowered.mean[c] -= shift[c];
      shift[c] = -shift[c];
    }
    AddToBias(graph, layers[candidate.layer], shift);
  }
  editor.Apply();
  for (const auto& [old_name, new_name] : RenameTensors(graph, lowered_tensors, "/lowered")) {
    auto known = moments.extract(old_name);
    if (known.empty()) continue;
    known.key() = new_name;
    moments.insert(std::move(known));
  }
  return result;
}

}  // namespace adaround
