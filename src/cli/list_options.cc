// Flags that print a table of names and do nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iostream>

#include "adaround/pipeline/quantize.h"
#include "adaround/rounding/rounding_method.h"
#include "cli/commands.h"
#include "cli/export_formats.h"

namespace adaround::cli {
namespace {

// Rows of columns, two blanks apart; the last column is not padded.
std::string Columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < row.size(); ++i) text += fmt::format("{:<{}}  ", row[i], widths[i]);
    text += row.back() + "\n";
  }
  return text;
}

void AddList(CLI::App& app, const std::string& flag, const std::string& group,
             std::string (*text)()) {
  app.add_flag_callback(
         "--list-" + flag,
         [text] {
           std::cout << text();
           throw CLI::Success();
         },
         "print the " + flag + " with what they cost or give, and stop")
      ->group(group);
}

// Top-1 in percent of ResNet-20 on CIFAR-10 whose every weight is rounded, one symmetric scale per
// tensor: src/docs/paper_tables.md, means of three seeds. Other methods round one layer, or are
// measured on one layer.
struct MeasuredMethod {
  const char* name;
  const char* at_4_bits;
  const char* at_2_bits;
};
constexpr const char* kFloat = "82.10";
constexpr std::array<MeasuredMethod, 11> kMeasured = {{{"nearest", "68.42", "10.97"},
                                                       {"adaround", "82.20", "75.50"},
                                                       {"rectified-sigmoid", "81.47", "48.37"},
                                                       {"sigmoid", "81.81", "45.64"},
                                                       {"sigmoid-annealing", "81.88", "34.34"},
                                                       {"ste", "82.20", "74.08"},
                                                       {"descent", "82.09", "74.25"},
                                                       {"qubo-cross-entropy", "82.13", "66.77"},
                                                       {"qubo-tabu", "82.03", "70.55"},
                                                       {"qubo-tabu-warm", "82.17", "70.07"},
                                                       {"gptq", "81.61", "39.63"}}};

std::string MethodList() {
  std::vector<std::vector<std::string>> rows = {{"method", "4 bits", "2 bits", "how"}};
  for (const RoundingMethod& method : RoundingMethods()) {
    const auto* measured =
        std::find_if(kMeasured.begin(), kMeasured.end(),
                     [&](const MeasuredMethod& row) { return method.name == row.name; });
    const bool known = measured != kMeasured.end();
    rows.push_back({method.name, known ? measured->at_4_bits : "-",
                    known ? measured->at_2_bits : "-", method.summary});
  }
  return Columns(rows) +
         fmt::format(
             "\nTop-1 % of ResNet-20 on CIFAR-10 with one scale per tensor; float {}. On other\n"
             "networks: `adaround compare --methods`, which also shows time and memory.\n",
             kFloat);
}

std::string PresetList() {
  std::vector<std::vector<std::string>> rows;
  for (const Preset& preset : Presets()) rows.push_back({preset.name, preset.summary});
  return Columns(rows);
}

std::string FormatList() {
  std::vector<std::vector<std::string>> rows;
  for (const ExportFormat& format : ExportFormats()) {
    rows.push_back({format.name, format.file_name, format.summary});
  }
  return Columns(rows);
}

}  // namespace

void AddListMethods(CLI::App& app) {
  AddList(app, "methods", "Scheme", MethodList);
}

void AddListPresets(CLI::App& app) {
  AddList(app, "presets", "Optimizer", PresetList);
}

void AddListFormats(CLI::App& app) {
  AddList(app, "formats", "Output", FormatList);
}

}  // namespace adaround::cli
