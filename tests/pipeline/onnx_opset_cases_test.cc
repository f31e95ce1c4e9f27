// Operators whose meaning changed in opsets 18 to 21, which the installed test data ends before,
// and shapes of graphs that exporters write: from the ONNX file to the executor's outputs.
// Expectations are naive loops over the operators' formulas.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "adaround/io/onnx_import.h"
#include "io/test_files.h"
#include "support/graph_testing.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

using testing::FloatAttribute;
using testing::FloatTensorProto;
using testing::IntAttribute;
using testing::IntsAttribute;
using testing::IntTensorProto;
using testing::OnnxBuilder;
using testing::RandomFloats;
using testing::RandomTensor;
using testing::StringAttribute;
using testing::TensorAttribute;

// A handful of float32 roundings of values about 1.
constexpr double kTolerance = 1e-5;

int64_t IrVersionOf(int64_t opset) {
  return opset >= 21 ? 10 : opset >= 19 ? 9 : 8;
}

// A graph of one input x and whatever the test adds; its outputs by name.
class OnnxRun {
 public:
  OnnxRun(int64_t opset, Tensor x) : builder_(opset, IrVersionOf(opset)), x_(std::move(x)) {
    builder_.AddInput("x", x_.shape(),
                      x_.dtype() == DType::kFloat32 ? onnx_type::kFloat : onnx_type::kInt64);
  }

  OnnxBuilder& builder() { return builder_; }

  void Floats(const std::string& name, const Shape& dims, const std::vector<float>& values) {
    builder_.AddInitializer(FloatTensorProto(name, dims, values));
  }
  void Ints(const std::string& name, const std::vector<int64_t>& values) {
    builder_.AddInitializer(IntTensorProto(name, {static_cast<int64_t>(values.size())}, values));
  }
  void Node(const std::string& op, const std::vector<std::string>& inputs,
            const std::vector<std::string>& outputs,
            const std::vector<onnx::AttributeProto>& attributes = {}) {
    builder_.AddNode(op, inputs, outputs, attributes);
  }

  TensorMap Outputs(const std::vector<std::string>& names) {
    for (const std::string& name : names) builder_.AddOutput(name);
    const testing::ScratchFolder folder;
    const Graph graph = ReadOnnxModel(builder_.Write(folder / "m.onnx")).graph;
    return testing::RunGraph(graph, {{"x", x_}}, {names.begin(), names.end()});
  }

  Tensor Output() { return Outputs({"y"}).at("y"); }

 private:
  OnnxBuilder builder_;
  Tensor x_;
};

void ExpectNear(const Tensor& found, const Shape& shape, const std::vector<double>& wanted,
                double tolerance = kTolerance) {
  ASSERT_EQ(found.dtype(), DType::kFloat32);
  ASSERT_EQ(found.shape(), shape);
  for (int64_t i = 0; i < found.num_elements(); ++i) {
    EXPECT_NEAR(found.data<float>()[i], wanted[static_cast<size_t>(i)], tolerance) << i;
  }
}

// f of every element of x, as double.
std::vector<double> Each(const Tensor& x, const std::function<double(double)>& f) {
  std::vector<double> result;
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    result.push_back(f(static_cast<double>(x.data<float>()[i])));
  }
  return result;
}

double At(const Tensor& x, int64_t i) {
  return static_cast<double>(x.data<float>()[i]);
}

TEST(OnnxOpsetCases, SplitByNumberOfOutputs) {
  const Tensor x = RandomTensor({1, 7}, 1);
  OnnxRun run(18, x);
  run.Node("Split", {"x"}, {"a", "b", "c"},
           {IntAttribute("axis", 1), IntAttribute("num_outputs", 3)});
  const TensorMap found = run.Outputs({"a", "b", "c"});
  // ceil(7 / 3) each, the last what is left.
  ExpectNear(found.at("a"), {1, 3}, {At(x, 0), At(x, 1), At(x, 2)});
  ExpectNear(found.at("b"), {1, 3}, {At(x, 3), At(x, 4), At(x, 5)});
  ExpectNear(found.at("c"), {1, 1}, {At(x, 6)});
}

