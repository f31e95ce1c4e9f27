#include "graph/passes/channel_reach.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "adaround/base/error.h"

namespace adaround {
namespace {

// Longer ways do not occur in real networks; hostile ones shall not cost time.
constexpr size_t kMaxNodes = 32;
constexpr size_t kMaxPaths = 64;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct StepRow {
  std::string_view op;
  ChannelStep step;
};
constexpr StepRow kSteps[] = {
    {"AveragePool", ChannelStep::kOther},     {"Clip", ChannelStep::kActivation},
    {"Dropout", ChannelStep::kKeeps},         {"Flatten", ChannelStep::kKeeps},
    {"GlobalAveragePool", ChannelStep::kMean}, {"GlobalMaxPool", ChannelStep::kOther},
    {"Identity", ChannelStep::kKeeps},        {"LeakyRelu", ChannelStep::kActivation},
    {"Max", ChannelStep::kActivation},        {"MaxPool", ChannelStep::kOther},
    {"Min", ChannelStep::kActivation},        {"PRelu", ChannelStep::kActivation},
    {"Pad", ChannelStep::kOther},             {"ReduceMax", ChannelStep::kOther},
    {"ReduceMean", ChannelStep::kMean},       {"ReduceSum", ChannelStep::kOther},
    {"Relu", ChannelStep::kActivation},       {"Reshape", ChannelStep::kKeeps},
    {"Resize", ChannelStep::kOther},          {"Squeeze", ChannelStep::kKeeps},
    {"Transpose", ChannelStep::kKeeps},       {"Unsqueeze", ChannelStep::kKeeps},
    {"Upsample", ChannelStep::kOther},
};

// How the channels lie in a tensor on the way.
struct Layout {
  ChannelPlace place;
  bool is_flat = false;    // each channel's map lies flattened along the channels' dimension
  bool is_single = false;  // all other dimensions but the samples' have extent 1

