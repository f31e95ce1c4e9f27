// Every operator that can be differentiated, and those at which dependence ends. Rows follow the
// forward table: a row's opset is the first with that meaning.
#include "runtime/gradient.h"
#include "runtime/gradients/gradients.h"

namespace adaround {
namespace {

using namespace gradients;  // NOLINT(google-build-using-namespace): the factories alone

constexpr InputSet kOne = kFirstInput;
constexpr InputSet kTwo = 0b11;
constexpr InputSet kThree = 0b111;
constexpr InputSet kFive = 0b11111;

constexpr GradientRow kRows[] = {
    {"Abs", 6, kOne, Keeps::kInputs, CreateAbs},
    {"Add", 6, kTwo, Keeps::kNothing, CreateAdd6},
    {"Add", 7, kTwo, Keeps::kNothing, CreateAdd},
    {"And", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"ArgMax", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"ArgMin", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"AveragePool", 1, kOne, Keeps::kNothing, CreateAveragePool},
    {"BatchNormalization", 6, kFive, Keeps::kInputs, CreateBatchNormalization},
    {"Cast", 6, kOne, Keeps::kNothing, CreateCast},
    {"Celu", 12, kOne, Keeps::kInputs, CreateCelu},
    {"Clip", 6, kOne, Keeps::kInputs, CreateClip6},
    {"Clip", 11, kOne, Keeps::kInputs, CreateClip},
    {"Concat", 4, kAllInputs, Keeps::kNothing, CreateConcat},
    {"Conv", 1, kThree, Keeps::kOthers, CreateConv},
    {"ConvTranspose", 1, kThree, Keeps::kOthers, CreateConvTranspose},
    {"Cos", 7, kOne, Keeps::kInputs, CreateCos},
    {"DepthToSpace", 1, kOne, Keeps::kNothing, CreateMoved},
    {"Div", 6, kTwo, Keeps::kInputs, CreateDiv6},
    {"Div", 7, kTwo, Keeps::kInputs, CreateDiv},
    {"Dropout", 6, kOne, Keeps::kNothing, CreateReshaped},
    {"Elu", 6, kOne, Keeps::kInputs, CreateElu},
    {"Equal", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"Erf", 9, kOne, Keeps::kInputs, CreateErf},
    {"Exp", 6, kOne, Keeps::kInputs, CreateExp},
    {"Expand", 8, kOne, Keeps::kNothing, CreateMoved},
    {"EyeLike", 9, kAllInputs, Keeps::kNothing, nullptr},
    {"Flatten", 1, kOne, Keeps::kNothing, CreateReshaped},
    {"Gather", 1, kOne, Keeps::kNothing, CreateMoved},
    {"GatherElements", 11, kOne, Keeps::kNothing, CreateMoved},
    {"GatherND", 11, kOne, Keeps::kNothing, CreateMoved},
    {"Gelu", 20, kOne, Keeps::kInputs, CreateGelu},
    {"Gemm", 6, kThree, Keeps::kOthers, CreateGemm},
    {"GlobalAveragePool", 1, kOne, Keeps::kNothing, CreateGlobalAveragePool},
    {"GlobalMaxPool", 1, kOne, Keeps::kInputs, CreateGlobalMaxPool},
    {"Greater", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"GreaterOrEqual", 12, kAllInputs, Keeps::kNothing, nullptr},
    {"HardSigmoid", 6, kOne, Keeps::kInputs, CreateHardSigmoid},
    {"HardSwish", 14, kOne, Keeps::kInputs, CreateHardSwish},
    {"Identity", 1, kOne, Keeps::kNothing, CreateReshaped},
    {"InstanceNormalization", 6, kThree, Keeps::kInputs, CreateInstanceNormalization},
    {"IsInf", 10, kAllInputs, Keeps::kNothing, nullptr},
    {"IsNaN", 9, kAllInputs, Keeps::kNothing, nullptr},
    {"LRN", 1, kOne, Keeps::kInputs, CreateLRN},
    {"LayerNormalization", 17, kThree, Keeps::kInputs, CreateLayerNormalization},
    {"LeakyRelu", 6, kOne, Keeps::kInputs, CreateLeakyRelu},
    {"Less", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"LessOrEqual", 12, kAllInputs, Keeps::kNothing, nullptr},
    {"Log", 6, kOne, Keeps::kInputs, CreateLog},
    {"LogSoftmax", 1, kOne, Keeps::kInputs, CreateLogSoftmax},
    {"MatMul", 1, kTwo, Keeps::kOthers, CreateMatMul},
    {"Max", 6, kAllInputs, Keeps::kInputs, CreateMax},
    {"MaxPool", 1, kOne, Keeps::kInputs, CreateMaxPool},
    {"Mean", 6, kAllInputs, Keeps::kNothing, CreateMean},
    {"Min", 6, kAllInputs, Keeps::kInputs, CreateMin},
    {"Mish", 18, kOne, Keeps::kInputs, CreateMish},
    {"Mul", 6, kTwo, Keeps::kOthers, CreateMul6},
    {"Mul", 7, kTwo, Keeps::kOthers, CreateMul},
    {"Neg", 6, kOne, Keeps::kNothing, CreateNeg},
    {"NonZero", 9, kAllInputs, Keeps::kNothing, nullptr},
    {"Not", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"Or", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"PRelu", 6, kTwo, Keeps::kInputs, CreatePRelu6},
    {"PRelu", 7, kTwo, Keeps::kInputs, CreatePRelu},
    {"Pad", 2, kOne, Keeps::kNothing, CreatePad2},
    {"Pad", 11, kOne, Keeps::kNothing, CreatePad},
    {"Pow", 1, kOne, Keeps::kInputs, CreatePow1},
    {"Pow", 7, kOne, Keeps::kInputs, CreatePow},
    {"Reciprocal", 6, kOne, Keeps::kInputs, CreateReciprocal},
    {"ReduceMax", 1, kOne, Keeps::kInputs, CreateReduceMax},
    {"ReduceMean", 1, kOne, Keeps::kNothing, CreateReduceMean},
    {"ReduceMin", 1, kOne, Keeps::kInputs, CreateReduceMin},
    {"ReduceSum", 1, kOne, Keeps::kNothing, CreateReduceSum},
    {"Relu", 6, kOne, Keeps::kInputs, CreateRelu},
    {"Reshape", 5, kOne, Keeps::kNothing, CreateReshaped},
    {"Resize", 10, kOne, Keeps::kNothing, CreateResize},
    {"ReverseSequence", 10, kOne, Keeps::kNothing, CreateMoved},
    {"Selu", 6, kOne, Keeps::kInputs, CreateSelu},
    {"Shape", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"Sigmoid", 6, kOne, Keeps::kInputs, CreateSigmoid},
    {"Sin", 7, kOne, Keeps::kInputs, CreateSin},
    {"Size", 1, kAllInputs, Keeps::kNothing, nullptr},
    {"Slice", 1, kOne, Keeps::kNothing, CreateMoved},
    {"Softmax", 1, kOne, Keeps::kInputs, CreateSoftmax},
    {"Softplus", 1, kOne, Keeps::kInputs, CreateSoftplus},
    {"Softsign", 1, kOne, Keeps::kInputs, CreateSoftsign},
    {"SpaceToDepth", 1, kOne, Keeps::kNothing, CreateMoved},
    {"Split", 2, kOne, Keeps::kNothing, CreateMoved},
    {"Sqrt", 6, kOne, Keeps::kInputs, CreateSqrt},
    {"Squeeze", 1, kOne, Keeps::kNothing, CreateReshaped},
    {"Sub", 6, kTwo, Keeps::kNothing, CreateSub6},
    {"Sub", 7, kTwo, Keeps::kNothing, CreateSub},
    {"Sum", 6, kAllInputs, Keeps::kNothing, CreateSum},
    {"Tanh", 6, kOne, Keeps::kInputs, CreateTanh},
    {"Tile", 6, kOne, Keeps::kNothing, CreateMoved},
    {"Transpose", 1, kOne, Keeps::kNothing, CreateMoved},
    {"Unsqueeze", 1, kOne, Keeps::kNothing, CreateReshaped},
    {"Upsample", 7, kOne, Keeps::kNothing, CreateResize},
    {"Where", 9, kChoicesOfWhere, Keeps::kNothing, CreateWhere},
    {"Xor", 1, kAllInputs, Keeps::kNothing, nullptr},
};

}  // namespace

const GradientRow* FindGradientRow(std::string_view op, int64_t opset) {
  const GradientRow* best = nullptr;
  for (const GradientRow& row : kRows) {
    if (row.op != op || row.since_version > opset) continue;
    if (best == nullptr || row.since_version > best->since_version) best = &row;
  }
  return best;
}

}  // namespace adaround