struct Reduction {
  const char* op;
  double start;
  double (*add)(double, double);
  double (*finish)(double, double count);
};

const Reduction kReductions[] = {
    {"ReduceMean", 0, [](double a, double b) { return a + b; },
     [](double a, double n) { return a / n; }},
    {"ReduceSum", 0, [](double a, double b) { return a + b; }, [](double a, double) { return a; }},
    {"ReduceMax", -1e30, [](double a, double b) { return std::max(a, b); },
     [](double a, double) { return a; }},
    {"ReduceMin", 1e30, [](double a, double b) { return std::min(a, b); },
     [](double a, double) { return a; }},
    {"ReduceL2", 0, [](double a, double b) { return a + b * b; },
     [](double a, double) { return std::sqrt(a); }},
};

TEST(OnnxOpsetCases, ReductionsTakeAxesAsInput) {
  const Tensor x = RandomTensor({2, 3, 4}, 2);
  for (const Reduction& reduction : kReductions) {
    SCOPED_TRACE(reduction.op);
    std::vector<double> along_last;
    double all = reduction.start;
    for (int64_t row = 0; row < 6; ++row) {
      double value = reduction.start;
      for (int64_t i = 0; i < 4; ++i) {
        value = reduction.add(value, At(x, row * 4 + i));
        all = reduction.add(all, At(x, row * 4 + i));
      }
      along_last.push_back(reduction.finish(value, 4));
    }
    for (const int64_t keepdims : {0, 1}) {
      OnnxRun run(18, x);
      run.Ints("axes", {-1});
      run.Node(reduction.op, {"x", "axes"}, {"y"}, {IntAttribute("keepdims", keepdims)});
      ExpectNear(run.Output(), keepdims == 1 ? Shape{2, 3, 1} : Shape{2, 3}, along_last);
    }
    OnnxRun everything(18, x);
    everything.Node(reduction.op, {"x"}, {"y"}, {IntAttribute("keepdims", 0)});
    ExpectNear(everything.Output(), {}, {reduction.finish(all, 24)});
    OnnxRun empty(18, x);
    empty.Ints("axes", {});
    empty.Node(reduction.op, {"x", "axes"}, {"y"}, {IntAttribute("keepdims", 0)});
    ExpectNear(empty.Output(), {}, {reduction.finish(all, 24)});
  }
}

TEST(OnnxOpsetCases, ReductionsWithoutAxesMayDoNothing) {
  const Tensor x = RandomTensor({2, 3}, 3);
  for (const char* op : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"}) {
    SCOPED_TRACE(op);
    OnnxRun run(18, x);
    run.Ints("axes", {});
    run.Node(op, {"x", "axes"}, {"y"}, {IntAttribute("noop_with_empty_axes", 1)});
    ExpectNear(run.Output(), {2, 3}, Each(x, [](double v) { return v; }));
  }
}

TEST(OnnxOpsetCases, PadOfStatedAxes) {
  const Tensor x = RandomTensor({1, 2, 3}, 4);
  OnnxRun run(18, x);
  run.Ints("pads", {1, 2});
  run.Floats("value", {}, {7});
  run.Ints("axes", {-1});
  run.Node("Pad", {"x", "pads", "value", "axes"}, {"y"});
  std::vector<double> wanted;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t i = -1; i < 5; ++i) wanted.push_back(i < 0 || i > 2 ? 7 : At(x, row * 3 + i));
  }
  ExpectNear(run.Output(), {1, 2, 6}, wanted);
}

TEST(OnnxOpsetCases, PadWraps) {
  const Tensor x = RandomTensor({1, 1, 2, 3}, 5);
  OnnxRun run(19, x);
  run.Ints("pads", {0, 0, 1, 2, 0, 0, 1, 1});
  run.Node("Pad", {"x", "pads"}, {"y"}, {StringAttribute("mode", "wrap")});
  std::vector<double> wanted;
  for (int64_t i = -1; i < 3; ++i) {
    for (int64_t j = -2; j < 4; ++j) wanted.push_back(At(x, (i + 2) % 2 * 3 + (j + 3) % 3));
  }
  ExpectNear(run.Output(), {1, 1, 4, 6}, wanted);
}

