// The factories of all derivatives; see gradient_table.cc for which operator each belongs to.
#pragma once

#include "runtime/gradient.h"

namespace adaround::gradients {

// Where's inputs but the condition.
inline constexpr InputSet kChoicesOfWhere = 0b110;

GradientFunction CreateAbs(const GradientSpec& spec);
GradientFunction CreateAdd(const GradientSpec& spec);
GradientFunction CreateAdd6(const GradientSpec& spec);
GradientFunction CreateAveragePool(const GradientSpec& spec);
GradientFunction CreateBatchNormalization(const GradientSpec& spec);
GradientFunction CreateCast(const GradientSpec& spec);
GradientFunction CreateCelu(const GradientSpec& spec);
GradientFunction CreateClip(const GradientSpec& spec);
GradientFunction CreateClip6(const GradientSpec& spec);
GradientFunction CreateConcat(const GradientSpec& spec);
GradientFunction CreateConv(const GradientSpec& spec);
GradientFunction CreateConvTranspose(const GradientSpec& spec);
GradientFunction CreateCos(const GradientSpec& spec);
GradientFunction CreateDiv(const GradientSpec& spec);
GradientFunction CreateDiv6(const GradientSpec& spec);
GradientFunction CreateElu(const GradientSpec& spec);
GradientFunction CreateErf(const GradientSpec& spec);
GradientFunction CreateExp(const GradientSpec& spec);
GradientFunction CreateGelu(const GradientSpec& spec);
GradientFunction CreateGemm(const GradientSpec& spec);
GradientFunction CreateGlobalAveragePool(const GradientSpec& spec);
GradientFunction CreateGlobalMaxPool(const GradientSpec& spec);
GradientFunction CreateHardSigmoid(const GradientSpec& spec);
GradientFunction CreateHardSwish(const GradientSpec& spec);
GradientFunction CreateInstanceNormalization(const GradientSpec& spec);
GradientFunction CreateLRN(const GradientSpec& spec);
GradientFunction CreateLayerNormalization(const GradientSpec& spec);
GradientFunction CreateLeakyRelu(const GradientSpec& spec);
GradientFunction CreateLog(const GradientSpec& spec);
GradientFunction CreateLogSoftmax(const GradientSpec& spec);
GradientFunction CreateMatMul(const GradientSpec& spec);
GradientFunction CreateMax(const GradientSpec& spec);
GradientFunction CreateMaxPool(const GradientSpec& spec);
GradientFunction CreateMean(const GradientSpec& spec);
GradientFunction CreateMin(const GradientSpec& spec);
GradientFunction CreateMish(const GradientSpec& spec);
// Every operator that moves, repeats or drops elements of its first input alone.
GradientFunction CreateMoved(const GradientSpec& spec);
GradientFunction CreateMul(const GradientSpec& spec);
GradientFunction CreateMul6(const GradientSpec& spec);
GradientFunction CreateNeg(const GradientSpec& spec);
GradientFunction CreatePRelu(const GradientSpec& spec);
GradientFunction CreatePRelu6(const GradientSpec& spec);
GradientFunction CreatePad(const GradientSpec& spec);
GradientFunction CreatePad2(const GradientSpec& spec);
GradientFunction CreatePow(const GradientSpec& spec);
GradientFunction CreatePow1(const GradientSpec& spec);
GradientFunction CreateReciprocal(const GradientSpec& spec);
GradientFunction CreateReduceMax(const GradientSpec& spec);
GradientFunction CreateReduceMean(const GradientSpec& spec);
GradientFunction CreateReduceMin(const GradientSpec& spec);
GradientFunction CreateReduceSum(const GradientSpec& spec);
GradientFunction CreateRelu(const GradientSpec& spec);
// Every operator whose first output is its first input in another shape.
GradientFunction CreateReshaped(const GradientSpec& spec);
// Of every opset, Upsample too.
GradientFunction CreateResize(const GradientSpec& spec);
GradientFunction CreateSelu(const GradientSpec& spec);
GradientFunction CreateSigmoid(const GradientSpec& spec);
GradientFunction CreateSin(const GradientSpec& spec);
GradientFunction CreateSoftmax(const GradientSpec& spec);
GradientFunction CreateSoftplus(const GradientSpec& spec);
GradientFunction CreateSoftsign(const GradientSpec& spec);
GradientFunction CreateSqrt(const GradientSpec& spec);
GradientFunction CreateSub(const GradientSpec& spec);
GradientFunction CreateSub6(const GradientSpec& spec);
GradientFunction CreateSum(const GradientSpec& spec);
GradientFunction CreateTanh(const GradientSpec& spec);
GradientFunction CreateWhere(const GradientSpec& spec);

}  // namespace adaround::gradients
