// What earlier versions wrote (scripts/make_written_files.py) is read as what it was.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "adaround/io/journal.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/io/quantized_model_io.h"
#include "adaround/io/result_report.h"
#include "adaround/pipeline/checkpoint.h"
#include "support/quantized_testing.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kPrefix = "written_by_";

// The folders of all versions that are kept: written_by_MAJOR.MINOR.
std::vector<fs::path> KeptFolders() {
  std::vector<fs::path> folders;
  for (const fs::directory_entry& entry : fs::directory_iterator(ADAROUND_TEST_DATA)) {
    if (entry.path().filename().string().starts_with(kPrefix)) {
      folders.push_back(entry.path());
    }
  }
  return folders;
}

json ExpectedOf(const fs::path& folder) {
  std::ifstream in(folder / "expected.json");
  return json::parse(in);
}

void ExpectValues(const Tensor& found, const json& wanted, float tolerance,
                  const std::string& what) {
  ASSERT_EQ(found.num_elements(), static_cast<int64_t>(wanted.size())) << what;
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_NEAR(found.data<float>()[i], wanted[i].get<float>(), tolerance) << what << ", " << i;
  }
}

// Expectations are computed in double precision; outputs are sums of up to 18 float32 products of
// magnitude 1 to 10, seven layers deep.
constexpr float kOutputTolerance = 2e-5F;

void ExpectOutput(const QuantizedModel& model, const json& expected, const json& wanted,
                  const std::string& what) {
  const Tensor x = Tensor::FromVector<float>({1, 2, 6, 6}, expected["x"].get<std::vector<float>>());
  const TensorMap outputs = testing::RunQuantized(model, x, {"y"});
  ExpectValues(outputs.at("y"), wanted["y"], kOutputTolerance, what);
}

QuantizedModel WithoutGrids(Graph graph) {
  QuantizedModel model;
  model.graph = std::move(graph);
  return model;
}

// Values of tensors that nodes make from initializers alone, and of initializers.
Tensor ValueOf(const Graph& graph, const std::string& tensor) {
  const auto initializer = graph.initializers.find(tensor);
  if (initializer != graph.initializers.end()) return initializer->second;
  const Executor executor(graph);
  return executor.Run(executor.Plan({}, {tensor}), {}).at(tensor);
}

TEST(WrittenFiles, ModelsOfEveryVersionAreReadAsTheyWere) {
  const std::vector<fs::path> folders = KeptFolders();
  ASSERT_FALSE(folders.empty());
  for (const fs::path& folder : folders) {
    const json expected = ExpectedOf(folder);
    for (const auto& [name, wanted] : expected["models"].items()) {
      const std::string what = (folder / name).string();
      const ModelFile file = ReadModelFile(folder / name);
      const bool is_quantized = std::holds_alternative<QuantizedModel>(file);
      EXPECT_EQ(is_quantized, name != "float") << what;
      const QuantizedModel model =
          is_quantized ? std::get<QuantizedModel>(file) : WithoutGrids(std::get<Graph>(file));
      const Graph graph = model.Dequantized();
      for (const auto& [tensor, values] : wanted["tensors"].items()) {
        // Both round one product of a float and an integer to float32.
        ExpectValues(graph.initializers.at(tensor), values, 0, what + ": " + tensor);
      }
      ExpectOutput(model, expected, wanted, what);
      if (is_quantized) {
        EXPECT_EQ(kPrefix + model.provenance.at("adaround_version"),
                  folder.filename().string() + ".0")
            << what;
      }
    }
  }
}

TEST(WrittenFiles, OnnxFilesOfEveryVersionAreReadAsTheyWere) {
  for (const fs::path& folder : KeptFolders()) {
    const json expected = ExpectedOf(folder);
    for (const auto& [name, wanted] : expected["models"].items()) {
      const bool is_float = name == "float";
      const fs::path path = is_float ? folder / "float.onnx" : folder / name / "model.onnx";
      const ModelFile file = ReadModelFile(path);
      const Graph graph = is_float ? std::get<Graph>(file) : std::get<QdqModel>(file).graph;
      for (const auto& [tensor, values] : wanted["tensors"].items()) {
        ExpectValues(ValueOf(graph, tensor), values, 0, path.string() + ": " + tensor);
      }
      ExpectOutput(WithoutGrids(graph), expected, wanted, path.string());
    }
  }
}

TEST(WrittenFiles, PlansOfEveryVersionAreReadAsTheyWere) {
  for (const fs::path& folder : KeptFolders()) {
    const auto text_of = [&](const char* file) {
      std::string text;
      for (const LayerPlan& layer : ReadLayerPlan(folder / file)) {
        text += (text.empty() ? "" : "; ") + layer.ToText();
      }
      return text;
    };
    EXPECT_EQ(text_of("w4a4.plan.json"),
              "conv: bits 4, symmetric, granularity channel, range_estimator mse; "
              "depthwise: float; "
              "fc: bits 4, symmetric, granularity channel, range_estimator mse");
    EXPECT_EQ(text_of("w3_groups.plan.json"),
              "conv: bits 3, asymmetric, granularity group, group_size 4, range_estimator mse; "
              "depthwise: bits 3, asymmetric, granularity group, group_size 4, range_estimator "
              "mse; fc: bits 3, asymmetric, granularity group, group_size 4, range_estimator mse");
  }
}

// The result's report, by which `--resume` and `batch` know it, and its checkpoint.
TEST(WrittenFiles, ResultsOfEveryVersionAreKnownAsComplete) {
  for (const fs::path& folder : KeptFolders()) {
    const fs::path result = folder / "result";
    std::ifstream in(result / "report.json");
    const json report = json::parse(in);
    const auto finished = FindFinishedResult(result, report["fingerprint"].get<std::string>());
    ASSERT_TRUE(finished) << result;
    EXPECT_EQ(finished->summary.num_layers, 3);
    EXPECT_EQ(finished->summary.sqnr_db, report["networks"].back()["sqnr_db"].get<double>());
    EXPECT_TRUE(finished->missed_gates.empty());
    EXPECT_EQ(FindFloatModel(result), "float");
    EXPECT_EQ(FindInputs(result).at("seed"), "42");
    EXPECT_FALSE(FindFinishedResult(result, "another run's"));
  }
}

TEST(WrittenFiles, CheckpointsOfEveryVersionHoldTheirLayers) {
  for (const fs::path& folder : KeptFolders()) {
    const std::string first = Journal(folder / "checkpoint" / Checkpoint::kJournal).records().at(0);
    const Checkpoint checkpoint(folder / "checkpoint", json::parse(first)["inputs"]);
    EXPECT_EQ(checkpoint.Names(), (std::vector<std::string>{"conv", "depthwise", "fc"}));
    const QuantizedModel whole = ReadQuantizedModel(folder / "result");
    for (const std::string& name : checkpoint.Names()) {
      const auto layer = checkpoint.Find(name);
      ASSERT_TRUE(layer) << name;
      const auto weight = whole.weights.find(name + ".w");
      ASSERT_NE(weight, whole.weights.end());
      EXPECT_EQ(layer->weight.integers, weight->second.integers) << name;
      EXPECT_EQ(layer->weight.grid.scale, weight->second.grid.scale) << name;
      EXPECT_EQ(layer->report.num_rows, weight->second.shape[0]) << name;
    }
  }
}

}  // namespace
}  // namespace adaround
