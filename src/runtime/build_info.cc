#include "adaround/base/build_info.h"

#include <oneapi/dnnl/dnnl.hpp>

namespace adaround {

std::string Version() { return ADAROUND_VERSION; }

std::string InstructionSet() {
#if defined(__AVX512F__)
  std::string compiled = "avx512";
#elif defined(__AVX2__)
  std::string compiled = "avx2";
#elif defined(__AVX__)
  std::string compiled = "avx";
#else
  std::string compiled = "baseline";
#endif
  return compiled + ", oneDNN isa " +
         std::to_string(static_cast<int>(dnnl::get_effective_cpu_isa()));
}

}  // namespace adaround
