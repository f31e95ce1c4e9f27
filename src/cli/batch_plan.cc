#include "cli/batch_plan.h"

#include <fnmatch.h>
#include <glob.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "adaround/base/error.h"
#include "adaround/pipeline/quantize.h"
#include "cli/commands.h"
#include "cli/option_sources.h"
#include "cli/output_checks.h"
#include "cli/path_names.h"

namespace adaround::cli {
namespace {

namespace fs = std::filesystem;

// Options that name what a model's run reads, and files that it writes.
const std::set<std::string> kInputs = {"model", "calib", "data", "labels", "calib-labels", "plan"};
const std::set<std::string> kFiles = {"report", "html", "save-plan"};

// Options that are the batch's own.
const std::set<std::string> kOwnOptions = {
    "model", "force",        "resume",       "dry-run",      "json",         "verbose",
    "quiet", "log-file",     "progress",     "threads",      "no-color",     "config",
    "shard", "merge-shards", "print-config", "list-methods", "list-presets", "list-formats"};

std::vector<std::string> Glob(const std::string& pattern, const std::string& place) {
  glob_t found = {};
  const int failure = glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  globfree(&found);
  if (failure != 0 || paths.empty()) {
    throw Error(ErrorCode::kInvalidArgument,
                place + ": no file matches '" + Printable(pattern) +
                    "'; patterns are relative to the manifest's folder");
  }
  return paths;
}

using Options = std::map<std::string, ManifestOption>;

std::string ResultName(const ManifestEntry& entry, const std::string& model,
                       const Options& options) {
  if (entry.name) return *entry.name;
  const auto bits = options.find("bits");
  const bool is_told = bits != options.end() && bits->second.values.size() == 1;
  return ModelNameOf(model) + "-w" +
         (is_told ? bits->second.values.front() : std::to_string(QuantizeOptions{}.bits));
}

// A result's folder is replaced as a whole: neither another result nor a file lies in it.
void CheckApart(const std::set<std::string>& outputs, const std::set<std::string>& files,
                const std::string& file) {
  std::set<std::string> places = files;
  places.insert(outputs.begin(), outputs.end());
  for (const std::string& place : places) {
    if (outputs.contains(place) && outputs.contains(place + ".partial")) {
      throw Error(ErrorCode::kInvalidArgument,
                  file + ": '" + Printable(place + ".partial", 1000) + "' is where the result '" +
                      Printable(place, 1000) +
                      "' is made; give one of the two models another \"output\"");
    }
    const fs::path first = files.contains(place) ? fs::path(place) : fs::path(place).parent_path();
    for (fs::path above = first; above.has_relative_path(); above = above.parent_path()) {
      const bool is_partial =
          above.extension() == ".partial" && outputs.contains(fs::path(above).replace_extension());
      if (!is_partial && !outputs.contains(above.string())) continue;
      throw Error(
          ErrorCode::kInvalidArgument,
          file + ": '" + Printable(place, 1000) + "' would lie in '" +
              Printable(above.string(), 1000) +
              "', the result of a model, which is replaced as a whole; choose another place "
              "for one of them");
    }
  }
}

// A file that a model's run writes beside its result is no other model's; `files` has those so far.
void CheckOwnFile(const std::string& name, const std::string& file, const std::string& place,
                  std::set<std::string>& files) {
  if (file.empty() || IsSpecialFile(file) || files.insert(Resolved(file).string()).second) return;
  throw Error(ErrorCode::kInvalidArgument, place + ": two models would write '" +
                                               Printable(file, 1000) + "'; give each \"" + name +
                                               "\" of its own");
}

// Results that a pattern would find as models, the next time.
void CheckFindsNoResult(const std::string& pattern, const std::string& output,
                        const std::string& place) {
  const std::string normal = fs::path(pattern).lexically_normal().string();
  const fs::path result = fs::path(output).lexically_normal();
  for (const fs::path& found : {result, result / "model.json", result / "model.onnx"}) {
    if (fnmatch(normal.c_str(), found.c_str(), FNM_PATHNAME | FNM_PERIOD) != 0) continue;
    throw Error(ErrorCode::kInvalidArgument,
                place + ": the pattern '" + Printable(pattern) + "' would match the result '" +
                    Printable(found.string(), 1000) +
                    "', too, the next time; let \"output\" be another folder");
  }
}

// What one model's run writes is nothing that another one reads, nor the manifest.
void CheckInputs(const std::vector<BatchItem>& items, const std::string& manifest) {
  std::vector<std::string> inputs;
  for (const BatchItem& item : items) {
    inputs.insert(inputs.end(), item.inputs.begin(), item.inputs.end());
  }
  std::vector<std::string> read = inputs;
  read.push_back(manifest);
  for (const BatchItem& item : items) {
    try {
      CheckHoldsNoInput(item.output, read);
      for (const auto& [option, path] : item.files) {
        CheckIsNoInput(option, path, inputs, {manifest});
      }
    } catch (const Error& error) {
      throw error.WithContext("model '" + Printable(item.name) + "'");
    }
  }
}

// So that the last model's options are not found wrong after hours.
void CheckOptions(const BatchItem& item) {
  try {
    QuantizeCall call;
    call.only_check = true;
    CLI::App app;
    AddQuantizeCommand(app, &call);
    app.parse(std::vector<std::string>(item.words.rbegin(), item.words.rend()));
  } catch (const CLI::ParseError& error) {
    throw Error(ErrorCode::kInvalidArgument,
                "model '" + Printable(item.name) + "': " + Printable(error.what(), 1000));
  } catch (const Error& error) {
    throw error.WithContext("model '" + Printable(item.name) + "'");
  }
}

}  // namespace

std::vector<BatchItem> PlanBatch(const BatchManifest& manifest, const std::string& file,
                                 const std::string& manifest_path, bool force, int num_threads) {
  std::vector<BatchItem> items;
  std::set<std::string> outputs;
  std::set<std::string> files;
  for (const ManifestEntry& entry : manifest.entries) {
    const std::string place = file + ": " + entry.place;
    Options options = entry.options;
    options.insert(manifest.options.begin(), manifest.options.end());
    const std::vector<std::string> models =
        entry.is_glob ? Glob(entry.path, place) : std::vector<std::string>{entry.path};
    for (const std::string& found : models) {
      const std::string model = found.starts_with("-") ? "./" + found : found;  // is no option
      std::vector<GivenOption> given = {{"model", {model}, false, place}};
      // The model's own first: they come before those that they exclude.
      for (const Options* part : {&entry.options, &manifest.options}) {
        for (const auto& [name, option] : *part) {
          if (kOwnOptions.contains(name)) {
            throw Error(ErrorCode::kInvalidArgument,
                        place + ": '" + Printable(name) +
                            "' is not a model's own: give it to `adaround batch`, or run the model "
                            "with `adaround quantize`");
          }
          if (part == &manifest.options && entry.options.contains(name)) continue;
          given.push_back({name, option.values, option.is_list, place});
        }
      }
      const std::string name = ResultName(entry, model, options);
      const auto told = options.find("output");
      std::string output = (fs::path(manifest.output) / name).string();
      if (told == options.end()) {
        given.push_back({"output", {output}, false, place});
      } else if (!told->second.values.empty()) {
        output = told->second.values.front();
      }
      if (!outputs.insert(Resolved(output).string()).second) {
        throw Error(ErrorCode::kInvalidArgument,
                    place + ": two models would be written to '" + Printable(output) +
                        "'; give one of them a \"name\", or an \"output\" among its options");
      }
      given.push_back({"resume", {"true"}, false, place});
      given.push_back({"force", {force ? "true" : "false"}, false, place});
      given.push_back({"threads", {std::to_string(num_threads)}, false, place});
      BatchItem item{name, model, WordsOf("quantize", given), {}, output, {}};
      for (const GivenOption& option : given) {
        for (const std::string& value : option.values) {
          if (kInputs.contains(option.name)) item.inputs.push_back(value);
          if (!kFiles.contains(option.name)) continue;
          CheckOwnFile(option.name, value, place, files);
          item.files.push_back({"--" + option.name, value});
        }
      }
      if (entry.is_glob) CheckFindsNoResult(entry.path, output, place);
      items.push_back(std::move(item));
    }
  }
  CheckApart(outputs, files, file);
  CheckInputs(items, manifest_path);
  for (const BatchItem& item : items) CheckOptions(item);
  return items;
}

}  // namespace adaround::cli
