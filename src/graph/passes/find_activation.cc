#include "graph/passes/find_activation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "graph/passes/channel_reach.h"
#include "graph/passes/element_function.h"

namespace adaround {
namespace {

// A constant float32 scalar or one-element tensor; nothing where it is not one.
std::optional<float> ConstantScalar(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.dtype() != DType::kFloat32 ||
      found->second.num_elements() != 1) {
    return std::nullopt;
  }
  return found->second.data<float>()[0];
}

std::optional<Activation> ClipOf(const Graph& graph, const Node& node) {
  float bounds[2] = {-std::numeric_limits<float>::infinity(),
                     std::numeric_limits<float>::infinity()};
  // Opset 6 keeps the bounds in attributes, 11 and later in inputs.
  bounds[0] = static_cast<float>(node.GetFloat("min", bounds[0]));
  bounds[1] = static_cast<float>(node.GetFloat("max", bounds[1]));
  for (size_t i = 0; i < 2; ++i) {
    if (node.inputs.size() <= i + 1 || node.inputs[i + 1].empty()) continue;
    const std::optional<float> bound = ConstantScalar(graph, node.inputs[i + 1]);
    if (!bound) return std::nullopt;
    bounds[i] = *bound;
  }
  // The largest float stands for no bound.
  for (float& bound : bounds) {
    if (std::abs(bound) == std::numeric_limits<float>::max()) {
      bound = std::copysign(std::numeric_limits<float>::infinity(), bound);
    }
  }
  if (!(bounds[0] <= bounds[1])) return std::nullopt;
  return MakeClip(bounds[0], bounds[1]);
}

std::optional<Activation> ActivationOf(const Graph& graph, const Node& node) {
  Activation activation;
  if (node.op == "Relu") return MakeRelu();
  if (node.op == "LeakyRelu") {
    return MakeLeakyRelu(static_cast<float>(node.GetFloat("alpha", 0.01)));
  }
  if (node.op == "PRelu" && node.inputs.size() == 2) {
    const std::optional<float> slope = ConstantScalar(graph, node.inputs[1]);
    return slope ? std::optional(MakeLeakyRelu(*slope)) : std::nullopt;
  }
  if (node.op == "Clip") return ClipOf(graph, node);
  if (node.op == "Mish") activation.kind = Activation::Kind::kMish;
  else if (node.op == "Sigmoid") activation.kind = Activation::Kind::kSigmoid;
  else if (node.op == "HardSwish") activation.kind = Activation::Kind::kHardSwish;
  else if (node.op == "Tanh") activation.kind = Activation::Kind::kTanh;
  else if (node.op == "Gelu") {
    activation.kind = node.GetString("approximate", "none") == "tanh" ? Activation::Kind::kGeluTanh
                                                                     : Activation::Kind::kGelu;
  } else if (node.op == "HardSigmoid") {
    activation.kind = Activation::Kind::kHardSigmoid;
    activation.alpha = static_cast<float>(node.GetFloat("alpha", 0.2));
    activation.beta = static_cast<float>(node.GetFloat("beta", 0.5));
  } else {
    return std::nullopt;
  }
  return activation;
}

// Functions without parameters that exporters spread over several nodes.
constexpr Activation::Kind kSpreadKinds[] = {
    Activation::Kind::kSilu, Activation::Kind::kHardSwish, Activation::Kind::kGelu,
    Activation::Kind::kGeluTanh, Activation::Kind::kMish, Activation::Kind::kSigmoid,
    Activation::Kind::kTanh};

// The member of the piecewise linear family, or the HardSigmoid, that f would have to be, read off
// f far out and around zero.
std::vector<Activation> FittedTo(const ElementFunction& f) {
  constexpr double kFar = 1e6;
  const float infinity = std::numeric_limits<float>::infinity();
  Activation leaky = MakeLeakyRelu(static_cast<float>(f(-kFar) / -kFar));
  Activation clip = MakeClip(static_cast<float>(f(-kFar)), static_cast<float>(f(kFar)));
  if (f(-kFar) == -kFar) clip.lower = -infinity;
  if (f(kFar) == kFar) clip.upper = infinity;
  Activation hard_sigmoid;
  hard_sigmoid.kind = Activation::Kind::kHardSigmoid;
  constexpr double kStep = 1.0 / 64;
  hard_sigmoid.beta = static_cast<float>(f(0.0));
  hard_sigmoid.alpha = static_cast<float>((f(kStep) - f(0.0)) / kStep);
  std::vector<Activation> fitted = {clip, leaky};
  // Flat on one side of zero, it has no slope to read off.
  if (f(-kStep) < f(0.0) && f(0.0) < f(kStep)) fitted.push_back(hard_sigmoid);
  return fitted;
}

// Whether both are the same function. Constants are float32, often written with seven digits or
// fewer and multiplied by up to 8^3 at the points compared, and Apply() computes in float32: 2e-5
// covers that. The two forms of Gelu, which are the most alike, differ by 4e-4.
//
// Farther out, where a bound such as that of Min(HardSwish(z), 10) shows, the same tolerance is
// relative, and powers of two suffice.
bool IsSame(const ElementFunction& f, const Activation& activation) {
  constexpr double kTolerance = 2e-5;
  constexpr double kReach = 8.0;
  constexpr double kFar = 1 << 20;
  constexpr double kStep = 1.0 / 32;
  const auto apply = [&](double z) {
    const float in = static_cast<float>(z);
    float value = 0.0F;
    activation.Apply(&in, &value, 1);
    return static_cast<double>(value);
  };
  for (double z = -kReach; z <= kReach; z += kStep) {
    // Written so that NaN is a difference.
    if (!(std::abs(f(z) - apply(z)) <= kTolerance)) return false;
  }
  for (double magnitude = 2 * kReach; magnitude <= kFar; magnitude *= 2) {
    for (const double z : {-magnitude, magnitude}) {
      const double wanted = apply(z);
      const double value = f(z);
      // Forms such as e^z / (1 + e^z) overflow somewhere; from there on they say nothing.
      if (std::isnan(value)) continue;
      if (!(std::abs(value - wanted) <= kTolerance * std::max(1.0, std::abs(wanted)))) return false;
    }
  }
  return true;
}

std::optional<Activation> Recognise(const ElementFunction& f) {
  for (const Activation::Kind kind : kSpreadKinds) {
    Activation activation;
    activation.kind = kind;
    if (IsSame(f, activation)) return activation;
  }
  for (const Activation& activation : FittedTo(f)) {
    if (!activation.IsIdentity() && IsSame(f, activation)) return activation;
  }
  return std::nullopt;
}

// Members of the piecewise linear family in a row, as one function per channel.
class ActivationChain {
 public:
  ActivationChain(const Graph& graph, const ChannelPlace& place) : graph_(graph), place_(place) {
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    const auto channels = static_cast<size_t>(place.num_channels);
    slope_.assign(channels, 1.0F);
    lower_.assign(channels, -kInfinity);
    upper_.assign(channels, kInfinity);
  }

