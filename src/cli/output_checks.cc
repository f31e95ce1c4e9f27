#include "cli/output_checks.h"

#include <algorithm>
#include <set>

#include "adaround/base/error.h"
#include "adaround/io/model_file.h"
#include "cli/path_names.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

bool IsInside(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] =
      std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

// Whether an existing file holds tensors of an ONNX model.
bool IsExternalData(const fs::path& output, const fs::path& model) {
  std::error_code error;
  if (model.extension() != ".onnx" || !fs::is_regular_file(output, error)) return false;
  const std::vector<fs::path> files = ModelFiles(model);
  return std::any_of(files.begin(), files.end(), [&](const fs::path& file) {
    return fs::equivalent(output, file, error);
  });
}

// Whether the folder holds what WriteModelJson writes and nothing else.
bool HoldsFloatModelAlone(const fs::path& folder) {
  std::error_code error;
  std::set<std::string> names;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.insert(entry->path().filename().string());
  }
  return !error && names == std::set<std::string>{"model.json", "weights.safetensors"};
}

[[noreturn]] void ThrowIsInput(const std::string& what, const fs::path& output,
                               const std::string& input) {
  throw Error(ErrorCode::kMalformed, what + " " + Printable(output.string()) +
                                         " would overwrite " + Printable(input) +
                                         ", which is read or written, too; choose another place");
}

}  // namespace

void CheckIsNoInput(const std::string& option, const fs::path& output,
                    const std::vector<std::string>& inputs,
                    const std::vector<std::string>& files) {
  if (output.empty() || IsSpecialFile(output)) return;
  std::error_code error;
  const fs::path resolved = Resolved(output);
  for (const std::string& input : inputs) {
    if (input.empty()) continue;
    const fs::path input_path = Resolved(input);
    const bool is_folder = fs::is_directory(input_path, error);
    const bool is_model = input_path.extension() == ".json";  // its tensors lie beside it
    const fs::path guarded = is_folder || !is_model ? input_path : input_path.parent_path();
    if (IsInside(resolved, guarded) || fs::equivalent(output, input, error) ||
        IsExternalData(output, input_path)) {
      ThrowIsInput(option, output, input);
    }
  }
  for (const std::string& file : files) {
    if (!file.empty() && (resolved == Resolved(file) || fs::equivalent(output, file, error))) {
      throw Error(ErrorCode::kMalformed, option + " " + Printable(output.string()) +
                                             " is the same file as " + Printable(file) +
                                             "; choose another place");
    }
  }
}

void CheckOutputFile(const std::string& option, const fs::path& output,
                     const std::vector<std::string>& inputs, bool replace,
                     const std::vector<std::string>& files) {
  if (output.empty()) return;
  if (IsFolder(output)) {
    throw Error(ErrorCode::kInvalidArgument,
                option + ": " + Printable(output.string()) + " is a folder; name a file");
  }
  if (IsSpecialFile(output)) return;
  CheckIsNoInput(option, output, inputs, files);
  std::error_code error;
  const fs::path resolved = Resolved(output);
  if (!replace && fs::exists(output, error)) {
    throw Error(ErrorCode::kInvalidArgument, option + ": " + Printable(output.string()) +
                                                 " exists; --force replaces it");
  }
  if (!fs::is_directory(resolved.parent_path(), error)) {
    throw Error(ErrorCode::kIo, option + ": the folder of " + Printable(output.string()) +
                                    " does not exist; create it first");
  }
}

void CheckHoldsNoInput(const fs::path& output, const std::vector<std::string>& inputs) {
  const fs::path resolved = Resolved(output);
  std::error_code error;
  for (const std::string& input : inputs) {
    if (input.empty()) continue;
    const fs::path input_path = Resolved(input);
    const bool is_model = input_path.filename() == "model.json";
    const bool in_model = is_model && input_path.parent_path() == resolved;
    if (in_model || IsInside(input_path, resolved) || fs::equivalent(output, input, error)) {
      ThrowIsInput("output", output, input);
    }
  }
}

void CheckOutputFolder(const fs::path& output, const std::vector<std::string>& inputs,
                       bool is_float_model, const std::string& finished_file) {
  CheckHoldsNoInput(output, inputs);
  std::error_code error;
  if (!fs::is_directory(output, error) || fs::is_empty(output, error)) return;
  const bool is_earlier_result = is_float_model ? HoldsFloatModelAlone(output)
                                                : fs::exists(output / finished_file, error);
  if (!is_earlier_result) {
    throw Error(ErrorCode::kInvalidArgument,
                "output " + Printable(output.string()) +
                    " exists and is not the result of an earlier run; choose another one with -o");
  }
}

}  // namespace adaround::cli
