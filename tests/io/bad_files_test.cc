// Files made by hand to do harm, one row each, beside those of each format's own tests: sizes that
// wrap, keys that are equal once unescaped, nesting, names that terminals would obey, and files
// that change while they are read.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string_view>
#include <thread>

#include "adaround/io/array_source.h"
#include "adaround/io/labels.h"
#include "adaround/io/layer_plan.h"
#include "adaround/io/model_file.h"
#include "adaround/io/model_json.h"
#include "adaround/io/onnx_import.h"
#include "adaround/io/safetensors.h"
#include "io/test_files.h"
#include "support/onnx_testing.h"

namespace adaround {
namespace {

namespace fs = std::filesystem;
using testing::ExpectError;
using testing::LittleEndian;
using testing::NpyBytes;
using testing::OnnxBuilder;
using testing::SafetensorsBytes;
using testing::ScratchFolder;
using testing::WriteBytes;

struct BadFile {
  const char* what;
  const char* file;  // its name tells who reads it
  std::string bytes;
  std::vector<std::string> fragments;  // of the message, beside the file's name
  ErrorCode code = ErrorCode::kMalformed;
};

void ReadByName(const fs::path& path) {
  const std::string name = path.filename().string();
  if (name == "model.json") {
    ReadModelFile(path);
  } else if (name == "plan.json") {
    ReadLayerPlan(path);
  } else if (name == "labels.csv") {
    ReadLabels(path, "", Graph{});
  } else if (path.extension() == ".onnx") {
    ReadOnnxModel(path);
  } else {
    for (const auto& [tensor, source] : OpenArrays(path)) {
      source->ReadSamples(0, source->num_samples());
    }
  }
}

// A header's one entry, 'w', of 1 byte in the file.
std::string Entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return SafetensorsBytes(R"({"w":{"dtype":")" + dtype + R"(","shape":[)" + shape +
                              R"(],"data_offsets":[)" + offsets + "]}}",
                          "x");
}

std::string Document(const std::string& more) {
  return R"({"format":"adaround-model","version":1,"opset":13,"weights":"weights.safetensors",)" +
         more + "}";
}

std::string Plan(const std::string& layers) {
  return R"({"format":"adaround-plan","version":1,"layers":[)" + layers + "]}";
}

std::string Nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

const std::string kDescr = "{'descr': '|u1', 'fortran_order': False, 'shape': ";

std::vector<BadFile> TextAndArrayFiles() {
  return {
      {"a tensor of 2^42 bytes",
       "a.safetensors",
       Entry("U8", "4398046511104", "0,4398046511104"),
       {"tensor 'w'", "beyond the file"}},
      {"offsets that wrap when the header's length is added",
       "a.safetensors",
       Entry("U8", "1", "9223372036854775806,9223372036854775807"),
       {"tensor 'w'", "data_offsets"}},
      {"extents whose product is 2^64",
       "a.safetensors",
       Entry("U8", "4294967296,4294967296", "0,0"),
       {"tensor 'w'", "overflows"}},
      {"an extent of 0 behind ones that overflow",
       "a.safetensors",
       Entry("F32", "4611686018427387904,4611686018427387904,0", "0,1"),
       {"tensor 'w'"}},
      {"two tensors of one name",
       "a.safetensors",
       SafetensorsBytes(R"({"w":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("\u0077":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                        "xy"),
       {"'w'", "appears twice"}},
      {"a NUL and an escape sequence in a name",
       "a.safetensors",
       SafetensorsBytes(R"({"a\u0000\u001b[2J":{"dtype":"U9","shape":[1],"data_offsets":[0,1]}})",
                        "x"),
       {"tensor 'a\\x00\\x1b[2J'", "'U9'"},
       ErrorCode::kUnsupported},
      {"metadata nested 100,000 deep",
       "a.safetensors",
       SafetensorsBytes("{\"__metadata__\":" + Nested(100'000) + "}", ""),
       {"nested deeper than 64"}},
      {"lists that are the shape",
       "a.safetensors",
       Entry("U8", "[1]", "0,1"),
       {"tensor 'w'", "shape", "whole number"}},

      {"an array of 2^42 bytes",
       "a.npy",
       NpyBytes(kDescr + "(4398046511104,)}", "x"),
       {"takes 4398046511104 bytes"}},
      {"extents whose product is 2^64",
       "a.npy",
       NpyBytes(kDescr + "(4294967296, 4294967296)}", ""),
       {"overflows"}},
      {"an escape sequence as element type",
       "a.npy",
       NpyBytes("{'descr': '\x1b[2J', 'fortran_order': False, 'shape': ()}", "x"),
       {"'\\x1b[2J'"},
       ErrorCode::kUnsupported},
      {"a header one byte beyond the limit",
       "a.npy",
       std::string("\x93NUMPY\x02\x00", 8) + LittleEndian(65'536, 4) + std::string(65'536, ' '),
       {"header", "at most"}},
      {"brackets 10,000 deep",
       "a.npy",
       NpyBytes(kDescr + std::string(10'000, '('), ""),
       {"whole number"}},

      {"a key twice, once escaped",
       "model.json",
       Document(R"("inputs":[],"\u0069nputs":[],"outputs":["y"],"nodes":[])"),
       {"'inputs'", "appears twice"}},
      {"nodes nested 100,000 deep",
       "model.json",
       Document("\"nodes\":" + Nested(100'000)),
       {"nested deeper than 64"}},
      {"an escape sequence as key", "model.json", Document(R"("\u001b[2J":1)"), {"'\\x1b[2J'"}},
      {"a backslash in the name of the weights",
       "model.json",
       R"({"format":"adaround-model","version":1,"opset":13,"weights":"..\\w","inputs":[],)"
       R"("outputs":["y"],"nodes":[]})",
       {"weights", "backslash"}},
      {"a number beyond 64 bits",
       "model.json",
       R"({"format":"adaround-model","version":18446744073709551617})",
       {"beyond"}},

      {"a key twice, once escaped",
       "plan.json",
       Plan(R"({"name":"a","\u006eame":"b"})"),
       {"'name'", "appears twice"}},
      {"layers nested 100,000 deep", "plan.json", Plan(Nested(100'000)), {"nested deeper than 64"}},
      {"an escape sequence as granularity",
       "plan.json",
       Plan(R"({"name":"a","granularity":"\u001b[2J"})"),
       {"layers[0].granularity", "'\\x1b[2J'"}},
      {"a size that wraps to 1",
       "plan.json",
       Plan(R"({"name":"a","group_size":4294967297})"),
       {"layers[0].group_size", "is 4294967297"}},

      {"a class beyond 64 bits",
       "labels.csv",
       "1\n9223372036854775808\n",
       {"line 2", "class index"}},
      {"an escape sequence in place of a class", "labels.csv", "1\n\x1b[2J\n", {"line 2", "\\x1b"}},
      {"a NUL in place of a class", "labels.csv", std::string("1\n\0\n", 4), {"line 2", "\\x00"}},
  };
}

std::string OnnxBytes(const std::function<void(OnnxBuilder&)>& change) {
  OnnxBuilder builder;
  builder.AddInput("x", {1});
  builder.AddNode("Relu", {"x"}, {"y"});
  builder.AddOutput("y");
  change(builder);
  return builder.proto().SerializeAsString();
}

onnx::TensorProto Outside(const std::string& name) {
  onnx::TensorProto tensor = testing::FloatTensorProto(name, {2}, {});
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  onnx::StringStringEntryProto* entry = tensor.add_external_data();
  entry->set_key("location");
  entry->set_value("../outside.bin");
  return tensor;
}

std::vector<BadFile> OnnxFiles() {
  const auto sparse_from_outside = [](onnx::SparseTensorProto* sparse) {
    *sparse->mutable_values() = Outside("s");
    sparse->add_dims(2);
  };
  return {
      {"a sparse initializer with external data",
       "m.onnx",
       OnnxBytes([&](OnnxBuilder& b) { sparse_from_outside(b.graph().add_sparse_initializer()); }),
       {"'s'", "sparse"},
       ErrorCode::kUnsupported},
      {"a sparse attribute with external data",
       "m.onnx",
       OnnxBytes([&](OnnxBuilder& b) {
         onnx::AttributeProto* attribute = b.graph().mutable_node(0)->add_attribute();
         attribute->set_name("a");
         attribute->set_type(onnx::AttributeProto::SPARSE_TENSOR);
         sparse_from_outside(attribute->mutable_sparse_tensor());
       }),
       {"node 'Relu_0'", "attribute 'a'", "SPARSE_TENSOR"},
       ErrorCode::kUnsupported},
      {"an attribute's tensor from outside",
       "m.onnx",
       OnnxBytes([&](OnnxBuilder& b) {
         onnx::AttributeProto* attribute = b.graph().mutable_node(0)->add_attribute();
         attribute->set_name("a");
         attribute->set_type(onnx::AttributeProto::TENSOR);
         *attribute->mutable_t() = Outside("t");
       }),
       {"node 'Relu_0'", "attribute 'a'", "'..'"}},
      {"a list of tensors from outside",
       "m.onnx",
       OnnxBytes([&](OnnxBuilder& b) {
         onnx::AttributeProto* attribute = b.graph().mutable_node(0)->add_attribute();
         attribute->set_name("a");
         attribute->set_type(onnx::AttributeProto::TENSORS);
         *attribute->add_tensors() = Outside("t");
       }),
       {"node 'Relu_0'", "attribute 'a'", "TENSORS"},
       ErrorCode::kUnsupported},
      {"4-bit integers whose bytes are counted as elements",
       "m.onnx",
       OnnxBytes([](OnnxBuilder& b) {
         *b.graph().add_initializer() =
             testing::RawTensorProto("w", onnx_type::kInt4, {5}, "abcde");
       }),
       {"initializer 'w'", "5 bytes of raw_data", "want 3"}},
      {"2^42 elements of 4 bits",
       "m.onnx",
       OnnxBytes([](OnnxBuilder& b) {
         *b.graph().add_initializer() =
             testing::RawTensorProto("w", onnx_type::kUInt4, {int64_t{1} << 42}, "a");
       }),
       {"initializer 'w'", "1 bytes of raw_data"}},
      {"two functions that call each other",
       "m.onnx",
       OnnxBytes([](OnnxBuilder& b) {
         for (const auto& [name, callee] : {std::pair("F", "G"), std::pair("G", "F")}) {
           onnx::FunctionProto* function = b.proto().add_functions();
           function->set_name(name);
           function->set_domain("local");
           function->add_node()->set_op_type(callee);
         }
       }),
       {"'local::F', 'local::G'"},
       ErrorCode::kUnsupported},
      {"an escape sequence as operator's domain",
       "m.onnx",
       OnnxBytes([](OnnxBuilder& b) {
         b.graph().mutable_node(0)->set_domain("\x1b[2J");
         b.graph().mutable_node(0)->set_input(0, "none");
       }),
       {"\\x1b[2J::Relu", "'none'"}},
  };
}

TEST(BadFiles, AreRefusedByName) {
  const ScratchFolder folder;
  const std::string outside = "outside of the model's folder";
  WriteBytes(folder / "outside.bin", outside.substr(0, 8));
  fs::create_directory(folder / "m");
  std::vector<BadFile> files = TextAndArrayFiles();
  for (BadFile& file : OnnxFiles()) files.push_back(std::move(file));
  for (const BadFile& file : files) {
    SCOPED_TRACE(std::string(file.file) + ": " + file.what);
    const fs::path path = folder / ("m/" + std::string(file.file));
    WriteBytes(path, file.bytes);
    std::vector<std::string> fragments = file.fragments;
    fragments.push_back(path.string());
    ExpectError(file.code, fragments, [&] { ReadByName(path); });
  }
}

// The bodies of If are not read, but their external data belongs to the model's digest.
TEST(BadFiles, ABodysExternalDataStaysInTheFolder) {
  const ScratchFolder folder;
  fs::create_directory(folder / "m");
  WriteBytes(folder / "outside.bin", "12345678");
  const fs::path path = folder / "m/m.onnx";
  WriteBytes(path, OnnxBytes([](OnnxBuilder& b) {
               onnx::AttributeProto* attribute = b.graph().mutable_node(0)->add_attribute();
               attribute->set_name("then_branch");
               attribute->set_type(onnx::AttributeProto::GRAPH);
               *attribute->mutable_g()->add_initializer() = Outside("inner");
               b.graph().mutable_node(0)->set_op_type("If");
             }));
  EXPECT_EQ(ReadOnnxModel(path).graph.nodes.size(), 1u);
  ExpectError(ErrorCode::kMalformed, {path.string(), "'../outside.bin'", "'..'"},
              [&] { ModelDigest(path); });
}

// Exchanges two names of a folder, over and over.
class Exchanger {
 public:
  Exchanger(fs::path a, fs::path b)
      : thread_([this, a = std::move(a), b = std::move(b)] {
          while (!stop_) {
            syscall(SYS_renameat2, AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), 2 /*RENAME_EXCHANGE*/);
          }
        }) {}
  ~Exchanger() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// What is checked must be what is opened: a link that takes the weights' place in between would
// otherwise make a file of somebody else a part of the model.
TEST(BadFiles, ALinkThatTakesAFilesPlaceIsNeverRead) {
  const ScratchFolder folder;
  const fs::path model = folder / "model";
  Graph graph;
  graph.outputs = {"w"};
  graph.initializers = {{"w", Tensor::Scalar(1.0F)}};
  WriteModelJson(model, graph);
  WriteSafetensors(folder / "secret.safetensors", {{"w", Tensor::Scalar(2.0F)}}, {});
  fs::create_symlink(folder / "secret.safetensors", model / "link");
  int num_read = 0;
  int num_refused = 0;
  constexpr int kTries = 20'000;
  {
    const Exchanger exchanger(model / "weights.safetensors", model / "link");
    for (int i = 0; i < kTries && (i < 500 || num_read == 0 || num_refused == 0); ++i) {
      try {
        ASSERT_EQ(ReadModelJson(model).initializers.at("w").data<float>()[0], 1);
        ++num_read;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kMalformed) << error.what();
        EXPECT_NE(std::string_view(error.what()).find("symbolic link"), std::string_view::npos);
        ++num_refused;
      }
    }
  }
  EXPECT_GT(num_read, 0);
  EXPECT_GT(num_refused, 0);
}

}  // namespace
}  // namespace adaround