  // Whether the node, which reads `input` and nothing else, could be joined.
  bool Join(const Node& node, const std::string& input) {
    if (node.outputs.size() != 1) return false;
    if (node.op == "LeakyRelu" || node.op == "PRelu") return JoinSlope(node, input);
    ChannelBounds bounds{{0.0F}, {std::numeric_limits<float>::infinity()}};
    if (node.op != "Relu") {
      const auto found = BoundsOf(graph_, node, input, place_);
      if (!found) return false;
      bounds = *found;
    }
    for (size_t c = 0; c < lower_.size(); ++c) {
      const float low = bounds.lower[bounds.lower.size() == 1 ? 0 : c];
      const float high = bounds.upper[bounds.upper.size() == 1 ? 0 : c];
      lower_[c] = std::min(std::max(lower_[c], low), high);
      upper_[c] = std::min(std::max(upper_[c], low), high);
    }
    last_node_ = node.name;
    return true;
  }

  LayerActivation Joined() const {
    ChannelActivation activation;
    Settle(slope_, activation.function.negative_slope, activation.negative_slope);
    Settle(lower_, activation.function.lower, activation.lower);
    Settle(upper_, activation.function.upper, activation.upper);
    return {activation, last_node_};
  }

  // Nothing where all channels have the same function.
  std::optional<LayerActivation> PerChannel() const {
    LayerActivation joined = Joined();
    const ChannelActivation& activation = joined.activation;
    const bool is_same = activation.negative_slope.empty() && activation.lower.empty() &&
                         activation.upper.empty();
    if (is_same) return std::nullopt;
    return joined;
  }

