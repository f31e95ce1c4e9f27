#!/usr/bin/env bash
# The whole test suite under sanitizers:
#   scripts/sanitize.sh asan|tsan [CTEST_ARG...]
# Sets up, builds that preset (asan: addresses, leaks and undefined behaviour; tsan: data races) and
# runs its tests, all but the installed package's and the benchmarks'. What a sanitizer finds ends
# the program with a status that fails its test, unless the test kills it anyway.
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-}
compiler=()
case $preset in
  asan) compiler=(--clang); shift ;;
  tsan) shift ;;
  *) echo "usage: scripts/sanitize.sh asan|tsan [CTEST_ARG...]" >&2; exit 2 ;;
esac

scripts/install_dependencies.sh "${compiler[@]}"
cmake --preset "$preset" >/dev/null
# Where the folder was another compiler's, CMake has begun anew and forgotten the preset's values.
grep -q '^ADAROUND_SANITIZE:STRING=.' "build/$preset/CMakeCache.txt" ||
  cmake --preset "$preset" >/dev/null
cmake --build "build/$preset"
scripts/install_onnxruntime.sh "build/$preset/onnxruntime" ||
  echo "not installed: the ONNX Runtime tests will be skipped" >&2

# No test expects exit codes that these could be mistaken for.
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=66
export ASAN_OPTIONS=exitcode=66
export TSAN_OPTIONS=halt_on_error=1:exitcode=66
exec ctest --test-dir "build/$preset" --output-on-failure -j "$(nproc)" "$@"
