#include <algorithm>
#include <iostream>
#include <memory>

#include "cli/commands.h"
#include "cli/completion_scripts.h"

namespace adaround::cli {

void AddCompletionCommand(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("completion", "Print a script that completes the command line in a shell");
  auto shell = std::make_shared<std::string>();
  std::vector<std::string> names;
  for (const CompletionShell& each : CompletionShells()) names.emplace_back(each.name);
  command->add_option("shell", *shell, "the shell")
      ->required()
      ->check(CLI::IsMember(names))
      ->type_name("SHELL");
  command->footer(
      "Where adaround is installed, shells have these scripts already.\n\n"
      "Examples:\n  source <(adaround completion bash)\n"
      "  adaround completion zsh > ~/.zfunc/_adaround    # ~/.zfunc being in fpath\n"
      "  adaround completion fish > ~/.config/fish/completions/adaround.fish");
  command->callback([&app, shell] {
    const auto& shells = CompletionShells();
    const auto found = std::find_if(shells.begin(), shells.end(), [&](const CompletionShell& each) {
      return each.name == *shell;
    });
    std::cout << found->script(DescribeCommand(app));
  });
}

}  // namespace adaround::cli