  bool IsKnown() const { return place.rank > 0; }
  int64_t Axis() const { return place.rank - place.from_end; }
  // Maps of a convolution: [N, C, ...], at least one dimension of positions.
  bool IsMaps() const { return IsKnown() && place.rank >= 3 && Axis() == 1 && !is_flat; }
  void MoveTo(int64_t rank, int64_t axis) {
    place.rank = rank;
    place.from_end = rank - axis;
  }
};

const Tensor* FindInitializer(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  return found == graph.initializers.end() ? nullptr : &found->second;
}

// An operand that newer operators take as a constant input and older ones as an attribute.
std::optional<std::vector<int64_t>> Integers(const Graph& graph, const Node& node, size_t input,
                                             const char* attribute) {
  if (node.inputs.size() > input && !node.inputs[input].empty()) {
    const Tensor* tensor = FindInitializer(graph, node.inputs[input]);
    if (tensor == nullptr || tensor->dtype() != DType::kInt64) return std::nullopt;
    return ToInt64Vector(*tensor);
  }
  if (!node.HasAttribute(attribute)) return std::nullopt;
  return node.GetInts(attribute, {});
}

// Counted from the front; nothing where one is out of range or named twice.
std::optional<std::set<int64_t>> Axes(const std::vector<int64_t>& given, int64_t rank) {
  std::set<int64_t> axes;
  for (const int64_t axis : given) {
    if (axis < -rank || axis >= rank || !axes.insert(axis < 0 ? axis + rank : axis).second) {
      return std::nullopt;
    }
  }
  return axes;
}

bool Reduce(const Graph& graph, const Node& node, Layout& layout) {
  const auto given = Integers(graph, node, 1, "axes");
  if (!layout.IsKnown() || layout.is_flat || !given || given->empty()) return false;
  const auto axes = Axes(*given, layout.place.rank);
  const int64_t channels = layout.Axis();
  if (!axes || axes->contains(0) || axes->contains(channels)) return false;
  const auto num = static_cast<int64_t>(axes->size());
  layout.is_single = layout.is_single || num == layout.place.rank - 2;
  if (node.GetInt("keepdims", 1) == 0) {
    const auto before =
        std::count_if(axes->begin(), axes->end(), [&](int64_t axis) { return axis < channels; });
    layout.MoveTo(layout.place.rank - num, channels - before);
  }
  return true;
}

bool Flatten(const Node& node, Layout& layout) {
  if (!layout.IsKnown() || node.GetInt("axis", 1) != 1) return false;
  if (!layout.is_single) {
    if (layout.Axis() != 1) return false;
    layout.is_flat = layout.is_flat || layout.place.rank > 2;
  }
  layout.MoveTo(2, 1);
  return true;
}

bool Reshape(const Graph& graph, const Node& node, Layout& layout) {
  const auto shape = Integers(graph, node, 1, "shape");
  if (!layout.IsKnown() || !shape || shape->size() < 2 || node.GetInt("allowzero", 0) != 0) {
    return false;
  }
  const int64_t channels = layout.place.num_channels;
  const bool one_sample = (*shape)[0] == 1 || (*shape)[0] == 0;
  if (shape->size() == 2 && one_sample && (layout.is_single || layout.Axis() == 1)) {
    if ((*shape)[1] == 0 && layout.place.rank > 2) return false;
    layout.is_flat = layout.is_flat || (!layout.is_single && layout.place.rank > 2);
    layout.MoveTo(2, 1);
    return true;
  }
  // Of one element per channel, the dimension that holds them shows in the shape.
  if (!layout.is_single || layout.is_flat) return false;
  std::vector<int64_t> places;
  for (size_t i = 1; i < shape->size(); ++i) {
    const int64_t extent = (*shape)[i];
    if (extent == channels || (extent == -1 && (*shape)[0] != -1)) {
      places.push_back(static_cast<int64_t>(i));
    } else if (extent != 1) {
      return false;
    }
  }
  if (places.size() != 1 || (!one_sample && (*shape)[0] != -1)) return false;
  layout.MoveTo(static_cast<int64_t>(shape->size()), places.front());
  return true;
}

bool SqueezeOrUnsqueeze(const Graph& graph, const Node& node, Layout& layout) {
  const auto given = Integers(graph, node, 1, "axes");
  if (!layout.IsKnown() || !given) return false;
  const int64_t rank = layout.place.rank;
  const auto num = static_cast<int64_t>(given->size());
  const bool grows = node.op == "Unsqueeze";
  const auto axes = Axes(*given, grows ? rank + num : rank);
  if (!axes || axes->contains(0)) return false;
  int64_t channels = layout.Axis();
  if (grows) {
    for (const int64_t axis : *axes) channels += axis <= channels ? 1 : 0;
  } else {
    if (axes->contains(channels)) return false;
    channels -= std::count_if(axes->begin(), axes->end(),
                              [&](int64_t axis) { return axis < channels; });
  }
  layout.MoveTo(grows ? rank + num : rank - num, channels);
  return true;
}

bool Transpose(const Node& node, Layout& layout) {
  const std::vector<int64_t> order = node.GetInts("perm", {});
  if (!layout.IsKnown() || static_cast<int64_t>(order.size()) != layout.place.rank ||
      order[0] != 0) {
    return false;
  }
  const auto channels = std::find(order.begin(), order.end(), layout.Axis());
  if (channels == order.end()) return false;
  layout.MoveTo(layout.place.rank, channels - order.begin());
  return true;
}

// Zeros or copies, and none beside the channels.
bool Pad(const Graph& graph, const Node& node, Layout& layout) {
  const auto pads = Integers(graph, node, 1, "pads");
  const int64_t rank = layout.place.rank;
  const bool takes_axes = node.inputs.size() > 3 && !node.inputs[3].empty();
  if (!layout.IsKnown() || layout.is_flat || !pads || takes_axes ||
      static_cast<int64_t>(pads->size()) != 2 * rank) {
    return false;
  }
  if (node.GetString("mode", "constant") == "constant") {
    if (node.GetFloat("value", 0.0) != 0.0) return false;
    if (node.inputs.size() > 2 && !node.inputs[2].empty()) {
      const Tensor* value = FindInitializer(graph, node.inputs[2]);
      if (value == nullptr || value->dtype() != DType::kFloat32 || value->num_elements() != 1 ||
          value->data<float>()[0] != 0.0F) {
        return false;
      }
    }
  }
  for (const int64_t axis : {int64_t{0}, layout.Axis()}) {
    if ((*pads)[static_cast<size_t>(axis)] != 0 || (*pads)[static_cast<size_t>(axis + rank)] != 0) {
      return false;
    }
  }
  layout.is_single = false;
  return true;
}

bool Resize(const Graph& graph, const Node& node, Layout& layout) {
  if (!layout.IsMaps() || node.HasAttribute("axes") ||
      node.GetString("coordinate_transformation_mode", "") == "tf_crop_and_resize") {
    return false;
  }
  // Upsample and version 10 name the scales second; later versions put a region before them.
  const size_t scales_at = node.op == "Upsample" || graph.opset < 11 ? 1 : 2;
  const auto channels = static_cast<size_t>(layout.Axis());
  if (node.inputs.size() > 3 && !node.inputs[3].empty()) {
    const auto sizes = Integers(graph, node, 3, "sizes");
    if (!sizes || static_cast<int64_t>(sizes->size()) != layout.place.rank ||
        (*sizes)[channels] != layout.place.num_channels) {
      return false;
    }
  } else {
    const Tensor* scales =
        node.inputs.size() > scales_at ? FindInitializer(graph, node.inputs[scales_at]) : nullptr;
    if (scales == nullptr || scales->dtype() != DType::kFloat32 ||
        scales->num_elements() != layout.place.rank ||
        scales->data<float>()[channels] != 1.0F) {
      return false;
    }
  }
  layout.is_single = false;
  return true;
}

bool Activate(const Graph& graph, const Node& node, const std::string& input,
              const Layout& layout) {
  if (node.op == "Relu" || node.op == "LeakyRelu") return true;
  if (node.op == "PRelu") {
    return node.inputs.size() == 2 && FindInitializer(graph, node.inputs[1]) != nullptr &&
           node.inputs[0] == input;
  }
  ChannelPlace place = layout.place;
  if (layout.is_flat) place.num_channels = 0;
  return BoundsOf(graph, node, input, place).has_value();
}

// Whether the node is a step, and how the channels lie behind it.
bool Follow(const Graph& graph, const Node& node, const std::string& input, Layout& layout) {
  const std::string_view op = node.op;
  const bool known = std::any_of(std::begin(kSteps), std::end(kSteps),
                                 [&](const StepRow& row) { return row.op == op; });
  if (!known || node.inputs.empty() || node.outputs.empty()) return false;
  if (op != "Min" && op != "Max" && node.inputs[0] != input) return false;
  if (StepOf(node) == ChannelStep::kActivation) return Activate(graph, node, input, layout);
  if (op == "Identity" || op == "Dropout") return true;
  if (op == "AveragePool" || op == "MaxPool") {
    layout.is_single = false;
    return layout.IsMaps();
  }
  if (op == "GlobalAveragePool" || op == "GlobalMaxPool") {
    layout.is_single = true;
    return layout.IsMaps();
  }
  if (op == "ReduceMean" || op == "ReduceMax" || op == "ReduceSum") {
    return Reduce(graph, node, layout);
  }
  if (op == "Flatten") return Flatten(node, layout);
  if (op == "Reshape") return Reshape(graph, node, layout);
  if (op == "Squeeze" || op == "Unsqueeze") return SqueezeOrUnsqueeze(graph, node, layout);
  if (op == "Transpose") return Transpose(node, layout);
  if (op == "Pad") return Pad(graph, node, layout);
  return Resize(graph, node, layout);
}

// Inputs of the layer that one channel becomes; 0 where they do not fit.
int64_t InputsPerChannel(const Graph& graph, const LinearLayer& layer, const Layout& layout) {
  const Shape& weight = graph.initializers.at(layer.weight).shape();
  const int64_t channels = layout.place.num_channels;
  if (layer.kind == LinearKind::kConv || layer.kind == LinearKind::kConvTranspose) {
    const int64_t inputs =
        layer.kind == LinearKind::kConv ? weight[1] * layer.num_groups : weight[0];
    const bool fits = layout.IsMaps() && inputs == channels &&
                      layout.place.rank == static_cast<int64_t>(weight.size());
    return fits ? 1 : 0;
  }
  const int64_t inputs = layer.row_length;
  if (layout.place.from_end != 1) return 0;
  if (layer.kind == LinearKind::kGemm && layout.IsKnown() && layout.place.rank != 2) return 0;
  if (!layout.is_flat) return inputs == channels ? 1 : 0;
  return inputs % channels == 0 ? inputs / channels : 0;
}

class Walk {
 public:
  Walk(const Graph& graph, const std::vector<LinearLayer>& layers,
       const std::map<std::string, std::vector<size_t>>& consumers,
       const std::set<std::string>& fixed)
      : graph_(graph), layers_(layers), consumers_(consumers), fixed_(fixed) {
    for (size_t i = 0; i < layers.size(); ++i) layer_at_[layers[i].node] = i;
  }