 private:
  bool JoinSlope(const Node& node, const std::string& input) {
    // Behind bounds or another slope, a slope would make another function.
    const auto is_infinite = [](float bound) { return std::isinf(bound); };
    if (has_slope_ || node.inputs.empty() || node.inputs[0] != input ||
        !std::all_of(lower_.begin(), lower_.end(), is_infinite) ||
        !std::all_of(upper_.begin(), upper_.end(), is_infinite)) {
      return false;
    }
    std::vector<float> slope = {static_cast<float>(node.GetFloat("alpha", 0.01))};
    if (node.op == "PRelu") {
      if (node.inputs.size() != 2) return false;
      const auto constant = graph_.opset < 7 ? OldSlope(node.inputs[1])
                                             : ChannelConstant(graph_, node.inputs[1], place_);
      if (!constant) return false;
      slope = *constant;
    }
    for (size_t c = 0; c < slope_.size(); ++c) slope_[c] = slope[slope.size() == 1 ? 0 : c];
    has_slope_ = true;
    last_node_ = node.name;
    return true;
  }

  // Before opset 7 a slope of one dimension lies along dimension 1, and is one number or one per
  // channel.
  std::optional<std::vector<float>> OldSlope(const std::string& name) const {
    const auto found = graph_.initializers.find(name);
    if (found == graph_.initializers.end() || found->second.dtype() != DType::kFloat32 ||
        found->second.rank() > 1) {
      return std::nullopt;
    }
    const Tensor& slope = found->second;
    const bool is_own = place_.rank - place_.from_end == 1 &&
                        slope.num_elements() == place_.num_channels;
    if (slope.num_elements() != 1 && !is_own) return std::nullopt;
    return std::vector<float>(slope.data<float>(), slope.data<float>() + slope.num_elements());
  }

  static void Settle(const std::vector<float>& channels, float& common, std::vector<float>& own) {
    const bool is_same = std::all_of(channels.begin(), channels.end(),
                                     [&](float value) { return value == channels.front(); });
    if (is_same) {
      common = channels.front();
    } else {
      own = channels;
    }
  }

  const Graph& graph_;
  const ChannelPlace& place_;
  std::vector<float> slope_;
  std::vector<float> lower_;
  std::vector<float> upper_;
  bool has_slope_ = false;
  std::string last_node_;
};

// The longest such chain behind the tensor, where channels differ.
std::optional<LayerActivation> FindChain(
    const Graph& graph, const std::map<std::string, std::vector<size_t>>& consumers,
    std::string tensor, const ChannelPlace& place) {
  if (place.num_channels < 1) return std::nullopt;
  ActivationChain chain(graph, place);
  // More do not occur.
  constexpr int kMaxNodes = 8;
  for (int i = 0; i < kMaxNodes && !graph.IsOutput(tensor); ++i) {
    const auto readers = consumers.find(tensor);
    if (readers == consumers.end() || readers->second.size() != 1) break;
    const Node& node = graph.nodes[readers->second.front()];
    if (std::count(node.inputs.begin(), node.inputs.end(), tensor) != 1 ||
        !chain.Join(node, tensor)) {
      break;
    }
    tensor = node.outputs[0];
  }
  return chain.PerChannel();
}

}  // namespace

LayerActivation FindActivation(const Graph& graph,
                               const std::map<std::string, std::vector<size_t>>& consumers,
                               const std::string& tensor, const ChannelPlace& place) {
  const auto found = consumers.find(tensor);
  if (found == consumers.end() || graph.IsOutput(tensor)) return {};
  if (std::optional<LayerActivation> chain = FindChain(graph, consumers, tensor, place)) {
    return *chain;
  }
  // The longest group that is an activation: a Relu whose result is then cut at 6 is both.
  std::vector<ElementFunction> functions = FindElementFunctions(graph, consumers, tensor);
  for (size_t i = functions.size(); i-- > 0;) {
    if (functions[i].num_nodes() < 2) continue;
    if (const std::optional<Activation> activation = Recognise(functions[i])) {
      return {{.function = *activation}, functions[i].last_node()};
    }
  }
  const std::vector<size_t>& readers = found->second;
  if (readers.size() != 1) return {};
  const Node& node = graph.nodes[readers.front()];
  // The layer's output must be the operand, not a bound or a slope.
  if (node.inputs.empty() || node.inputs[0] != tensor) return {};
  if (const std::optional<Activation> activation = ActivationOf(graph, node)) {
    return {{.function = *activation}, node.name};
  }
  // A slope per channel, all of them the same.
  if (node.op == "PRelu" && place.num_channels > 0) {
    ActivationChain slope(graph, place);
    if (slope.Join(node, tensor)) return slope.Joined();
  }
  return {};
}

}  // namespace adaround
