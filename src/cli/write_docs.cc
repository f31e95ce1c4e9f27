// adaround_docs FOLDER: writes the manual, the completions and the pages of src/docs/commands, all
// of them made from the command line itself, into FOLDER: adaround.1, a file per shell,
// commands/*.md.
#include <cstdio>
#include <exception>
#include <filesystem>

#include "adaround/base/build_info.h"
#include "adaround/io/atomic_output.h"
#include "cli/command_line.h"
#include "cli/command_pages.h"
#include "cli/completion_scripts.h"
#include "cli/man_page.h"

namespace adaround::cli {
namespace {

void WriteDocs(const std::filesystem::path& folder) {
  const CommandReference program = DescribeCommand(*MakeCommandLine());
  CheckEssentialOptions(program);
  std::filesystem::create_directories(folder / "commands");
  WriteFileAtomically(folder / "adaround.1", ManPage(program, Version()));
  for (const CompletionShell& shell : CompletionShells()) {
    WriteFileAtomically(folder / shell.file_name, shell.script(program));
  }
  for (const auto& [name, page] : CommandPages(program)) {
    WriteFileAtomically(folder / "commands" / name, page);
  }
}

}  // namespace
}  // namespace adaround::cli

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: adaround_docs FOLDER\n");
    return 2;
  }
  try {
    adaround::cli::WriteDocs(argv[1]);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
}
