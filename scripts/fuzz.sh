#!/usr/bin/env bash
# Fuzzes the readers:
#   scripts/fuzz.sh [--fast] [--runs N] [TARGET...]        default: every target
# Sets up, builds preset fuzz (clang, with sanitizers) and runs each target for N inputs (default: 1
# million for image, inspect and onnx, 10 million for the others) under limits of time and memory.
# What it finds lies in build/fuzz/artifacts/TARGET, its corpus in build/fuzz/corpus/TARGET, its log
# beside. Prints a line per target; exits with 1 where any found something.
# --fast: preset fuzz_fast in build/fuzz_fast, more inputs a second: undefined behaviour
# and the standard library's assertions, but not every wrong address, end a target, and memory is
# bounded by what is resident alone.
set -euo pipefail
cd "$(dirname "$0")/.."

# max_len: what a small file of the format takes. A new target is a row here.
declare -A max_len=(
  [batch_manifest]=1024 [checkpoint]=4096 [config]=512
  [image]=4096 [inspect]=4096 [journal]=4096 [labels]=1024 [layer_plan]=2048 [model_json]=4096
  [npy]=512 [npz]=2048 [onnx]=8192 [quantized_model]=4096 [result_report]=2048
  [safetensors]=2048
)
declare -A default_runs=([image]=1000000 [inspect]=1000000 [onnx]=1000000)

runs=
preset=fuzz
while [ $# -gt 0 ]; do
  case $1 in
    --fast) preset=fuzz_fast; shift ;;
    --runs) runs=${2:?--runs needs a number}; shift 2 ;;
    -*) echo "usage: scripts/fuzz.sh [--fast] [--runs N] [TARGET...]" >&2; exit 2 ;;
    *) break ;;
  esac
done
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(printf '%s\n' "${!max_len[@]}" | sort)
for target in "${targets[@]}"; do
  [ -n "${max_len[$target]:-}" ] || { echo "no target $target" >&2; exit 2; }
done

scripts/install_dependencies.sh --clang
cmake --preset "$preset" >/dev/null
# Where the folder was another compiler's, CMake has begun anew and forgotten the preset's values.
grep -q '^ADAROUND_SANITIZE:STRING=.' "build/$preset/CMakeCache.txt" ||
  cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target "${targets[@]/%/_fuzz}"

# Reports of undefined behaviour end a target like any other finding.
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS=malloc_context_size=5
# In memory: the files that targets write, which stay behind where they crash, and the corpus.
scratch=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/adaround_fuzz.XXXXXX")
export TMPDIR=$scratch
# What a target found to be new is kept, also when it is stopped.
keep_corpus() {
  local folder
  for folder in "$scratch"/*/; do
    [ ! -d "$out/corpus/$(basename "$folder")" ] || cp -rT "$folder" "$out/corpus/$(basename "$folder")"
  done
  rm -rf "$scratch"
}
out=build/$preset
trap keep_corpus EXIT
trap 'exit 130' INT TERM

status=0
for target in "${targets[@]}"; do
  artifacts=$out/artifacts/$target
  corpus=$out/corpus/$target
  log=$out/corpus/$target.log
  mkdir -p "$artifacts" "$corpus" "$scratch/$target"
  cp -rT "$corpus" "$scratch/$target"
  dictionary=()
  [ -e "tests/fuzz/$target.dict" ] && dictionary=("-dict=tests/fuzz/$target.dict")
  before=$(find "$artifacts" -type f | wc -l)
  # Entropic scheduling takes half of the time and more where an input takes 0.1 ms, as here.
  "$out/tests/fuzz/${target}_fuzz" -runs="${runs:-${default_runs[$target]:-10000000}}" \
    -max_len="${max_len[$target]}" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=512 \
    -entropic=0 -print_final_stats=1 -artifact_prefix="$artifacts/" "${dictionary[@]}" \
    "$scratch/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=1
  stat() { sed -n "s/^stat::$1: *//p" "$log"; }
  printf '%-16s %10s runs  %7s/s  %6s new inputs  %5s MiB  %s findings\n' "$target" \
    "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" \
    "$(stat new_units_added)" "$(stat peak_rss_mb)" \
    $(($(find "$artifacts" -type f | wc -l) - before))
done
exit $status
