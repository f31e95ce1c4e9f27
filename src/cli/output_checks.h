// What is written must be nothing that is read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace adaround::cli {

// Before any work. `inputs` are files or folders; "" entries are passed over.
//
// An output file must be none of the inputs, nor lie in a folder that is one or that holds a
// model.json among them; nor be one of `files`, which are read or written, too, and not looked
// into: plans, reports.  Throws Error(kMalformed).
void CheckIsNoInput(const std::string& option, const std::filesystem::path& output,
                    const std::vector<std::string>& inputs, const std::vector<std::string>& files);

// Beside that: Error(kInvalidArgument) where it is a folder, or exists and `replace` is false;
// Error(kIo) where its folder does not exist.
void CheckOutputFile(const std::string& option, const std::filesystem::path& output,
                     const std::vector<std::string>& inputs, bool replace,
                     const std::vector<std::string>& files = {});

// An output folder must neither be nor hold an input.  Throws Error(kMalformed).
void CheckHoldsNoInput(const std::filesystem::path& output, const std::vector<std::string>& inputs);

// Beside that, it is replaced only where it is empty or the result of an earlier run: it has a
// `finished_file` or, where a float model is written (`is_float_model`), holds such a model and
// nothing else.
// Throws Error(kMalformed), Error(kInvalidArgument).
void CheckOutputFolder(const std::filesystem::path& output, const std::vector<std::string>& inputs,
                       bool is_float_model = false,
                       const std::string& finished_file = "report.json");

}  // namespace adaround::cli
