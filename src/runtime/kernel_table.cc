// Every operator that the executor can run. Where an operator's meaning changed between opsets that
// we read, each meaning has its row; a row's opset is the first with that meaning, so that graphs
// older than opset 13 run too as far as the meanings agree.
#include <algorithm>
#include <iterator>

#include "adaround/base/error.h"
#include "runtime/kernels/broadcast.h"
#include "runtime/kernels/kernels.h"

namespace adaround {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace): the factories alone

// Before opset 7 operators of two tensors have broadcasting rules of their own.
template <KernelFactory kCreate>
KernelFunction Legacy(const KernelSpec& spec) {
  return WithLegacyBroadcast(spec.node, kCreate(spec));
}

constexpr KernelRow kRows[] = {
    {"Abs", 6, CreateAbs},
    {"Acos", 7, CreateAcos},
    {"Acosh", 9, CreateAcosh},
    {"Add", 6, Legacy<CreateAdd>},
    {"Add", 7, CreateAdd},
    {"And", 1, Legacy<CreateAnd>},
    {"And", 7, CreateAnd},
    {"ArgMax", 1, CreateArgMax},
    {"ArgMin", 1, CreateArgMin},
    {"Asin", 7, CreateAsin},
    {"Asinh", 9, CreateAsinh},
    {"Atan", 7, CreateAtan},
    {"Atanh", 9, CreateAtanh},
    {"AveragePool", 1, CreateAveragePool},
    {"BatchNormalization", 6, CreateBatchNormalization6},
    {"BatchNormalization", 7, CreateBatchNormalization},
    {"Cast", 6, CreateCast},
    {"CastLike", 15, CreateCastLike},
    {"Ceil", 6, CreateCeil},
    {"Celu", 12, CreateCelu},
    {"Clip", 6, CreateClip6},
    {"Clip", 11, CreateClip},
    {"Compress", 9, CreateCompress},
    {"Concat", 4, CreateConcat},
    {"Constant", 1, CreateConstant},
    {"ConstantOfShape", 9, CreateConstantOfShape},
    {"Conv", 1, CreateConv},
    {"ConvTranspose", 1, CreateConvTranspose},
    {"Cos", 7, CreateCos},
    {"Cosh", 9, CreateCosh},
    {"CumSum", 11, CreateCumSum},
    {"DepthToSpace", 1, CreateDepthToSpace},
    {"DequantizeLinear", 10, CreateDequantizeLinear},
    {"Div", 6, Legacy<CreateDiv>},
    {"Div", 7, CreateDiv},
    {"Dropout", 6, CreateDropout6},
    {"Dropout", 7, CreateDropout},
    {"Elu", 6, CreateElu},
    {"Equal", 1, Legacy<CreateEqual>},
    {"Equal", 7, CreateEqual},
    {"Erf", 9, CreateErf},
    {"Exp", 6, CreateExp},
    {"Expand", 8, CreateExpand},
    {"EyeLike", 9, CreateEyeLike},
    {"Flatten", 1, CreateFlatten},
    {"Floor", 6, CreateFloor},
    {"Gather", 1, CreateGather},
    {"GatherElements", 11, CreateGatherElements},
    {"GatherND", 11, CreateGatherND},
    {"Gelu", 20, CreateGelu},
    {"Gemm", 6, CreateGemm},
    {"GlobalAveragePool", 1, CreateGlobalAveragePool},
    {"GlobalMaxPool", 1, CreateGlobalMaxPool},
    {"Greater", 1, Legacy<CreateGreater>},
    {"Greater", 7, CreateGreater},
    {"GreaterOrEqual", 12, CreateGreaterOrEqual},
    {"GridSample", 16, CreateGridSample},
    {"GroupNormalization", 18, CreateGroupNormalization},
    {"Hardmax", 1, CreateHardmax1},
    {"Hardmax", 13, CreateHardmax},
    {"HardSigmoid", 6, CreateHardSigmoid},
    {"HardSwish", 14, CreateHardSwish},
    {"Identity", 1, CreateIdentity},
    {"InstanceNormalization", 6, CreateInstanceNormalization},
    {"IsInf", 10, CreateIsInf},
    {"IsNaN", 9, CreateIsNaN},
    {"LayerNormalization", 17, CreateLayerNormalization},
    {"LeakyRelu", 6, CreateLeakyRelu},
    {"Less", 1, Legacy<CreateLess>},
    {"Less", 7, CreateLess},
    {"LessOrEqual", 12, CreateLessOrEqual},
    {"Log", 6, CreateLog},
    {"LogSoftmax", 1, CreateLogSoftmax1},
    {"LogSoftmax", 13, CreateLogSoftmax},
    {"LpNormalization", 1, CreateLpNormalization},
    {"LRN", 1, CreateLRN},
    {"MatMul", 1, CreateMatMul},
    {"Max", 6, CreateMax},
    {"MaxPool", 1, CreateMaxPool},
    {"Mean", 6, CreateMean},
    {"MeanVarianceNormalization", 9, CreateMeanVarianceNormalization},
    {"Min", 6, CreateMin},
    {"Mish", 18, CreateMish},
    {"Mod", 10, CreateMod},
    {"Mul", 6, Legacy<CreateMul>},
    {"Mul", 7, CreateMul},
    {"Neg", 6, CreateNeg},
    {"NonZero", 9, CreateNonZero},
    {"Not", 1, CreateNot},
    {"OneHot", 9, CreateOneHot9},
    {"OneHot", 11, CreateOneHot},
    {"Or", 1, Legacy<CreateOr>},
    {"Or", 7, CreateOr},
    {"Pad", 2, CreatePad2},
    {"Pad", 11, CreatePad},
    {"Pow", 1, Legacy<CreatePow>},
    {"Pow", 7, CreatePow},
    {"PRelu", 6, CreatePRelu6},
    {"PRelu", 7, CreatePRelu},
    {"QuantizeLinear", 10, CreateQuantizeLinear},
    {"Range", 11, CreateRange},
    {"Reciprocal", 6, CreateReciprocal},
    {"ReduceL1", 1, CreateReduceL1},
    {"ReduceL2", 1, CreateReduceL2},
    {"ReduceLogSum", 1, CreateReduceLogSum},
    {"ReduceLogSumExp", 1, CreateReduceLogSumExp},
    {"ReduceMax", 1, CreateReduceMax},
    {"ReduceMean", 1, CreateReduceMean},
    {"ReduceMin", 1, CreateReduceMin},
    {"ReduceProd", 1, CreateReduceProd},
    {"ReduceSum", 1, CreateReduceSum},
    {"ReduceSumSquare", 1, CreateReduceSumSquare},
    {"Relu", 6, CreateRelu},
    {"Reshape", 5, CreateReshape},
    {"Resize", 10, CreateResize10},
    {"Resize", 11, CreateResize},
    {"ReverseSequence", 10, CreateReverseSequence},
    {"Round", 11, CreateRound},
    {"Scatter", 9, CreateScatterElements},
    {"ScatterElements", 11, CreateScatterElements},
    {"ScatterND", 11, CreateScatterND},
    {"Selu", 6, CreateSelu},
    {"Shape", 1, CreateShape},
    {"Shrink", 9, CreateShrink},
    {"Sigmoid", 6, CreateSigmoid},
    {"Sign", 9, CreateSign},
    {"Sin", 7, CreateSin},
    {"Sinh", 9, CreateSinh},
    {"Size", 1, CreateSize},
    {"Slice", 1, CreateSlice1},
    {"Slice", 10, CreateSlice},
    {"Softmax", 1, CreateSoftmax1},
    {"Softmax", 13, CreateSoftmax},
    {"Softplus", 1, CreateSoftplus},
    {"Softsign", 1, CreateSoftsign},
    {"SpaceToDepth", 1, CreateSpaceToDepth},
    {"Split", 2, CreateSplit2},
    {"Split", 13, CreateSplit},
    {"Split", 18, CreateSplit18},
    {"Sqrt", 6, CreateSqrt},
    {"Squeeze", 1, CreateSqueeze1},
    {"Squeeze", 13, CreateSqueeze},
    {"Sub", 6, Legacy<CreateSub>},
    {"Sub", 7, CreateSub},
    {"Sum", 6, CreateSum},
    {"Tan", 7, CreateTan},
    {"Tanh", 6, CreateTanh},
    {"ThresholdedRelu", 10, CreateThresholdedRelu},
    {"Tile", 6, CreateTile},
    {"TopK", 1, CreateTopK1},
    {"TopK", 10, CreateTopK},
    {"Transpose", 1, CreateTranspose},
    {"Trilu", 14, CreateTrilu},
    {"Unsqueeze", 1, CreateUnsqueeze1},
    {"Unsqueeze", 13, CreateUnsqueeze},
    {"Upsample", 7, CreateUpsample7},
    {"Upsample", 9, CreateResize10},
    {"Where", 9, CreateWhere},
    {"Xor", 1, Legacy<CreateXor>},
    {"Xor", 7, CreateXor},
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
