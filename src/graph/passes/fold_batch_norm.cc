#include "graph/passes/fold_batch_norm.h"

#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "adaround/base/error.h"

namespace adaround {
namespace {

// Nodes that are folded into one layer, and nodes that are followed to learn a rank. Real networks
// have a few of each; hostile ones shall not cost time that grows with their square.
constexpr int kMaxFolded = 16;
constexpr int kMaxSteps = 64;

// y = factor * x + shift, per channel.
struct ChannelTransform {
  std::vector<double> factor;
  std::vector<double> shift;
};

const Tensor* FloatInitializer(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.dtype() != DType::kFloat32) return nullptr;
  return &found->second;
}

// Nothing where the statistics are not constants that fit.
std::optional<ChannelTransform> NormTransform(const Graph& graph, const Node& node,
                                              int64_t channels) {
  if (node.inputs.size() != 5 || node.GetInt("training_mode", 0) != 0) return std::nullopt;
  // What older versions say of training and of statistics per position; no kernel takes either.
  if (graph.opset < 7 && node.GetInt("is_test", 0) == 0) return std::nullopt;
  if (node.GetInt("spatial", 1) == 0) return std::nullopt;
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (!node.outputs[i].empty()) return std::nullopt;
  }
  const float* parameter[4] = {};
  for (size_t i = 0; i < 4; ++i) {
    const Tensor* tensor = FloatInitializer(graph, node.inputs[i + 1]);
    if (tensor == nullptr || tensor->num_elements() != channels) return std::nullopt;
    parameter[i] = tensor->data<float>();
  }
  const double epsilon = node.GetFloat("epsilon", 1e-5);
  ChannelTransform transform;
  for (int64_t c = 0; c < channels; ++c) {
    const double deviation = std::sqrt(static_cast<double>(parameter[3][c]) + epsilon);
    const double factor = static_cast<double>(parameter[0][c]) / deviation;
    const double shift =
        static_cast<double>(parameter[1][c]) - factor * static_cast<double>(parameter[2][c]);
    if (!std::isfinite(factor) || !std::isfinite(shift)) {
      throw Error(ErrorCode::kMalformed, "BatchNormalization '" + Printable(node.name) +
                                             "': channel " + std::to_string(c) + " has variance " +
                                             std::to_string(parameter[3][c]) +
                                             ", which gives a factor that is not finite");
    }
    transform.factor.push_back(factor);
    transform.shift.push_back(shift);
  }
  return transform;
}

// What Add, Sub, Mul or Div of a constant does to `tensor`, its other operand, which has `channels`
// along axis 1 of `rank`. Nothing where the constant is not one number, or one per channel.
std::optional<ChannelTransform> ArithmeticTransform(const Graph& graph, const Node& node,
                                                    const std::string& tensor, int64_t channels,
                                                    int64_t rank) {
  if (node.inputs.size() != 2 || node.inputs[0] == node.inputs[1]) return std::nullopt;
  // Before opset 7 these place the constant elsewhere.
  if (node.HasAttribute("axis") || node.HasAttribute("broadcast")) return std::nullopt;
  const bool tensor_is_left = node.inputs[0] == tensor;
  if (!tensor_is_left && (node.op == "Sub" || node.op == "Div")) return std::nullopt;
  const Tensor* constant = FloatInitializer(graph, node.inputs[tensor_is_left ? 1 : 0]);
  if (constant == nullptr || constant->rank() > rank) return std::nullopt;
  const int64_t axis = 1 - (rank - constant->rank());
  const bool one_for_all = constant->num_elements() == 1;
  if (!one_for_all &&
      (axis < 0 || constant->dim(axis) != channels || constant->num_elements() != channels)) {
    return std::nullopt;
  }
  ChannelTransform transform;
  for (int64_t c = 0; c < channels; ++c) {
    const double value = constant->data<float>()[one_for_all ? 0 : c];
    double factor = 1.0;
    double shift = 0.0;
    if (node.op == "Add") shift = value;
    if (node.op == "Sub") shift = -value;
    if (node.op == "Mul") factor = value;
    if (node.op == "Div") factor = 1.0 / value;
    if (!std::isfinite(factor) || !std::isfinite(shift)) return std::nullopt;
    transform.factor.push_back(factor);
    transform.shift.push_back(shift);
  }
  return transform;
}