  ChannelReach From(size_t layer) {
    Layout layout;
    layout.place = OutputChannels(layers_[layer]);
    Visit(layers_[layer].output, layout, {});
    return std::move(reach_);
  }

 private:
  // As deep as kMaxNodes at most.
  void Visit(const std::string& tensor, const Layout& layout, const std::vector<size_t>& way) {
    const auto readers = consumers_.find(tensor);
    if (graph_.IsOutput(tensor) || fixed_.contains(tensor) || readers == consumers_.end() ||
        way.size() >= kMaxNodes || reach_.paths.size() >= kMaxPaths) {
      reach_.is_closed = false;
      return;
    }
    for (const size_t index : readers->second) {
      const Node& node = graph_.nodes[index];
      const auto times = std::count(node.inputs.begin(), node.inputs.end(), tensor);
      const auto layer = layer_at_.find(index);
      if (times != 1) {
        reach_.is_closed = false;
      } else if (layer != layer_at_.end()) {
        const LinearLayer& reader = layers_[layer->second];
        const int64_t inputs =
            reader.input == tensor ? InputsPerChannel(graph_, reader, layout) : 0;
        if (inputs == 0) {
          reach_.is_closed = false;
        } else {
          reach_.paths.push_back({way, layer->second, inputs});
        }
      } else {
        Pass(index, tensor, layout, way);
      }
    }
  }

