#include "runtime/kernels/broadcast.h"

#include <algorithm>
#include <optional>

namespace adaround::kernels {

Shape BroadcastShape(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t ea = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t eb = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (ea != eb && ea != 1 && eb != 1) {
      Malformed("shapes " + ShapeToString(a) + " and " + ShapeToString(b) + " do not broadcast");
    }
    result[result.size() - 1 - i] = ea == 1 ? eb : ea;
  }
  return result;
}

Shape BroadcastStrides(const Shape& shape, const Shape& target) {
  const Shape own = Strides(shape);
  Shape result(target.size(), 0);
  const size_t lead = target.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1) result[lead + i] = own[i];
  }
  return result;
}

int64_t BroadcastOffset(int64_t index, const Shape& target, const Shape& strides) {
  int64_t offset = 0;
  for (size_t d = target.size(); d-- > 0; index /= target[d]) {
    offset += index % target[d] * strides[d];
  }
  return offset;
}

BroadcastPlan PlanBroadcast(const Shape& a, const Shape& b) {
  BroadcastPlan plan;
  plan.output_shape = BroadcastShape(a, b);
  const Shape a_strides = BroadcastStrides(a, plan.output_shape);
  const Shape b_strides = BroadcastStrides(b, plan.output_shape);
  for (size_t d = 0; d < plan.output_shape.size(); ++d) {
    const int64_t extent = plan.output_shape[d];
    if (extent == 1) continue;
    if (!plan.extents.empty() && plan.a_strides.back() == a_strides[d] * extent &&
        plan.b_strides.back() == b_strides[d] * extent) {
      plan.extents.back() *= extent;
      plan.a_strides.back() = a_strides[d];
      plan.b_strides.back() = b_strides[d];
    } else {
      plan.extents.push_back(extent);
      plan.a_strides.push_back(a_strides[d]);
      plan.b_strides.push_back(b_strides[d]);
    }
  }
  if (plan.extents.empty()) {
    plan.extents = {1};
    plan.a_strides = {1};
    plan.b_strides = {1};
  }
  return plan;
}

std::function<Shape(const Shape& a, const Shape& b)> LegacyAlignment(const Node& node) {
  const bool broadcasts = node.GetInt("broadcast", 0) != 0;
  std::optional<int64_t> stated_axis;
  if (node.HasAttribute("axis")) stated_axis = node.GetInt("axis", 0);
  return [=](const Shape& a, const Shape& b) -> Shape {
    if (a == b) return b;
    if (!broadcasts) {
      Malformed("shapes " + ShapeToString(a) + " and " + ShapeToString(b) +
                " differ and attribute 'broadcast' is not 1");
    }
    if (NumElements(b) == 1) return {};
    const auto a_rank = static_cast<int64_t>(a.size());
    const auto b_rank = static_cast<int64_t>(b.size());
    const int64_t axis = stated_axis ? NormalizeAxis(*stated_axis, a_rank) : a_rank - b_rank;
    Shape shape = b;
    for (int64_t d = axis + b_rank; d < a_rank; ++d) shape.push_back(1);
    if (axis < 0 || axis + b_rank > a_rank || BroadcastShape(a, shape) != a) {
      Malformed("shape " + ShapeToString(b) + " does not broadcast to " + ShapeToString(a) +
                " from axis " + std::to_string(axis) + " on");
    }
    return shape;
  };
}

KernelFunction WithLegacyBroadcast(const Node& node, KernelFunction kernel) {
  const auto align = LegacyAlignment(node);
  return [=](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& a = *inputs[0];
    const Tensor& b = *inputs[1];
    const Tensor aligned = b.Reshaped(align(a.shape(), b.shape()));
    return kernel({&a, &aligned});
  };
}

}  // namespace adaround::kernels