bool IsArithmetic(std::string_view op) {
  return op == "Add" || op == "Sub" || op == "Mul" || op == "Div";
}

bool AllFinite(const Tensor& tensor) {
  const float* values = tensor.data<float>();
  for (int64_t i = 0; i < tensor.num_elements(); ++i) {
    if (!std::isfinite(values[i])) return false;
  }
  return true;
}

// Multiplies the weights of output channel c by factor[c].
Tensor ScaleChannels(const Tensor& weight, const Node& layer, const std::vector<double>& factor) {
  Tensor result = weight.Clone();
  float* values = result.mutable_data<float>();
  const auto channels = static_cast<int64_t>(factor.size());
  const bool transposed = layer.op == "ConvTranspose";
  const bool columns =
      layer.op == "MatMul" || (layer.op == "Gemm" && layer.GetInt("transB", 0) == 0);
  const int64_t groups = transposed ? layer.GetInt("group", 1) : 1;
  // Seen as [outer, channels of one group, inner]; with groups, outer splits into groups.
  const int64_t outer = transposed || columns ? weight.dim(0) : 1;
  const int64_t channels_per_group = channels / groups;
  const int64_t inner = weight.num_elements() / (outer * channels_per_group);
  for (int64_t o = 0; o < outer; ++o) {
    const int64_t group = o / (outer / groups);
    for (int64_t c = 0; c < channels_per_group; ++c) {
      const double f = factor[static_cast<size_t>(group * channels_per_group + c)];
      float* stretch = values + (o * channels_per_group + c) * inner;
      for (int64_t i = 0; i < inner; ++i) stretch[i] = static_cast<float>(stretch[i] * f);
    }
  }
  return result;
}

int64_t OutputChannels(const Node& layer, const Tensor& weight) {
  if (layer.op == "Conv") return weight.rank() >= 3 ? weight.dim(0) : -1;
  if (layer.op == "ConvTranspose") {
    const int64_t groups = layer.GetInt("group", 1);
    const bool sound = weight.rank() >= 3 && groups >= 1 && weight.dim(0) % groups == 0;
    return sound ? weight.dim(1) * groups : -1;
  }
  if (weight.rank() != 2) return -1;
  return weight.dim(layer.GetInt("transB", 0) != 0 ? 0 : 1);
}

// Elementwise operators of one activation, which keep its rank.
bool KeepsRank(std::string_view op) {
  for (const std::string_view other :
       {"BatchNormalization", "Clip", "Dropout", "Elu", "Gelu", "HardSigmoid", "HardSwish",
        "Identity", "LeakyRelu", "Relu", "Sigmoid", "Softmax", "Tanh"}) {
    if (op == other) return true;
  }
  return false;
}

class Folder {
 public:
  Folder(Graph& graph, ChannelMomentsMap* moments)
      : graph_(graph),
        moments_(moments),
        consumers_(graph.Consumers()),
        producers_(graph.Producers()) {
    for (const GraphInput& input : graph.inputs) input_ranks_[input.name] = input.shape.size();
  }

