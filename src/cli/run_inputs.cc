#include "cli/run_inputs.h"

#include <filesystem>
#include <system_error>

#include "adaround/base/build_info.h"
#include "adaround/io/sha256.h"
#include "cli/shell_words.h"

namespace adaround::cli {

std::string ProgramDigest() {
  constexpr const char* kProgram = "/proc/self/exe";
  const std::string program = Sha256OfFile(kProgram);
  std::error_code error;
  if (std::filesystem::equivalent(kProgram, LibraryFile(), error)) return program;
  return Sha256OfBytes(program + Sha256OfFile(LibraryFile()));
}

std::map<std::string, std::string> GivenImageOptions(const CLI::App& command) {
  std::map<std::string, std::string> given;
  for (const char* flag : {"--scale", "--mean", "--std", "--resize", "--crop", "--channel-order",
                           "--interpolation"}) {
    const CLI::Option* option = command.get_option(flag);
    if (option->count() == 0) continue;
    given[std::string("option ") + flag] = JoinShellWords(option->results());
  }
  return given;
}

std::string FingerprintOf(const std::map<std::string, std::string>& inputs) {
  std::string digests;
  for (const auto& [name, value] : inputs) digests += Sha256OfBytes(name) + Sha256OfBytes(value);
  return Sha256OfBytes(digests);
}

}  // namespace adaround::cli
