#include "adaround/io/batch_manifest.h"

#include <utility>

#include "io/input_file.h"
#include "io/strict_json.h"

namespace adaround {
namespace {

constexpr int64_t kMaxBytes = int64_t{16} << 20;

std::string ValueOf(const JsonView& view) {
  const nlohmann::json& value = view.value();
  if (value.is_string()) {
    if (view.AsString().find('\0') != std::string::npos) {
      view.FailMalformed("holds a NUL character");
    }
    return view.AsString();
  }
  if (value.is_boolean() || value.is_number()) return value.dump();
  view.FailMalformed("must be text, a number, true, false, or a list of text and numbers");
}

std::map<std::string, ManifestOption> OptionsOf(const JsonView& view) {
  view.CheckObject();
  std::map<std::string, ManifestOption> options;
  for (const auto& [name, value] : view.value().items()) {
    const JsonView place = view.At(name);
    ManifestOption option;
    option.is_list = value.is_array();
    if (option.is_list) {
      for (size_t i = 0; i < place.ArraySize(); ++i) option.values.push_back(ValueOf(place.At(i)));
    } else {
      option.values.push_back(ValueOf(place));
    }
    options.emplace(name, std::move(option));
  }
  return options;
}

// A path, or part of one.
std::string TextOf(const JsonView& view) {
  const std::string& text = view.AsString();
  if (text.empty() || text.find('\0') != std::string::npos) {
    view.FailMalformed(text.empty() ? "is empty" : "holds a NUL character");
  }
  return text;
}

ManifestEntry EntryOf(const JsonView& view) {
  view.CheckKeys({}, {"glob", "model", "name", "options"});
  ManifestEntry entry;
  entry.place = view.place();
  entry.is_glob = view.Has("glob");
  if (entry.is_glob == view.Has("model")) {
    view.FailMalformed("needs either a 'model' or a 'glob'");
  }
  entry.path = TextOf(view.At(entry.is_glob ? "glob" : "model"));
  if (view.Has("name")) {
    if (entry.is_glob) view.At("name").FailMalformed("names many models at once");
    entry.name = TextOf(view.At("name"));
    if (entry.name->find('/') != std::string::npos || *entry.name == "." || *entry.name == "..") {
      view.At("name").FailMalformed("must be a file's name, without '/'");
    }
  }
  if (view.Has("options")) entry.options = OptionsOf(view.At("options"));
  return entry;
}

}  // namespace

BatchManifest ReadBatchManifest(const std::filesystem::path& path) {
  const InputFile file(path);
  const nlohmann::json document = ParseStrictJson(file.ReadText(kMaxBytes), file.name());
  const JsonView root(document, file.name());
  root.CheckKeys({"format", "version", "models"}, {"output", "options"});
  if (root.At("format").AsString() != "adaround-batch") {
    root.At("format").FailMalformed("must be 'adaround-batch'");
  }
  root.At("version").AsInt(1, 1);
  BatchManifest manifest;
  if (root.Has("output")) manifest.output = TextOf(root.At("output"));
  if (root.Has("options")) manifest.options = OptionsOf(root.At("options"));
  const JsonView models = root.At("models");
  for (size_t i = 0; i < models.ArraySize(); ++i) manifest.entries.push_back(EntryOf(models.At(i)));
  if (manifest.entries.empty()) models.FailMalformed("is empty; name at least one model");
  return manifest;
}

}  // namespace adaround
