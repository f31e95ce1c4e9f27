#include "cli/command_line.h"

#include <string>

#include "adaround/base/build_info.h"
#include "cli/commands.h"
#include "cli/help_formatter.h"

namespace adaround::cli {
namespace {

std::string VersionText(bool verbose) {
  std::string text = "adaround " + Version();
  if (!verbose) return text;
  for (const auto& [name, value] : BuildDetails()) text += "\n" + name + ": " + value;
  return text;
}

}  // namespace

std::unique_ptr<CLI::App> MakeCommandLine() {
  auto app = std::make_unique<CLI::App>(
      "Rounds a trained network's weights to few bits, up or down as each layer's output needs it "
      "(AdaRound, arXiv:2004.10568).",
      "adaround");
  UseHelpPages(*app);  // commands take them over as they are added
  auto verbose = std::make_shared<bool>(false);
  // Options are evaluated in the order of their definition.
  CLI::Option* verbose_flag = app->add_flag("-v,--verbose", *verbose,
                                            "with --version: also instructions and libraries used");
  verbose_flag->needs(app->set_version_flag(
      "--version", [verbose] { return VersionText(*verbose); }, "print the version"));
  app->require_subcommand(1);
  app->footer(
      "Example:\n  adaround quantize model.json --bits 4 --calib calib/ --baseline nearest");
  AddQuantizeCommand(*app);
  AddEvaluateCommand(*app);
  AddCompareCommand(*app);
  AddInspectCommand(*app);
  AddConvertCommand(*app);
  AddAnalyzeCommand(*app);
  AddBatchCommand(*app);
  AddCompletionCommand(*app);
  return app;
}

}  // namespace adaround::cli
