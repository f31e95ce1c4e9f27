// ONNX's own node test cases, converted by scripts/convert_onnx_node_cases.py into the folder
// ADAROUND_ONNX_CASES (environment variable, else compile definition). Skipped where it is missing.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include <nlohmann/json.hpp>

#include "adaround/io/model_json.h"
#include "adaround/io/npy.h"
#include "runtime/kernel_testing.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using TensorMap = std::map<std::string, Tensor>;

struct Refusal {
  const char* case_name;
  ErrorCode code;
};

// Cases that we refuse, by reason. Each must still be refused: what starts to work leaves the list.
constexpr Refusal kRefused[] = {
    // Arithmetic is done in float32, float64 and integers up to int64 alone.
    {"test_max_float16", ErrorCode::kUnsupported},
    {"test_max_uint64", ErrorCode::kUnsupported},
    {"test_maxpool_2d_uint8", ErrorCode::kUnsupported},
    {"test_min_float16", ErrorCode::kUnsupported},
    {"test_mod_mixed_sign_float16", ErrorCode::kUnsupported},
    {"test_mod_uint64", ErrorCode::kUnsupported},
    {"test_min_uint64", ErrorCode::kUnsupported},
    // No conversion to 16-bit floats.
    {"test_cast_DOUBLE_to_FLOAT16", ErrorCode::kUnsupported},
    {"test_cast_FLOAT_to_FLOAT16", ErrorCode::kUnsupported},
    {"test_castlike_DOUBLE_to_FLOAT16", ErrorCode::kUnsupported},
    {"test_castlike_FLOAT_to_FLOAT16", ErrorCode::kUnsupported},
    {"test_castlike_DOUBLE_to_FLOAT16_expanded", ErrorCode::kUnsupported},
    {"test_castlike_FLOAT_to_FLOAT16_expanded", ErrorCode::kUnsupported},
    // Inference only.
    {"test_batchnorm_epsilon_training_mode", ErrorCode::kUnsupported},
    {"test_batchnorm_example_training_mode", ErrorCode::kUnsupported},
    {"test_training_dropout", ErrorCode::kUnsupported},
    {"test_training_dropout_default", ErrorCode::kUnsupported},
    {"test_training_dropout_default_mask", ErrorCode::kUnsupported},
    {"test_training_dropout_mask", ErrorCode::kUnsupported},
    {"test_training_dropout_zero_ratio", ErrorCode::kUnsupported},
    {"test_training_dropout_zero_ratio_mask", ErrorCode::kUnsupported},
    // The Indices output of MaxPool.
    {"test_maxpool_with_argmax_2d_precomputed_pads", ErrorCode::kUnsupported},
    {"test_maxpool_with_argmax_2d_precomputed_strides", ErrorCode::kUnsupported},
    // A coordinate mode of opsets 11 and 12 that 13 dropped.
    {"test_resize_downsample_sizes_nearest_tf_half_pixel_for_nn", ErrorCode::kUnsupported},
};

// Cases that we compute otherwise on purpose.
constexpr const char* kDifferent[] = {
    // Their results were made with 3.1415 for pi.
    "test_blackmanwindow_expanded",
    "test_blackmanwindow_symmetric_expanded",
    "test_hammingwindow_expanded",
    "test_hammingwindow_symmetric_expanded",
    "test_hannwindow_expanded",
    "test_hannwindow_symmetric_expanded",
    // With scales that give no whole extent, the cases divide by the fractional one less one; the
    // operator's text and ONNX Runtime by the extent of the result less one.
    "test_resize_downsample_scales_cubic_align_corners",
    "test_resize_downsample_scales_linear_align_corners",
};

// Both sides are sums of float32 products in different orders: ten times the rounding of a
// sum of a hundred terms.
constexpr double kRelativeTolerance = 1e-4;
constexpr double kAbsoluteTolerance = 1e-5;

fs::path CasesFolder() {
  if (const char* folder = std::getenv("ADAROUND_ONNX_CASES")) return folder;
#ifdef ADAROUND_ONNX_CASES
  return ADAROUND_ONNX_CASES;
#else
  return {};
#endif
}

