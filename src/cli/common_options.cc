#include "adaround/base/threads.h"
#include "cli/commands.h"
#include "cli/option_binding.h"
#include "cli/output_checks.h"

namespace adaround::cli {

int CommonOptions::NumThreads() const { return threads > 0 ? threads : NumAvailableCores(); }

void CheckLogFile(const CommonOptions& options, const std::vector<std::string>& inputs,
                  std::vector<std::string> files) {
  files.push_back(options.config);
  CheckOutputFile("--log-file", options.log.file, inputs, true, files);
}

void AddCommonOptions(CLI::App& app, CommonOptions& options) {
  app.add_option("-j,--threads", options.threads, "worker threads; 0 = all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->group(kRunGroup);
  app.add_flag_callback(
         "-v,--verbose", [&options] { options.log.verbosity = 1; }, "say more")
      ->group(kRunGroup);
  app.add_flag_callback(
         "-q,--quiet", [&options] { options.log.verbosity = -1; }, "errors only")
      ->group(kRunGroup);
  app.add_option("--log-file", options.log.file, "also write messages to this file")
      ->type_name("FILE")
      ->group(kRunGroup);
  app.add_option("--progress", options.log.progress, "live progress on stderr")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->capture_default_str()
      ->group(kRunGroup);
  app.add_flag("--no-color", options.log.no_color, "no colours (NO_COLOR is honoured too)")
      ->group(kRunGroup);
  app.add_option("--config", options.config,
                 "options from a TOML file: NAME = VALUE, for all commands or in a [COMMAND] "
                 "section; flags and ADAROUND_* variables come before it")
      ->type_name("FILE")
      ->group(kRunGroup);
  app.add_flag("--print-config", options.print_config,
               "print all options as such a file, with where they come from, and stop")
      ->group(kRunGroup);
  app.add_flag("--json", options.json, "print the result as JSON on stdout")->group(kRunGroup);
}

}  // namespace adaround::cli