// Bilinear, output pixel `to` of a row taken from where `source` says, edges repeated.
std::vector<double> ResizeRows(const Tensor& x, int64_t rows, int64_t in, int64_t out,
                               const std::function<double(double)>& source) {
  std::vector<double> wanted;
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t to = 0; to < out; ++to) {
      const double from = source(static_cast<double>(to));
      const double low = std::floor(from);
      const auto pixel = [&](double at) {
        return At(x, row * in + std::clamp<int64_t>(static_cast<int64_t>(at), 0, in - 1));
      };
      wanted.push_back(pixel(low) * (1 - (from - low)) + pixel(low + 1) * (from - low));
    }
  }
  return wanted;
}

TEST(OnnxOpsetCases, ResizeOfStatedAxes) {
  const Tensor x = RandomTensor({1, 2, 2, 4}, 6);
  for (const int64_t opset : {18, 19}) {
    OnnxRun run(opset, x);
    run.Ints("sizes", {6});
    run.Node("Resize", {"x", "", "", "sizes"}, {"y"},
             {StringAttribute("mode", "linear"), IntsAttribute("axes", {3})});
    ExpectNear(run.Output(), {1, 2, 2, 6},
               ResizeRows(x, 4, 4, 6, [](double to) { return (to + 0.5) * 4 / 6 - 0.5; }));
  }
}

TEST(OnnxOpsetCases, ResizeByScalesOfStatedAxes) {
  const Tensor x = RandomTensor({1, 1, 2, 3}, 7);
  OnnxRun run(18, x);
  run.Floats("scales", {1}, {2});
  run.Node("Resize", {"x", "", "scales"}, {"y"},
           {StringAttribute("mode", "nearest"), IntsAttribute("axes", {-1}),
            StringAttribute("coordinate_transformation_mode", "asymmetric"),
            StringAttribute("nearest_mode", "floor")});
  std::vector<double> wanted;
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t to = 0; to < 6; ++to) wanted.push_back(At(x, row * 3 + to / 2));
  }
  ExpectNear(run.Output(), {1, 1, 2, 6}, wanted);
}

TEST(OnnxOpsetCases, CastsSinceOpset19) {
  const Tensor x = testing::Floats({1, 5}, {-2.7F, -0.5F, 0, 1.5F, 100});
  for (const int64_t opset : {19, 21}) {
    OnnxRun run(opset, x);
    run.Node("Cast", {"x"}, {"whole"},
             {IntAttribute("to", onnx_type::kInt8), IntAttribute("saturate", 1)});
    run.Node("Cast", {"x"}, {"truth"}, {IntAttribute("to", onnx_type::kBool)});
    run.Node("Cast", {"whole"}, {"y"}, {IntAttribute("to", onnx_type::kDouble)});
    const TensorMap found = run.Outputs({"whole", "truth", "y"});
    EXPECT_EQ(ToInt64Vector(found.at("whole")), (std::vector<int64_t>{-2, 0, 0, 1, 100}));
    EXPECT_EQ(found.at("truth").dtype(), DType::kBool);
    EXPECT_FALSE(found.at("truth").data<bool>()[2]);
    EXPECT_TRUE(found.at("truth").data<bool>()[1]);
    // Every float type is float32 in memory.
    ExpectNear(found.at("y"), {1, 5}, {-2, 0, 0, 1, 100});
  }
}

TEST(OnnxOpsetCases, EqualSinceOpset19) {
  OnnxRun run(19, testing::Floats({1, 3}, {1, 2, 3}));
  run.Floats("other", {3}, {1, 0, 3});
  run.Node("Equal", {"x", "other"}, {"y"});
  const Tensor found = run.Output();
  ASSERT_EQ(found.dtype(), DType::kBool);
  EXPECT_TRUE(found.data<bool>()[0]);
  EXPECT_FALSE(found.data<bool>()[1]);
  EXPECT_TRUE(found.data<bool>()[2]);
}

TEST(OnnxOpsetCases, ReshapeSinceOpset21) {
  const Tensor x = RandomTensor({1, 2, 6}, 8);
  OnnxRun run(21, x);
  run.Ints("shape", {0, -1, 3});
  run.Node("Reshape", {"x", "shape"}, {"y"});
  ExpectNear(run.Output(), {1, 4, 3}, Each(x, [](double v) { return v; }));
}