  int64_t Run() {
    int64_t num_norms = 0;
    std::set<size_t> removed;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& follower = graph_.nodes[i];
      const bool is_norm = follower.op == "BatchNormalization";
      if ((!is_norm && !IsArithmetic(follower.op)) || follower.outputs.empty()) continue;
      const size_t num_operands = is_norm ? 1 : 2;
      for (size_t k = 0; k < num_operands && k < follower.inputs.size(); ++k) {
        const auto producer = producers_.find(follower.inputs[k]);
        if (producer == producers_.end() || !Fold(producer->second, i)) continue;
        removed.insert(i);
        num_norms += is_norm ? 1 : 0;
        break;
      }
    }
    std::vector<Node> kept;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!removed.contains(i)) kept.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(kept);
    RemoveUnreadInitializers();
    return num_norms;
  }

 private:
  // The only reader of a tensor that is no graph output.
  std::optional<size_t> OnlyReader(const std::string& tensor) const {
    const auto readers = consumers_.find(tensor);
    if (readers == consumers_.end() || readers->second.size() != 1 || graph_.IsOutput(tensor)) {
      return std::nullopt;
    }
    return readers->second.front();
  }

  // Follows the operators that keep a tensor's rank back to one that fixes it.
  bool IsMatrix(std::string tensor) const {
    for (int step = 0; step < kMaxSteps; ++step) {
      const auto input = input_ranks_.find(tensor);
      if (input != input_ranks_.end()) return input->second == 2;
      const auto producer = producers_.find(tensor);
      if (producer == producers_.end()) return false;
      const Node& node = graph_.nodes[producer->second];
      if (node.op == "Flatten" || node.op == "Gemm") return true;
      if (node.op == "MatMul" && node.inputs.size() == 2) {
        const Tensor* weight = FloatInitializer(graph_, node.inputs[1]);
        if (weight == nullptr || weight->rank() != 2) return false;
      } else if (IsArithmetic(node.op) && node.inputs.size() == 2) {
        const Tensor* constant = FloatInitializer(graph_, node.inputs[1]);
        if (constant == nullptr || constant->rank() > 2) return false;
      } else if (!KeepsRank(node.op) || node.inputs.empty()) {
        return false;
      }
      tensor = node.inputs[0];
    }
    return false;
  }

  bool IsFoldable(const Node& layer, const Node& follower) const {
    if (layer.op == "Conv" || layer.op == "ConvTranspose" || layer.op == "Gemm") return true;
    // BatchNormalization's channels lie along axis 1, a MatMul's along the last.
    if (layer.op != "MatMul" || !IsMatrix(layer.inputs[0])) return false;
    if (follower.op == "BatchNormalization") return true;
    const std::optional<size_t> reader = OnlyReader(follower.outputs[0]);
    return follower.op == "Add" && reader && graph_.nodes[*reader].op == "BatchNormalization";
  }

  // Makes the layer compute what `follower` makes of its output.
  bool Fold(size_t layer_index, size_t follower_index) {
    Node& layer = graph_.nodes[layer_index];
    const Node& follower = graph_.nodes[follower_index];
    if (layer.inputs.size() < 2 || layer.outputs.size() != 1 ||
        OnlyReader(layer.outputs[0]) != follower_index || !OnlyReader(layer.inputs[1]) ||
        num_folded_[layer_index] == kMaxFolded || !IsFoldable(layer, follower)) {
      return false;
    }
    const Tensor* weight = FloatInitializer(graph_, layer.inputs[1]);
    if (weight == nullptr) return false;
    const int64_t channels = OutputChannels(layer, *weight);
    if (channels < 1) return false;
    // A convolution's output has its weight's rank, as a matrix product has.
    const std::optional<ChannelTransform> transform =
        follower.op == "BatchNormalization"
            ? NormTransform(graph_, follower, channels)
            : ArithmeticTransform(graph_, follower, layer.outputs[0], channels, weight->rank());
    if (!transform) return false;

    std::vector<float> bias;
    const bool has_bias = layer.inputs.size() > 2 && !layer.inputs[2].empty();
    const double bias_factor = layer.op == "Gemm" ? layer.GetFloat("beta", 1.0) : 1.0;
    const float* old_bias = nullptr;
    bool one_bias = false;
    if (has_bias) {
      const Tensor* tensor = FloatInitializer(graph_, layer.inputs[2]);
      if (tensor == nullptr) return false;
      // A Gemm broadcasts its bias.
      one_bias = tensor->num_elements() == 1;
      if (!one_bias &&
          (tensor->num_elements() != channels || tensor->dim(tensor->rank() - 1) != channels)) {
        return false;
      }
      old_bias = tensor->data<float>();
    }
    for (int64_t c = 0; c < channels; ++c) {
      const auto at = static_cast<size_t>(c);
      const double old =
          has_bias ? bias_factor * static_cast<double>(old_bias[one_bias ? 0 : c]) : 0.0;
      bias.push_back(static_cast<float>(old * transform->factor[at] + transform->shift[at]));
    }
    Tensor new_bias = Tensor::FromVector<float>({channels}, bias);
    Tensor new_weight = ScaleChannels(*weight, layer, transform->factor);
    if (!AllFinite(new_bias) || !AllFinite(new_weight)) return false;

    graph_.initializers[layer.inputs[1]] = std::move(new_weight);
    layer.inputs.resize(3);
    if (!made_biases_.contains(layer.inputs[2])) {
      layer.inputs[2] = FreshName(layer.inputs[1] + ".folded_bias");
      made_biases_.insert(layer.inputs[2]);
    }
    graph_.initializers[layer.inputs[2]] = std::move(new_bias);
    if (layer.op == "MatMul") layer.op = "Gemm";
    if (layer.op == "Gemm") layer.attributes["beta"] = 1.0;
    if (moments_ != nullptr) RecordMoments(layer.outputs[0], follower, *transform);
    layer.outputs[0] = follower.outputs[0];
    producers_[layer.outputs[0]] = layer_index;
    ++num_folded_[layer_index];
    return true;
  }

  // Of the layer's output behind `follower`, which reads `output`.
  void RecordMoments(const std::string& output, const Node& follower,
                     const ChannelTransform& transform) {
    ChannelMoments moments;
    const auto known = moments_->find(output);
    for (size_t c = 0; c < transform.factor.size(); ++c) {
      if (follower.op == "BatchNormalization") {
        const auto parameter = [&](size_t input) {
          return static_cast<double>(
              graph_.initializers.at(follower.inputs[input]).data<float>()[c]);
        };
        moments.mean.push_back(parameter(2));
        moments.std.push_back(std::abs(parameter(1)));
      } else if (known != moments_->end()) {
        moments.mean.push_back(known->second.mean[c] * transform.factor[c] + transform.shift[c]);
        moments.std.push_back(known->second.std[c] * std::abs(transform.factor[c]));
      }
    }
    if (known != moments_->end()) moments_->erase(known);
    if (!moments.mean.empty()) (*moments_)[follower.outputs[0]] = std::move(moments);
  }

  std::string FreshName(const std::string& wanted) const {
    std::string name = wanted;
    for (int suffix = 2; graph_.initializers.contains(name) || producers_.contains(name) ||
                         input_ranks_.contains(name);
         ++suffix) {
      name = wanted + "_" + std::to_string(suffix);
    }
    return name;
  }

  void RemoveUnreadInitializers() {
    const auto consumers = graph_.Consumers();
    std::erase_if(graph_.initializers, [&](const auto& entry) {
      return !consumers.contains(entry.first) && consumers_.contains(entry.first) &&
             !graph_.IsOutput(entry.first);
    });
  }

  Graph& graph_;
  ChannelMomentsMap* moments_;
  std::map<std::string, std::vector<size_t>> consumers_;  // before folding
  std::map<std::string, size_t> producers_;               // as folded so far
  std::map<std::string, size_t> input_ranks_;             // of graph inputs
  std::map<size_t, int> num_folded_;                      // into each layer
  std::set<std::string> made_biases_;                     // by this pass, each read by one layer
};

}  // namespace

int64_t FoldBatchNorm(Graph& graph, ChannelMomentsMap* moments) {
  return Folder(graph, moments).Run();
}

}  // namespace adaround