  void Pass(size_t index, const std::string& tensor, Layout layout, std::vector<size_t> way) {
    const Node& node = graph_.nodes[index];
    ChannelPlace before = layout.place;
    if (layout.is_flat) before.num_channels = 0;
    bool follows = Follow(graph_, node, tensor, layout);
    for (size_t i = 1; i < node.outputs.size(); ++i) {
      follows = follows && (node.outputs[i].empty() || (!consumers_.contains(node.outputs[i]) &&
                                                        !graph_.IsOutput(node.outputs[i])));
    }
    if (!follows) {
      reach_.is_closed = false;
      return;
    }
    reach_.places[index] = before;
    way.push_back(index);
    Visit(node.outputs[0], layout, way);
  }

  const Graph& graph_;
  const std::vector<LinearLayer>& layers_;
  const std::map<std::string, std::vector<size_t>>& consumers_;
  const std::set<std::string>& fixed_;
  std::map<size_t, size_t> layer_at_;
  ChannelReach reach_;
};

}  // namespace

ChannelStep StepOf(const Node& node) {
  for (const StepRow& row : kSteps) {
    if (row.op == node.op) return row.step;
  }
  ADAROUND_CHECK(false);
  return ChannelStep::kOther;
}

std::optional<ChannelBounds> BoundsOf(const Graph& graph, const Node& node,
                                      const std::string& input, const ChannelPlace& place) {
  ChannelBounds bounds{{-kInfinity}, {kInfinity}};
  if (node.op == "Clip") {
    if (node.inputs.empty() || node.inputs[0] != input) return std::nullopt;
    const ChannelPlace single{0, 1, 0};
    bounds.lower[0] = static_cast<float>(node.GetFloat("min", bounds.lower[0]));
    bounds.upper[0] = static_cast<float>(node.GetFloat("max", bounds.upper[0]));
    for (size_t i = 1; i < 3 && i < node.inputs.size(); ++i) {
      if (node.inputs[i].empty()) continue;
      const auto bound = ChannelConstant(graph, node.inputs[i], single);
      if (!bound) return std::nullopt;
      (i == 1 ? bounds.lower : bounds.upper) = *bound;
    }
  } else if ((node.op == "Min" || node.op == "Max") && node.inputs.size() == 2) {
    const auto bound =
        ChannelConstant(graph, node.inputs[node.inputs[0] == input ? 1 : 0], place);
    if (!bound) return std::nullopt;
    (node.op == "Min" ? bounds.upper : bounds.lower) = *bound;
  } else {
    return std::nullopt;
  }
  for (std::vector<float>* all : {&bounds.lower, &bounds.upper}) {
    for (float& bound : *all) {
      if (std::abs(bound) == std::numeric_limits<float>::max()) {
        bound = std::copysign(kInfinity, bound);
      }
    }
  }
  const auto is_nan = [](float bound) { return std::isnan(bound); };
  if (std::any_of(bounds.lower.begin(), bounds.lower.end(), is_nan) ||
      std::any_of(bounds.upper.begin(), bounds.upper.end(), is_nan)) {
    return std::nullopt;
  }
  return bounds;
}

ChannelReach FollowChannels(const Graph& graph, const std::vector<LinearLayer>& layers,
                            const std::map<std::string, std::vector<size_t>>& consumers,
                            size_t layer, const std::set<std::string>& fixed) {
  return Walk(graph, layers, consumers, fixed).From(layer);
}

}  // namespace adaround