double Gelu(double x) {
  return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
}

double TanhGelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

double Mish(double x) {
  return x * std::tanh(std::log1p(std::exp(x)));
}

double HardSwish(double x) {
  return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
}

TEST(OnnxOpsetCases, ActivationsSinceOpset14) {
  const Tensor x = RandomTensor({1, 64}, 9, -8, 8);
  const auto expect = [&](int64_t opset, const char* op, double (*f)(double),
                          const std::vector<onnx::AttributeProto>& attributes = {}) {
    SCOPED_TRACE(op);
    OnnxRun run(opset, x);
    run.Node(op, {"x"}, {"y"}, attributes);
    ExpectNear(run.Output(), {1, 64}, Each(x, f));
  };
  expect(20, "Gelu", Gelu);
  expect(20, "Gelu", Gelu, {StringAttribute("approximate", "none")});
  expect(20, "Gelu", TanhGelu, {StringAttribute("approximate", "tanh")});
  expect(18, "Mish", Mish);
  expect(14, "HardSwish", HardSwish);
  expect(21, "HardSwish", HardSwish);
}

// (x - mean) / sqrt(variance + epsilon) over each of `count` consecutive runs of `length`.
std::vector<double> NormalizeRuns(const Tensor& x, int64_t length, double epsilon) {
  std::vector<double> result;
  for (int64_t begin = 0; begin < x.num_elements(); begin += length) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < length; ++i) mean += At(x, begin + i) / static_cast<double>(length);
    for (int64_t i = 0; i < length; ++i) {
      variance += std::pow(At(x, begin + i) - mean, 2) / static_cast<double>(length);
    }
    for (int64_t i = 0; i < length; ++i) {
      result.push_back((At(x, begin + i) - mean) / std::sqrt(variance + epsilon));
    }
  }
  return result;
}

TEST(OnnxOpsetCases, LayerNormalization) {
  const Tensor x = RandomTensor({1, 3, 2, 4}, 10);
  const std::vector<float> scale = RandomFloats(8, 11);
  const std::vector<float> bias = RandomFloats(8, 12);
  for (const bool with_bias : {false, true}) {
    OnnxRun run(17, x);
    run.Floats("scale", {2, 4}, scale);
    run.Floats("bias", {2, 4}, bias);
    run.Node("LayerNormalization",
             with_bias ? std::vector<std::string>{"x", "scale", "bias"}
                       : std::vector<std::string>{"x", "scale"},
             {"y"},
             {IntAttribute("axis", -2), FloatAttribute("epsilon", 1e-3F),
              IntAttribute("stash_type", 1)});
    std::vector<double> wanted = NormalizeRuns(x, 8, 1e-3);
    for (size_t i = 0; i < wanted.size(); ++i) {
      wanted[i] = wanted[i] * scale[i % 8] + (with_bias ? bias[i % 8] : 0);
    }
    ExpectNear(run.Output(), {1, 3, 2, 4}, wanted);
  }
}

// y = (x - zero_point) * scale, int8 [2, 3] along axis 1.
TEST(OnnxOpsetCases, DequantizeLinearPerAxis) {
  for (const int64_t opset : {13, 19, 21}) {
    OnnxRun run(opset, RandomTensor({1}, 13));
    run.builder().AddInitializer(
        testing::RawTensorProto("q", onnx_type::kInt8, {2, 3}, "\x80\xFF\x01\x02\x03\x7F"));
    run.Floats("scale", {3}, {0.5F, 0.25F, 2});
    run.builder().AddInitializer(
        testing::RawTensorProto("zero", onnx_type::kInt8, {3}, "\x01\xFE\x03"));
    run.Node("DequantizeLinear", {"q", "scale", "zero"}, {"y"}, {IntAttribute("axis", 1)});
    ExpectNear(run.Output(), {2, 3},
               {(-128 - 1) * 0.5, (-1 + 2) * 0.25, (1 - 3) * 2.0, (2 - 1) * 0.5, (3 + 2) * 0.25,
                (127 - 3) * 2.0});
  }
}

