#include "adaround/base/build_info.h"

#include <dlfcn.h>
#include <link.h>

#include <Eigen/Core>
#include <array>
#include <filesystem>
#include <oneapi/dnnl/dnnl.hpp>
#include <utility>

namespace adaround {
namespace {

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512CD__) && \
    defined(__AVX512DQ__) && defined(__AVX512VL__)
constexpr const char* kLevel = "x86-64-v4";
#elif defined(__AVX2__) && defined(__BMI2__) && defined(__F16C__) && defined(__FMA__)
constexpr const char* kLevel = "x86-64-v3";
#elif defined(__SSE4_2__) && defined(__POPCNT__)
constexpr const char* kLevel = "x86-64-v2";
#else
constexpr const char* kLevel = "x86-64";
#endif

#ifdef ADAROUND_NATIVE
constexpr const char* kTuning = "native ";
#else
constexpr const char* kTuning = "";
#endif

// Every extension that could make a loop's code another one, in alphabetical order.
constexpr const char* kExtensions =
#ifdef __AMX_TILE__
    "amx "
#endif
#ifdef __AVX__
    "avx "
#endif
#ifdef __AVX2__
    "avx2 "
#endif
#ifdef __AVX512BF16__
    "avx512bf16 "
#endif
#ifdef __AVX512BW__
    "avx512bw "
#endif
#ifdef __AVX512CD__
    "avx512cd "
#endif
#ifdef __AVX512DQ__
    "avx512dq "
#endif
#ifdef __AVX512F__
    "avx512f "
#endif
#ifdef __AVX512FP16__
    "avx512fp16 "
#endif
#ifdef __AVX512VBMI__
    "avx512vbmi "
#endif
#ifdef __AVX512VL__
    "avx512vl "
#endif
#ifdef __AVX512VNNI__
    "avx512vnni "
#endif
#ifdef __AVXVNNI__
    "avxvnni "
#endif
#ifdef __BMI2__
    "bmi2 "
#endif
#ifdef __F16C__
    "f16c "
#endif
#ifdef __FMA__
    "fma "
#endif
#ifdef __POPCNT__
    "popcnt "
#endif
#ifdef __SSE4_2__
    "sse4.2 "
#endif
    "sse2";

std::string CompiledFor() { return std::string(kTuning) + kLevel + " (" + kExtensions + ")"; }

// By the extensions that GCC and clang both know to ask for; F16C, LZCNT and MOVBE, which v3 has as
// well, come with AVX2 and BMI2 on every processor.
std::string ProcessorLevel() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("sse4.2") || !__builtin_cpu_supports("popcnt")) return "x86-64";
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2") || !__builtin_cpu_supports("fma")) {
    return "x86-64-v2";
  }
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512cd") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512vl")) {
    return "x86-64-v3";
  }
  return "x86-64-v4";
}

std::string OnednnIsa() {
  using Isa = dnnl::cpu_isa;
  constexpr std::array<std::pair<Isa, const char*>, 9> kNames = {{
      {Isa::all, "generic"},  // the answer on a processor without SSE4.1
      {Isa::sse41, "sse4.1"},
      {Isa::avx, "avx"},
      {Isa::avx2, "avx2"},
      {Isa::avx2_vnni, "avx2_vnni"},
      {Isa::avx512_core, "avx512_core"},
      {Isa::avx512_core_vnni, "avx512_core_vnni"},
      {Isa::avx512_core_bf16, "avx512_core_bf16"},
      {Isa::avx512_core_amx, "avx512_core_amx"},
  }};
  const Isa isa = dnnl::get_effective_cpu_isa();
  for (const auto& [value, name] : kNames) {
    if (value == isa) return name;
  }
  return "isa " + std::to_string(static_cast<int>(isa));
}

std::string Numbers(int major, int minor, int patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

}  // namespace

std::string Version() { return ADAROUND_VERSION; }

std::string InstructionSet() { return CompiledFor() + ", oneDNN " + OnednnIsa(); }

std::string LibraryFile() {
  Dl_info info;
  link_map* loaded = nullptr;
  // The program itself is loaded under the empty name.
  const int found = dladdr1(reinterpret_cast<void*>(&Version), &info,
                            reinterpret_cast<void**>(&loaded), RTLD_DL_LINKMAP);
  if (found != 0 && loaded->l_name[0] != '\0') return loaded->l_name;
  return std::filesystem::read_symlink("/proc/self/exe").string();
}

std::vector<BuildDetail> BuildDetails() {
  const dnnl_version_t* onednn = dnnl::version();
  return {
      {"compiled for", CompiledFor()},
      {"this processor", ProcessorLevel()},
      {"library", LibraryFile()},
      {"oneDNN", Numbers(onednn->major, onednn->minor, onednn->patch) + ", " + OnednnIsa()},
      {"Eigen", Numbers(EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION) + ", " +
                    Eigen::SimdInstructionSetsInUse()},
      {"compiler", __VERSION__},
  };
}

}  // namespace adaround
