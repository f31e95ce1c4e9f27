// Operators that reorder the elements of an axis or the axes themselves.
#include <algorithm>

#include "base/checked_math.h"
#include "runtime/kernels/kernels.h"
#include "runtime/kernels/kernel_util.h"
#include "runtime/kernels/strided_copy.h"

namespace adaround::kernels {
namespace {

// The elements of `x`, read as `view` with its axes in the order `order`, as an output of `shape`.
Tensor Permute(const Tensor& x, const Shape& view, const std::vector<int64_t>& order,
               const Shape& shape) {
  const Shape view_strides = Strides(view);
  Shape extents;
  Shape strides;
  for (const int64_t axis : order) {
    extents.push_back(view[static_cast<size_t>(axis)]);
    strides.push_back(view_strides[static_cast<size_t>(axis)]);
  }
  Tensor y = NewOutput(x.dtype(), shape);
  StridedCopy(x, 0, extents, strides, y);
  return y;
}

int64_t ReadBlockSize(const Node& node) {
  const int64_t block = node.GetInt("blocksize", 0);
  if (block < 1 || block > int64_t{1} << 15) {
    Malformed("attribute 'blocksize' is " + std::to_string(block));
  }
  return block;
}

void CheckImages(const Tensor& x) {
  if (x.rank() == 4) return;
  Malformed("input has shape " + ShapeToString(x.shape()) + ", wanted [N, C, H, W]");
}

}  // namespace

KernelFunction CreateTranspose(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const std::vector<int64_t> stated = spec.node.GetInts("perm", {});
  return [stated](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    std::vector<int64_t> order = stated;
    if (order.empty()) {
      for (int64_t d = x.rank(); d-- > 0;) order.push_back(d);
    }
    if (static_cast<int64_t>(order.size()) != x.rank()) {
      Malformed("attribute 'perm' has " + std::to_string(order.size()) + " entries, the input " +
                std::to_string(x.rank()) + " axes");
    }
    NormalizeAxes(order, x.rank());
    Shape shape;
    for (int64_t& axis : order) {
      axis = NormalizeAxis(axis, x.rank());
      shape.push_back(x.dim(axis));
    }
    return {Permute(x, x.shape(), order, shape)};
  };
}

KernelFunction CreateDepthToSpace(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t block = ReadBlockSize(spec.node);
  const std::string mode = spec.node.GetString("mode", "DCR");
  CheckOneOf(mode, {"DCR", "CRD"}, "mode");
  return [block, mode](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckImages(x);
    const int64_t n = x.dim(0);
    const int64_t h = x.dim(2);
    const int64_t w = x.dim(3);
    if (x.dim(1) % (block * block) != 0) {
      Malformed("shape " + ShapeToString(x.shape()) + " with blocksize " + std::to_string(block));
    }
    const int64_t c = x.dim(1) / (block * block);
    const Shape shape = {n, c, h * block, w * block};
    if (mode == "DCR") return {Permute(x, {n, block, block, c, h, w}, {0, 3, 4, 1, 5, 2}, shape)};
    return {Permute(x, {n, c, block, block, h, w}, {0, 1, 4, 2, 5, 3}, shape)};
  };
}

KernelFunction CreateSpaceToDepth(const KernelSpec& spec) {
  CheckArity(spec.node, 1, 1);
  const int64_t block = ReadBlockSize(spec.node);
  return [block](const KernelInputs& inputs) -> std::vector<Tensor> {
    const Tensor& x = *inputs[0];
    CheckImages(x);
    const int64_t n = x.dim(0);
    const int64_t c = x.dim(1);
    if (x.dim(2) % block != 0 || x.dim(3) % block != 0) {
      Malformed("shape " + ShapeToString(x.shape()) + " with blocksize " + std::to_string(block));
    }
    const int64_t h = x.dim(2) / block;
    const int64_t w = x.dim(3) / block;
    const std::optional<int64_t> channels = CheckedMultiply(c, block * block);
    if (!channels) Malformed("blocksize " + std::to_string(block) + " is too large");
    return {Permute(x, {n, c, h, block, w, block}, {0, 3, 5, 1, 2, 4}, {n, *channels, h, w})};
  };
}

}  // namespace adaround::kernels
