#include "cli/run_inputs.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
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

std::string ProcessorName() {
  std::string name = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const size_t colon = line.find(": ");
    if (!line.starts_with("model name") || colon == std::string::npos) continue;
    name = line.substr(colon + 2);
    break;
  }
  for (const int level : {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE}) {
    name += ", " + std::to_string(sysconf(level));
  }
  return name;
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
