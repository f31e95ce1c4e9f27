// The factories behind src/runtime/kernel_table.cc; each implements its operator as ONNX defines it
// from the row's opset on.
#pragma once

#include "runtime/kernel.h"

namespace adaround::kernels {

KernelFunction CreateAbs(const KernelSpec& spec);
KernelFunction CreateAdd(const KernelSpec& spec);
KernelFunction CreateAnd(const KernelSpec& spec);
KernelFunction CreateArgMax(const KernelSpec& spec);
KernelFunction CreateAveragePool(const KernelSpec& spec);
KernelFunction CreateBatchNormalization(const KernelSpec& spec);
KernelFunction CreateCast(const KernelSpec& spec);
KernelFunction CreateCeil(const KernelSpec& spec);
KernelFunction CreateClip(const KernelSpec& spec);
KernelFunction CreateConcat(const KernelSpec& spec);
KernelFunction CreateConstant(const KernelSpec& spec);
KernelFunction CreateConstantOfShape(const KernelSpec& spec);
KernelFunction CreateConv(const KernelSpec& spec);
KernelFunction CreateConvTranspose(const KernelSpec& spec);
KernelFunction CreateDepthToSpace(const KernelSpec& spec);
KernelFunction CreateDequantizeLinear(const KernelSpec& spec);
KernelFunction CreateDiv(const KernelSpec& spec);
KernelFunction CreateDropout(const KernelSpec& spec);
KernelFunction CreateElu(const KernelSpec& spec);
KernelFunction CreateEqual(const KernelSpec& spec);
KernelFunction CreateErf(const KernelSpec& spec);
KernelFunction CreateExp(const KernelSpec& spec);
KernelFunction CreateExpand(const KernelSpec& spec);
KernelFunction CreateFlatten(const KernelSpec& spec);
KernelFunction CreateFloor(const KernelSpec& spec);
KernelFunction CreateGather(const KernelSpec& spec);
KernelFunction CreateGelu(const KernelSpec& spec);
KernelFunction CreateGemm(const KernelSpec& spec);
KernelFunction CreateGlobalAveragePool(const KernelSpec& spec);
KernelFunction CreateGlobalMaxPool(const KernelSpec& spec);
KernelFunction CreateGreater(const KernelSpec& spec);
KernelFunction CreateHardSigmoid(const KernelSpec& spec);
KernelFunction CreateHardSwish(const KernelSpec& spec);
KernelFunction CreateIdentity(const KernelSpec& spec);
KernelFunction CreateInstanceNormalization(const KernelSpec& spec);
KernelFunction CreateLayerNormalization(const KernelSpec& spec);
KernelFunction CreateLeakyRelu(const KernelSpec& spec);
KernelFunction CreateLess(const KernelSpec& spec);
KernelFunction CreateLog(const KernelSpec& spec);
KernelFunction CreateLogSoftmax(const KernelSpec& spec);
KernelFunction CreateMatMul(const KernelSpec& spec);
KernelFunction CreateMax(const KernelSpec& spec);
KernelFunction CreateMaxPool(const KernelSpec& spec);
KernelFunction CreateMin(const KernelSpec& spec);
KernelFunction CreateMul(const KernelSpec& spec);
KernelFunction CreateNeg(const KernelSpec& spec);
KernelFunction CreateNot(const KernelSpec& spec);
KernelFunction CreateOr(const KernelSpec& spec);
KernelFunction CreatePad(const KernelSpec& spec);
KernelFunction CreatePow(const KernelSpec& spec);
KernelFunction CreatePRelu(const KernelSpec& spec);
KernelFunction CreateQuantizeLinear(const KernelSpec& spec);
KernelFunction CreateRange(const KernelSpec& spec);
KernelFunction CreateReciprocal(const KernelSpec& spec);
KernelFunction CreateReduceMax(const KernelSpec& spec);
KernelFunction CreateReduceMean(const KernelSpec& spec);
KernelFunction CreateReduceSum(const KernelSpec& spec);
KernelFunction CreateRelu(const KernelSpec& spec);
KernelFunction CreateReshape(const KernelSpec& spec);
KernelFunction CreateResize(const KernelSpec& spec);
KernelFunction CreateShape(const KernelSpec& spec);
KernelFunction CreateSigmoid(const KernelSpec& spec);
KernelFunction CreateSize(const KernelSpec& spec);
KernelFunction CreateSlice(const KernelSpec& spec);
KernelFunction CreateSoftmax(const KernelSpec& spec);
KernelFunction CreateSoftplus(const KernelSpec& spec);
KernelFunction CreateSpaceToDepth(const KernelSpec& spec);
KernelFunction CreateSplit(const KernelSpec& spec);
KernelFunction CreateSplit18(const KernelSpec& spec);
KernelFunction CreateSqrt(const KernelSpec& spec);
KernelFunction CreateSqueeze(const KernelSpec& spec);
KernelFunction CreateSub(const KernelSpec& spec);
KernelFunction CreateTanh(const KernelSpec& spec);
KernelFunction CreateTile(const KernelSpec& spec);
KernelFunction CreateTranspose(const KernelSpec& spec);
KernelFunction CreateUnsqueeze(const KernelSpec& spec);
KernelFunction CreateWhere(const KernelSpec& spec);

}  // namespace adaround::kernels
