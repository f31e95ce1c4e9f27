#include "graph/passes/fold_batch_norm.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "adaround/base/error.h"

namespace adaround {
namespace {

struct ChannelTransform {
  std::vector<double> factor;
  std::vector<double> shift;
};

const Tensor* FloatInitializer(const Graph& graph, const std::string& name) {
  const auto found = graph.initializers.find(name);
  if (found == graph.initializers.end() || found->second.dtype() != DType::kFloat32) return nullptr;
  return &found->second;
}

// y = factor * x + shift per channel; nothing where the statistics are not constants that fit.
std::optional<ChannelTransform> TransformOf(const Graph& graph, const Node& node,
                                            int64_t channels) {
  if (node.inputs.size() != 5 || node.GetInt("training_mode", 0) != 0) return std::nullopt;
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
      throw Error(ErrorCode::kMalformed,
                  "BatchNormalization '" + Printable(node.name) + "': channel " +
                      std::to_string(c) + " has variance " + std::to_string(parameter[3][c]) +
                      ", which gives a factor that is not finite");
    }
    transform.factor.push_back(factor);
    transform.shift.push_back(shift);
  }
  return transform;
}

// Multiplies the weights of output channel c by factor[c].
Tensor ScaleChannels(const Tensor& weight, const Node& layer, const std::vector<double>& factor) {
  Tensor result = weight.Clone();
  float* values = result.mutable_data<float>();
  const auto channels = static_cast<int64_t>(factor.size());
  const bool transposed = layer.op == "ConvTranspose";
  const bool columns = layer.op == "Gemm" && layer.GetInt("transB", 0) == 0;
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

class Folder {
 public:
  explicit Folder(Graph& graph) : graph_(graph), consumers_(graph.Consumers()) {}

  int64_t Run() {
    const auto producers = graph_.Producers();
    std::set<size_t> removed;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& norm = graph_.nodes[i];
      if (norm.op != "BatchNormalization" || norm.outputs.empty()) continue;
      const auto producer = producers.find(norm.inputs.empty() ? "" : norm.inputs[0]);
      if (producer != producers.end() && Fold(producer->second, i)) removed.insert(i);
    }
    std::vector<Node> kept;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!removed.contains(i)) kept.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(kept);
    RemoveUnreadInitializers();
    return static_cast<int64_t>(removed.size());
  }

 private:
  bool ReadOnce(const std::string& tensor) const {
    const auto readers = consumers_.find(tensor);
    return readers != consumers_.end() && readers->second.size() == 1 && !graph_.IsOutput(tensor);
  }

  bool Fold(size_t layer_index, size_t norm_index) {
    Node& layer = graph_.nodes[layer_index];
    const Node& norm = graph_.nodes[norm_index];
    if (layer.op != "Conv" && layer.op != "ConvTranspose" && layer.op != "Gemm") return false;
    // A Gemm's output is [N, channels]: BatchNormalization's channels are its columns.
    if (layer.inputs.size() < 2 || layer.outputs.size() != 1 || !ReadOnce(layer.outputs[0]) ||
        !ReadOnce(layer.inputs[1])) {
      return false;
    }
    const Tensor* weight = FloatInitializer(graph_, layer.inputs[1]);
    if (weight == nullptr) return false;
    const int64_t channels = OutputChannels(layer, *weight);
    if (channels < 1) return false;
    const std::optional<ChannelTransform> transform = TransformOf(graph_, norm, channels);
    if (!transform) return false;

    std::vector<float> bias;
    const bool has_bias = layer.inputs.size() > 2 && !layer.inputs[2].empty();
    const double bias_factor = layer.op == "Gemm" ? layer.GetFloat("beta", 1.0) : 1.0;
    const float* old_bias = nullptr;
    if (has_bias) {
      const Tensor* tensor = FloatInitializer(graph_, layer.inputs[2]);
      if (tensor == nullptr || tensor->num_elements() != channels ||
          tensor->dim(tensor->rank() - 1) != channels) {
        return false;
      }
      old_bias = tensor->data<float>();
    }
    for (int64_t c = 0; c < channels; ++c) {
      const auto at = static_cast<size_t>(c);
      const double old = has_bias ? bias_factor * static_cast<double>(old_bias[c]) : 0.0;
      bias.push_back(static_cast<float>(old * transform->factor[at] + transform->shift[at]));
    }
    graph_.initializers[layer.inputs[1]] = ScaleChannels(*weight, layer, transform->factor);
    layer.inputs.resize(3);
    layer.inputs[2] = FreshName(layer.inputs[1] + ".folded_bias");
    graph_.initializers[layer.inputs[2]] = Tensor::FromVector<float>({channels}, bias);
    if (layer.op == "Gemm") layer.attributes["beta"] = 1.0;
    layer.outputs[0] = norm.outputs[0];
    return true;
  }

  std::string FreshName(const std::string& wanted) const {
    const auto producers = graph_.Producers();
    std::string name = wanted;
    for (int suffix = 2; graph_.initializers.contains(name) || producers.contains(name); ++suffix) {
      name = wanted + "_" + std::to_string(suffix);
    }
    return name;
  }

  void RemoveUnreadInitializers() {
    const auto consumers = graph_.Consumers();
    std::erase_if(graph_.initializers, [&](const auto& entry) {
      return !consumers.contains(entry.first) && consumers_.contains(entry.first);
    });
  }

  Graph& graph_;
  std::map<std::string, std::vector<size_t>> consumers_;  // before folding
};

}  // namespace

int64_t FoldBatchNorm(Graph& graph) { return Folder(graph).Run(); }

}  // namespace adaround