TEST(OnnxOpsetCases, DequantizeLinearOfFourBitsInBlocks) {
  // Elements -8 ... 7 in row-major [2, 8], blocks of 3 along axis 1: the last has 2.
  std::string pairs;
  for (int i = 0; i < 16; i += 2)
    pairs += static_cast<char>(((i - 8) & 0xF) | ((i - 7) & 0xF) << 4);
  OnnxRun run(21, RandomTensor({1}, 14));
  run.builder().AddNode(
      "Constant", {}, {"q"},
      {TensorAttribute("value", testing::RawTensorProto("", onnx_type::kInt4, {2, 8}, pairs))});
  const std::vector<float> scale = {0.5F, 1, 2, 4, 8, 16};
  run.Floats("scale", {2, 3}, scale);
  // Zero points 1, -1, 2, 0, -2, 3.
  run.builder().AddInitializer(
      testing::RawTensorProto("zero", onnx_type::kInt4, {2, 3}, "\xF1\x02\x3E"));
  run.Node("DequantizeLinear", {"q", "scale", "zero"}, {"y"},
           {IntAttribute("axis", 1), IntAttribute("block_size", 3)});
  const std::vector<int> zero_points = {1, -1, 2, 0, -2, 3};
  std::vector<double> wanted;
  for (int i = 0; i < 16; ++i) {
    const auto block = static_cast<size_t>(i / 8 * 3 + i % 8 / 3);
    wanted.push_back((i - 8 - zero_points[block]) * static_cast<double>(scale[block]));
  }
  ExpectNear(run.Output(), {2, 8}, wanted, 0);
}

TEST(OnnxOpsetCases, QuantizeLinearRoundsHalvesToEvenAndSaturates) {
  const Tensor x = testing::Floats({1, 8}, {0.25F, 0.75F, -0.25F, -0.75F, 3, -3, 200, -200});
  const auto quantize = [&](int32_t type, const std::string& zero_point) {
    OnnxRun run(21, x);
    run.Floats("scale", {}, {0.5F});
    run.builder().AddInitializer(testing::RawTensorProto("zero", type, {}, zero_point));
    run.Node("QuantizeLinear", {"x", "scale", "zero"}, {"y"});
    return ToInt64Vector(run.Output());
  };
  EXPECT_EQ(quantize(onnx_type::kInt8, std::string("\0", 1)),
            (std::vector<int64_t>{0, 2, 0, -2, 6, -6, 127, -128}));
  EXPECT_EQ(quantize(onnx_type::kUInt8, "\x80"),
            (std::vector<int64_t>{128, 130, 128, 126, 134, 122, 255, 0}));
  EXPECT_EQ(quantize(onnx_type::kInt4, std::string("\0", 1)),
            (std::vector<int64_t>{0, 2, 0, -2, 6, -6, 7, -8}));
  EXPECT_EQ(quantize(onnx_type::kUInt4, "\x03"), (std::vector<int64_t>{3, 5, 3, 1, 9, 0, 15, 0}));
}

TEST(OnnxExportPatterns, ReshapeByComputedShape) {
  const Tensor x = RandomTensor({1, 2, 3}, 20);
  OnnxRun run(13, x);
  run.Node("Shape", {"x"}, {"shape"});
  run.builder().AddNode("Constant", {}, {"zero"},
                        {TensorAttribute("value", IntTensorProto("", {}, {0}))});
  run.Node("Gather", {"shape", "zero"}, {"batch"}, {IntAttribute("axis", 0)});
  run.Ints("axes", {0});
  run.Node("Unsqueeze", {"batch", "axes"}, {"batch_list"});
  run.Ints("rest", {-1});
  run.Node("Concat", {"batch_list", "rest"}, {"new_shape"}, {IntAttribute("axis", 0)});
  run.Node("Reshape", {"x", "new_shape"}, {"flat"});
  run.Node("Identity", {"flat"}, {"y"});
  ExpectNear(run.Output(), {1, 6}, Each(x, [](double v) { return v; }));
}