TensorMap RunGraph(Graph graph, TensorMap values) {
  graph.SortTopologically();
  for (const Node& node : graph.nodes) {
    KernelInputs inputs;
    KernelInputs constants;
    for (const std::string& input : node.inputs) {
      const auto constant = graph.initializers.find(input);
      const bool is_constant = constant != graph.initializers.end();
      constants.push_back(is_constant ? &constant->second : nullptr);
      inputs.push_back(input.empty() ? nullptr
                                     : is_constant ? &constant->second : &values.at(input));
    }
    const std::vector<Tensor> outputs =
        CreateKernel(KernelSpec{node, graph.opset, constants})(inputs);
    EXPECT_EQ(outputs.size(), node.outputs.size());
    for (size_t i = 0; i < outputs.size(); ++i) values[node.outputs[i]] = outputs[i];
  }
  values.insert(graph.initializers.begin(), graph.initializers.end());
  return values;
}

bool IsClose(double found, double wanted) {
  if (std::isnan(wanted)) return std::isnan(found);
  if (found == wanted) return true;
  return std::abs(found - wanted) <=
         kAbsoluteTolerance + kRelativeTolerance * std::abs(wanted);
}

// What is wrong with `found`; empty = nothing.
std::string Compare(const Tensor& found, const Tensor& wanted) {
  if (found.dtype() != wanted.dtype()) {
    return "dtype " + std::string(DTypeName(found.dtype())) + ", wanted " +
           std::string(DTypeName(wanted.dtype()));
  }
  if (found.shape() != wanted.shape()) {
    return "shape " + ShapeToString(found.shape()) + ", wanted " + ShapeToString(wanted.shape());
  }
  if (wanted.dtype() != DType::kFloat32 && wanted.dtype() != DType::kFloat64) {
    return std::memcmp(found.raw(), wanted.raw(), wanted.num_bytes()) == 0 ? "" : "other elements";
  }
  const Tensor wide_found = ConvertTo(found, DType::kFloat64);
  const Tensor wide_wanted = ConvertTo(wanted, DType::kFloat64);
  for (int64_t i = 0; i < wanted.num_elements(); ++i) {
    const double f = wide_found.data<double>()[i];
    const double w = wide_wanted.data<double>()[i];
    if (!IsClose(f, w)) {
      return "element " + std::to_string(i) + " is " + std::to_string(f) + ", wanted " +
             std::to_string(w);
    }
  }
  return "";
}

std::string RunCase(const fs::path& folder) {
  const Graph graph = ReadModelJson(folder / "model.json");
  std::ifstream file(folder / "case.json");
  const nlohmann::json description = nlohmann::json::parse(file);
  TensorMap values;
  for (const auto& input : description["inputs"]) {
    values[input["name"]] = ReadNpy(folder / input["file"].get<std::string>());
  }
  const TensorMap results = RunGraph(graph, values);
  for (const auto& output : description["outputs"]) {
    const std::string name = output["name"];
    const std::string wrong =
        Compare(results.at(name), ReadNpy(folder / output["file"].get<std::string>()));
    if (!wrong.empty()) return name + ": " + wrong;
  }
  return "";
}

TEST(OnnxNodeCases, KernelsGiveTheStatedOutputs) {
  const fs::path root = CasesFolder();
  if (root.empty() || !fs::is_directory(root)) {
    GTEST_SKIP() << "no converted cases in '" << root.string() << "'";
  }
  std::map<std::string, ErrorCode> refused;
  for (const Refusal& refusal : kRefused) refused[refusal.case_name] = refusal.code;
  const std::set<std::string> different(std::begin(kDifferent), std::end(kDifferent));
  int num_passed = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    const auto expected_refusal = refused.find(name);
    try {
      const std::string wrong = RunCase(entry.path());
      EXPECT_EQ(expected_refusal, refused.end()) << name << " is no longer refused";
      EXPECT_EQ(wrong.empty(), !different.contains(name)) << name << ": " << wrong;
      if (wrong.empty()) ++num_passed;
    } catch (const Error& error) {
      if (expected_refusal == refused.end()) {
        ADD_FAILURE() << name << ": " << error.what();
      } else {
        EXPECT_EQ(error.code(), expected_refusal->second) << name << ": " << error.what();
      }
    }
  }
  RecordProperty("passed", num_passed);
  EXPECT_GT(num_passed, 0);
}

}  // namespace
}  // namespace adaround
