// Whole networks against the outputs that an independent framework computed for them.
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "adaround/io/model_file.h"
#include "adaround/io/npy.h"
#include "support/graph_testing.h"
#include "support/in_memory_source.h"

namespace adaround {
namespace {

// Largest difference beside the largest wanted logit.
constexpr double kTolerance = 1e-3;

Tensor RunSample(const Executor& executor, const testing::InMemorySource& inputs, int64_t sample) {
  const Graph& graph = executor.graph();
  const std::string& input = graph.inputs.at(0).name;
  const std::string& output = graph.outputs.at(0);
  const ExecutionPlan plan = executor.Plan({input}, {output});
  return executor.Run(plan, {{input, inputs.ReadSamples(sample, 1)}}).at(output);
}

// `model` is a file of `folder`.
void ExpectReproduces(const std::filesystem::path& folder, const char* model) {
  SCOPED_TRACE((folder / model).string());
  const Executor executor(ReadFloatModel(folder / model));
  const testing::InMemorySource inputs(ReadNpy(folder / "sample_input.npy"));
  const Tensor wanted = ReadNpy(folder / "sample_logits.npy");
  ASSERT_EQ(wanted.dim(0), inputs.num_samples());
  const int64_t classes = wanted.num_elements() / wanted.dim(0);
  Tensor found(DType::kFloat32, wanted.shape());
  for (int64_t sample = 0; sample < wanted.dim(0); ++sample) {
    const Tensor logits = RunSample(executor, inputs, sample);
    ASSERT_EQ(logits.num_elements(), classes);
    std::copy_n(logits.data<float>(), classes, found.mutable_data<float>() + sample * classes);
  }
  EXPECT_LT(testing::RelativeDifference(found, wanted), kTolerance);
}

TEST(EvalNetworks, ShippedModelsReproduceTheirLogits) {
  ExpectReproduces(std::filesystem::path(ADAROUND_MODELS) / "fashion_resnet", "model.json");
  ExpectReproduces(std::filesystem::path(ADAROUND_MODELS) / "fashion_mobilenet",
                   "model.json");
}

class EvalNetworks : public ::testing::TestWithParam<const char*> {};

TEST_P(EvalNetworks, ReproduceTheirLogits) {
  const std::filesystem::path folder = std::filesystem::path(ADAROUND_EVAL) / GetParam();
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectReproduces(folder, "model.json");
  ExpectReproduces(folder, "model.onnx");
}

INSTANTIATE_TEST_SUITE_P(Classifiers, EvalNetworks,
                         ::testing::Values("cifar10_resnet20", "imagenet_mobilenetv1_025",
                                           "imagenet_mobilenetv2"),
                         [](const auto& parameter) { return std::string(parameter.param); });

void ExpectReproducesMaps(const std::filesystem::path& folder, const char* model) {
  SCOPED_TRACE((folder / model).string());
  const Executor executor(ReadFloatModel(folder / model));
  const testing::InMemorySource inputs(ReadNpy(folder / "sample_input.npy"));
  ASSERT_EQ(inputs.num_samples(), 1);
  const Tensor logits = RunSample(executor, inputs, 0);
  ASSERT_EQ(logits.rank(), 4);
  const int64_t classes = logits.dim(1), height = logits.dim(2), width = logits.dim(3);
  const float* values = logits.data<float>();

  const Tensor coarse = ReadNpy(folder / "sample_logits_stride8.npy");
  ASSERT_EQ(coarse.shape(), (Shape{1, classes, (height + 7) / 8, (width + 7) / 8}));
  Tensor subsampled(DType::kFloat32, coarse.shape());
  float* out = subsampled.mutable_data<float>();
  for (int64_t c = 0; c < classes; ++c) {
    for (int64_t y = 0; y < height; y += 8) {
      for (int64_t x = 0; x < width; x += 8) *out++ = values[(c * height + y) * width + x];
    }
  }
  EXPECT_LT(testing::RelativeDifference(subsampled, coarse), kTolerance);

  const Tensor classes_wanted = ConvertTo(ReadNpy(folder / "sample_argmax.npy"), DType::kInt64);
  ASSERT_EQ(classes_wanted.num_elements(), height * width);
  int64_t agreeing = 0;
  for (int64_t i = 0; i < height * width; ++i) {
    int64_t best = 0;
    for (int64_t c = 1; c < classes; ++c) {
      if (values[c * height * width + i] > values[best * height * width + i]) best = c;
    }
    agreeing += best == classes_wanted.data<int64_t>()[i] ? 1 : 0;
  }
  // On the line between two classes rounding decides.
  EXPECT_GE(static_cast<double>(agreeing), 0.9999 * static_cast<double>(height * width));
}

TEST(EvalNetworks, SegmentationReproducesItsMaps) {
  const std::filesystem::path folder =
      std::filesystem::path(ADAROUND_EVAL) / "voc_deeplabv3_mnv2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  ExpectReproducesMaps(folder, "model.json");
  ExpectReproducesMaps(folder, "model.onnx");
}

}  // namespace
}  // namespace adaround
