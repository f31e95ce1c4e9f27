// Every operator that the executor can run. Where an operator's meaning changed between opsets that
// we read, each meaning has its row; a row's opset is the first with that meaning, so that graphs
// older than opset 13 run too as far as the meanings agree.
#include <algorithm>
#include <iterator>

#include "adaround/base/error.h"
#include "runtime/kernels/kernels.h"

namespace adaround {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the factories alone

constexpr KernelRow kRows[] = {
    {"Abs", 6, CreateAbs},
    {"Add", 7, CreateAdd},
    {"And", 7, CreateAnd},
    {"ArgMax", 1, CreateArgMax},
    {"AveragePool", 7, CreateAveragePool},
    {"BatchNormalization", 9, CreateBatchNormalization},
    {"Cast", 6, CreateCast},
    {"Ceil", 6, CreateCeil},
    {"Clip", 11, CreateClip},
    {"Concat", 4, CreateConcat},
    {"Constant", 1, CreateConstant},
    {"ConstantOfShape", 9, CreateConstantOfShape},
    {"Conv", 1, CreateConv},
    {"ConvTranspose", 1, CreateConvTranspose},
    {"DepthToSpace", 1, CreateDepthToSpace},
    {"DequantizeLinear", 10, CreateDequantizeLinear},
    {"Div", 7, CreateDiv},
    {"Dropout", 7, CreateDropout},
    {"Elu", 6, CreateElu},
    {"Equal", 7, CreateEqual},
    {"Erf", 9, CreateErf},
    {"Exp", 6, CreateExp},
    {"Expand", 8, CreateExpand},
    {"Flatten", 1, CreateFlatten},
    {"Floor", 6, CreateFloor},
    {"Gather", 1, CreateGather},
    {"Gelu", 20, CreateGelu},
    {"Gemm", 7, CreateGemm},
    {"GlobalAveragePool", 1, CreateGlobalAveragePool},
    {"GlobalMaxPool", 1, CreateGlobalMaxPool},
    {"Greater", 7, CreateGreater},
    {"HardSigmoid", 6, CreateHardSigmoid},
    {"HardSwish", 14, CreateHardSwish},
    {"Identity", 1, CreateIdentity},
    {"InstanceNormalization", 6, CreateInstanceNormalization},
    {"LayerNormalization", 17, CreateLayerNormalization},
    {"LeakyRelu", 6, CreateLeakyRelu},
    {"Less", 7, CreateLess},
    {"Log", 6, CreateLog},
    {"LogSoftmax", 13, CreateLogSoftmax},
    {"MatMul", 1, CreateMatMul},
    {"Max", 8, CreateMax},
    {"MaxPool", 1, CreateMaxPool},
    {"Min", 8, CreateMin},
    {"Mul", 7, CreateMul},
    {"Neg", 6, CreateNeg},
    {"Not", 1, CreateNot},
    {"Or", 7, CreateOr},
    {"Pad", 11, CreatePad},
    {"Pow", 7, CreatePow},
    {"PRelu", 9, CreatePRelu},
    {"QuantizeLinear", 10, CreateQuantizeLinear},
    {"Range", 11, CreateRange},
    {"Reciprocal", 6, CreateReciprocal},
    {"ReduceMax", 1, CreateReduceMax},
    {"ReduceMean", 1, CreateReduceMean},
    {"ReduceSum", 1, CreateReduceSum},
    {"Relu", 6, CreateRelu},
    {"Reshape", 5, CreateReshape},
    {"Resize", 11, CreateResize},
    {"Shape", 1, CreateShape},
    {"Sigmoid", 6, CreateSigmoid},
    {"Size", 1, CreateSize},
    {"Slice", 10, CreateSlice},
    {"Softmax", 13, CreateSoftmax},
    {"Softplus", 1, CreateSoftplus},
    {"SpaceToDepth", 1, CreateSpaceToDepth},
    {"Split", 13, CreateSplit},
    {"Split", 18, CreateSplit18},
    {"Sqrt", 6, CreateSqrt},
    {"Squeeze", 13, CreateSqueeze},
    {"Sub", 7, CreateSub},
    {"Tanh", 6, CreateTanh},
    {"Tile", 6, CreateTile},
    {"Transpose", 1, CreateTranspose},
    {"Unsqueeze", 13, CreateUnsqueeze},
    {"Where", 9, CreateWhere},
};

const KernelRow* FindRow(std::string_view op, int64_t opset) {
  const KernelRow* best = nullptr;
  for (const KernelRow& row : kRows) {
    if (row.op != op || row.since_version > opset) continue;
    if (best == nullptr || row.since_version > best->since_version) best = &row;
  }
  return best;
}

}  // namespace

KernelFunction CreateKernel(const KernelSpec& spec) {
  const KernelRow* row = FindRow(spec.node.op, spec.opset);
  if (row == nullptr) {
    const bool known = std::any_of(std::begin(kRows), std::end(kRows), [&](const KernelRow& other) {
      return other.op == spec.node.op;
    });
    throw Error(ErrorCode::kUnsupported, "operator '" + Printable(spec.node.op) +
                                             "' is not supported" +
                                             (known ? " at opset " + std::to_string(spec.opset)
                                                    : std::string()));
  }
  const KernelFunction kernel = row->create(spec);
  const size_t num_outputs = spec.node.outputs.size();
  if (num_outputs == 1) return kernel;
  // The factory has refused named outputs that it does not make; what is left are empty names.
  return [kernel, num_outputs](const KernelInputs& inputs) {
    std::vector<Tensor> outputs = kernel(inputs);
    outputs.resize(num_outputs);
    return outputs;
  };
}

bool HasKernel(std::string_view op, int64_t opset) { return FindRow(op, opset) != nullptr; }

}  // namespace adaround
