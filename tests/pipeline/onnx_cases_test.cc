// ONNX's own test cases, as Debian's libonnx-testdata installs them: each model is read, run by the
// executor, and its outputs are compared with those that the case states. Skipped where the folder
// ADAROUND_ONNX_TESTDATA (environment variable, else compile definition) is missing.
//
// tests/data/onnx_cases.txt names every case that does not pass, with the reason. What starts to
// work must leave the list, and what stops working is a failure.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "adaround/base/error.h"
#include "adaround/io/onnx_import.h"
#include "adaround/runtime/executor.h"
#include "io/onnx_tensor.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;

// Both sides are sums of float32 products in different orders: ten times the rounding of a
// sum of a hundred terms.
constexpr double kRelativeTolerance = 1e-4;
constexpr double kAbsoluteTolerance = 1e-5;
// What the 16-bit types round to; we compute in float32 instead.
constexpr double kFloat16Tolerance = 1.0 / 1024;
constexpr double kBFloat16Tolerance = 1.0 / 128;

fs::path CasesFolder() {
  if (const char* folder = std::getenv("ADAROUND_ONNX_TESTDATA")) return folder;
  return ADAROUND_ONNX_TESTDATA;
}

enum class Outcome { kPasses, kDiffers, kRefused };

const char* Title(Outcome outcome) {
  return outcome == Outcome::kPasses    ? "passes"
         : outcome == Outcome::kDiffers ? "differs"
                                        : "refused";
}

struct CaseResult {
  Outcome outcome = Outcome::kPasses;
  std::string message;  // what is wrong
  std::set<std::string> ops;
};

// One entry of the list.
struct Listed {
  Outcome outcome = Outcome::kRefused;
  std::string reason;
  std::string op;
};

// Sections "[refused: REASON]" and "[differs: REASON]" with lines "OPERATOR: CASE CASE ...".
std::map<std::string, Listed> ReadList(const fs::path& path) {
  std::map<std::string, Listed> list;
  std::ifstream in(path);
  EXPECT_TRUE(in.good()) << path;
  Listed section;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    if (colon == std::string::npos) {
      ADD_FAILURE() << path << ": a line without ':': " << line;
      continue;
    }
    if (line[0] == '[') {
      const std::string kind = line.substr(1, colon - 1);
      EXPECT_TRUE(kind == "refused" || kind == "differs") << line;
      section.outcome = kind == "refused" ? Outcome::kRefused : Outcome::kDiffers;
      section.reason = line.substr(colon + 2, line.size() - colon - 3);
      continue;
    }
    section.op = line.substr(0, colon);
    std::istringstream names(line.substr(colon + 1));
    for (std::string name; names >> name;) {
      EXPECT_TRUE(list.emplace(name, section).second) << name << " is listed twice";
    }
  }
  return list;
}

onnx::TensorProto ReadTensorMessage(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  onnx::TensorProto message;
  EXPECT_TRUE(message.ParseFromIstream(&in)) << path;
  return message;
}

double RelativeTolerance(int32_t data_type) {
  return data_type == onnx_type::kFloat16    ? kFloat16Tolerance
         : data_type == onnx_type::kBFloat16 ? kBFloat16Tolerance
                                             : kRelativeTolerance;
}

bool IsClose(double found, double wanted, double tolerance) {
  if (std::isnan(wanted)) return std::isnan(found);
  if (found == wanted) return true;
  return std::abs(found - wanted) <= kAbsoluteTolerance + tolerance * std::abs(wanted);
}

// What is wrong with `found`; empty = nothing.
std::string Compare(const Tensor& found, const Tensor& wanted, double tolerance) {
  if (found.dtype() != wanted.dtype()) {
    return "dtype " + std::string(DTypeName(found.dtype())) + ", wanted " +
           std::string(DTypeName(wanted.dtype()));
  }
  if (found.shape() != wanted.shape()) {
    return "shape " + ShapeToString(found.shape()) + ", wanted " + ShapeToString(wanted.shape());
  }
  if (wanted.dtype() != DType::kFloat32) {
    const bool same = std::memcmp(found.raw(), wanted.raw(), wanted.num_bytes()) == 0;
    return same ? "" : "other elements";
  }
  for (int64_t i = 0; i < wanted.num_elements(); ++i) {
    const double f = static_cast<double>(found.data<float>()[i]);
    const double w = static_cast<double>(wanted.data<float>()[i]);
    if (!IsClose(f, w, tolerance)) {
      return "element " + std::to_string(i) + " is " + std::to_string(f) + ", wanted " +
             std::to_string(w);
    }
  }
  return "";
}

