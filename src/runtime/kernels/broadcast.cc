#include "runtime/kernels/broadcast.h"

#include <algorithm>

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

}  // namespace adaround::kernels