TEST(OnnxExportPatterns, DropoutWithMask) {
  const Tensor x = RandomTensor({1, 4}, 21);
  for (const int64_t opset : {7, 12, 13}) {
    OnnxRun run(opset, x);
    run.Node("Dropout", {"x"}, {"y", ""});
    ExpectNear(run.Output(), {1, 4}, Each(x, [](double v) { return v; }));
  }
}

TEST(OnnxExportPatterns, ClipByAttributesAndByInputs) {
  const Tensor x = RandomTensor({1, 16}, 22, -10, 10);
  const auto relu6 = [](double v) { return std::clamp(v, 0.0, 6.0); };
  OnnxRun attributes(10, x);
  attributes.Node("Clip", {"x"}, {"y"}, {FloatAttribute("min", 0), FloatAttribute("max", 6)});
  ExpectNear(attributes.Output(), {1, 16}, Each(x, relu6));
  OnnxRun inputs(13, x);
  inputs.builder().AddNode("Constant", {}, {"low"}, {FloatAttribute("value_float", 0)});
  inputs.Floats("high", {}, {6});
  inputs.Node("Clip", {"x", "low", "high"}, {"y"});
  ExpectNear(inputs.Output(), {1, 16}, Each(x, relu6));
  OnnxRun one_sided(13, x);
  one_sided.Floats("high", {}, {6});
  one_sided.Node("Clip", {"x", "", "high"}, {"y"});
  ExpectNear(one_sided.Output(), {1, 16}, Each(x, [](double v) { return std::min(v, 6.0); }));
  // PyTorch writes the bounds of min-only clamps as infinities.
  OnnxRun infinite(10, x);
  infinite.Node("Clip", {"x"}, {"y"}, {FloatAttribute("min", 0), FloatAttribute("max", INFINITY)});
  ExpectNear(infinite.Output(), {1, 16}, Each(x, [](double v) { return std::max(v, 0.0); }));
}

TEST(OnnxExportPatterns, BatchNormalizationAfterNoConvolution) {
  const Tensor x = RandomTensor({1, 2, 3}, 23);
  OnnxRun run(15, x);
  const std::vector<float> scale = {2, -1}, bias = {0.5F, 1}, mean = {0.1F, 0.2F},
                           variance = {4, 9};
  run.Floats("scale", {2}, scale);
  run.Floats("bias", {2}, bias);
  run.Floats("mean", {2}, mean);
  run.Floats("variance", {2}, variance);
  run.Node("BatchNormalization", {"x", "scale", "bias", "mean", "variance"}, {"y"},
           {FloatAttribute("epsilon", 0.25F), FloatAttribute("momentum", 0.9F)});
  std::vector<double> wanted;
  for (size_t i = 0; i < 6; ++i) {
    const size_t c = i / 3;
    wanted.push_back((At(x, static_cast<int64_t>(i)) - static_cast<double>(mean[c])) /
                         std::sqrt(static_cast<double>(variance[c]) + 0.25) *
                         static_cast<double>(scale[c]) +
                     static_cast<double>(bias[c]));
  }
  ExpectNear(run.Output(), {1, 2, 3}, wanted);
}

TEST(OnnxExportPatterns, HalfPrecisionModelRunsInFloat32) {
  OnnxBuilder builder(13);
  builder.AddInput("x", {-1, 2}, onnx_type::kFloat16);
  // 1 and -2 as float16.
  builder.AddInitializer(testing::RawTensorProto("w", onnx_type::kFloat16, {2, 1},
                                                 std::string("\x00\x3C\x00\xC0", 4)));
  builder.AddNode("Cast", {"x"}, {"h"}, {IntAttribute("to", onnx_type::kFloat16)});
  builder.AddNode("MatMul", {"h", "w"}, {"y"});
  builder.AddOutput("y");
  const testing::ScratchFolder folder;
  const Graph graph = ReadOnnxModel(builder.Write(folder / "m.onnx")).graph;
  const TensorMap found =
      testing::RunGraph(graph, {{"x", testing::Floats({1, 2}, {0.1F, 0.2F})}}, {"y"});
  ExpectNear(found.at("y"), {1, 1}, {0.1 - 0.4});
}

}  // namespace
}  // namespace adaround