// The files PREFIX_0.pb, PREFIX_1.pb, ... of a data set.
std::vector<fs::path> NumberedFiles(const fs::path& folder, const std::string& prefix) {
  std::vector<fs::path> files;
  for (int i = 0;; ++i) {
    const fs::path file = folder / (prefix + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return files;
    files.push_back(file);
  }
}

// The reader refuses NaN in models; cases feed it as data. They write bfloat16 as uint16.
Tensor ReadTensor(onnx::TensorProto message, const onnx::ValueInfoProto& value,
                  const fs::path& path) {
  if (value.type().tensor_type().elem_type() == onnx_type::kBFloat16) {
    message.set_data_type(onnx_type::kBFloat16);
  }
  const std::map<int32_t, DType> float_types = {{onnx_type::kFloat, DType::kFloat32},
                                                {onnx_type::kFloat16, DType::kFloat16},
                                                {onnx_type::kBFloat16, DType::kBFloat16}};
  const auto float_type = float_types.find(message.data_type());
  if (float_type != float_types.end() && message.has_raw_data()) {
    Tensor tensor(float_type->second, Shape(message.dims().begin(), message.dims().end()));
    EXPECT_EQ(tensor.num_bytes(), message.raw_data().size());
    std::memcpy(tensor.mutable_raw(), message.raw_data().data(), tensor.num_bytes());
    return ConvertTo(tensor, DType::kFloat32);
  }
  return OnnxTensorReader(path.parent_path()).Read(&message, path.string());
}

// Runs one data set; what is wrong with the outputs, or "".
std::string RunDataSet(const Executor& executor, const onnx::GraphProto& proto,
                       const fs::path& folder) {
  const Graph& graph = executor.graph();
  const std::vector<fs::path> inputs = NumberedFiles(folder, "input");
  // Old cases list their initializers as inputs, with and without a file for each.
  const bool all_given = static_cast<int>(inputs.size()) == proto.input_size();
  TensorMap values;
  std::set<std::string> available;
  size_t next = 0;
  for (const onnx::ValueInfoProto& input : proto.input()) {
    const bool is_initializer = graph.initializers.contains(input.name());
    if (is_initializer && !all_given) continue;
    const fs::path& file = inputs.at(next++);
    if (is_initializer) continue;
    values[input.name()] = ReadTensor(ReadTensorMessage(file), input, file);
    available.insert(input.name());
  }
  const std::set<std::string> wanted(graph.outputs.begin(), graph.outputs.end());
  const TensorMap results = executor.Run(executor.Plan(available, wanted), values);
  const std::vector<fs::path> outputs = NumberedFiles(folder, "output");
  EXPECT_EQ(outputs.size(), graph.outputs.size()) << folder;
  for (size_t i = 0; i < outputs.size(); ++i) {
    const onnx::ValueInfoProto& output = proto.output(static_cast<int>(i));
    const Tensor wanted_value = ReadTensor(ReadTensorMessage(outputs[i]), output, outputs[i]);
    const std::string wrong = Compare(results.at(graph.outputs[i]), wanted_value,
                                      RelativeTolerance(output.type().tensor_type().elem_type()));
    if (!wrong.empty()) return graph.outputs[i] + ": " + wrong;
  }
  return "";
}

CaseResult RunCase(const fs::path& folder) {
  CaseResult result;
  onnx::ModelProto proto;
  std::ifstream in(folder / "model.onnx", std::ios::binary);
  EXPECT_TRUE(proto.ParseFromIstream(&in)) << folder;
  for (const onnx::NodeProto& node : proto.graph().node()) result.ops.insert(node.op_type());
  try {
    const Executor executor(ReadOnnxModel(folder / "model.onnx").graph);
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (!entry.is_directory()) continue;
      result.message = RunDataSet(executor, proto.graph(), entry.path());
      if (result.message.empty()) continue;
      result.outcome = Outcome::kDiffers;
      return result;
    }
  } catch (const Error& error) {
    result.outcome = Outcome::kRefused;
    result.message = error.what();
  }
  return result;
}

TEST(OnnxCases, GiveTheStatedOutputs) {
  const fs::path root = CasesFolder();
  if (!fs::is_directory(root / "node")) {
    GTEST_SKIP() << "no ONNX test cases in " << root << ": install libonnx-testdata";
  }
  std::map<std::string, Listed> list = ReadList(fs::path(ADAROUND_TEST_DATA) / "onnx_cases.txt");
  std::map<Outcome, int> counts;
  std::map<std::string, int> refused_by_op;
  for (const char* group : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(root / group)) {
      const std::string name = entry.path().filename().string();
      const CaseResult result = RunCase(entry.path());
      ++counts[result.outcome];
      const auto listed = list.extract(name);
      const Outcome expected = listed.empty() ? Outcome::kPasses : listed.mapped().outcome;
      std::string ops;
      for (const std::string& op : result.ops) ops += " " + op;
      EXPECT_EQ(result.outcome, expected)
          << name << " (" << group << ";" << ops << "): listed as '" << Title(expected)
          << "', found '" << Title(result.outcome) << "': " << result.message;
      if (listed.empty()) continue;
      EXPECT_TRUE(result.ops.contains(listed.mapped().op))
          << name << " is listed under " << listed.mapped().op << ", holds" << ops;
      if (result.outcome == Outcome::kRefused) ++refused_by_op[listed.mapped().op];
    }
  }
  for (const auto& [name, entry] : list) ADD_FAILURE() << "there is no case " << name;
  std::cout << "ONNX cases: " << counts[Outcome::kPasses] << " pass, " << counts[Outcome::kDiffers]
            << " differ on purpose, " << counts[Outcome::kRefused] << " refused:";
  for (const auto& [op, count] : refused_by_op) std::cout << " " << op << " " << count;
  std::cout << std::endl;
  EXPECT_GT(counts[Outcome::kPasses], 0);
}

}  // namespace
}  // namespace adaround
