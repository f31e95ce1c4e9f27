#include "runtime/op_macs.h"

#include <algorithm>

namespace adaround {

int64_t CountMacs(const Node& node, const std::vector<const Tensor*>& inputs,
                  const std::vector<Tensor>& outputs) {
  const bool counts = node.op == "Conv" || node.op == "ConvTranspose" || node.op == "Gemm" ||
                      node.op == "MatMul";
  if (!counts || inputs.size() < 2 || outputs.empty()) return 0;
  const Tensor& x = *inputs[0];
  const Tensor& y = outputs[0];
  // Weights are [O, I / G, kernel...]: each output element sums over all but the first axis.
  if (node.op == "Conv") {
    return y.num_elements() * (inputs[1]->num_elements() / std::max<int64_t>(1, y.dim(1)));
  }
  // Weights are [I, O / G, kernel...]: each input element feeds all but the first axis.
  if (node.op == "ConvTranspose") {
    return x.num_elements() * (inputs[1]->num_elements() / std::max<int64_t>(1, x.dim(1)));
  }
  if (node.op == "Gemm") {
    return y.num_elements() * x.dim(node.GetInt("transA", 0) != 0 ? 0 : 1);
  }
  return y.num_elements() * x.dim(x.rank() - 1);
}

}  // namespace adaround
