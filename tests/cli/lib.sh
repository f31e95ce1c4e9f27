# Shared by the command line's tests, each called as: bash X_test.sh ADAROUND_BINARY SOURCE_DIR
#
# Sourced first.  It sets
#   PROGRAM   the adaround binary  SOURCE      the project's folder
#   MODELS    SOURCE/models        IMAGES, TEST_IMAGES, TEST_LABELS  the data in it
#   MOBILENET, RESNET              the two networks in it
# and enters a fresh scratch folder, which is removed at the end.  An expectation that is not met
# shows the last command with its output and ends the test; with KEEP_GOING=1 in the environment the
# test goes on, to see them all.  Exit code: 0 passed, 1 failed, 77 skipped.
set -u -o pipefail

if [[ $# -ne 2 ]]; then
  echo "usage: bash $0 ADAROUND_BINARY SOURCE_DIR" >&2
  exit 1
fi
PROGRAM=$(realpath "$1")
SOURCE=$(realpath "$2")
MODELS=$SOURCE/models
MOBILENET=$MODELS/fashion_mobilenet
RESNET=$MODELS/fashion_resnet
IMAGES=$MODELS/data/fashion/calib
TEST_IMAGES=$MODELS/data/fashion/test
TEST_LABELS=$MODELS/data/fashion/test_labels.npy
PYTHON=/usr/bin/python3

# What a user has set must not change the tests.
unset NO_COLOR ${!ADAROUND_@}
export TERM=xterm LC_ALL=C.UTF-8

TEST_ROOT=$(mktemp -d "${TMPDIR:-/tmp}/adaround_cli_test.XXXXXX") || exit 1
LAST_STDOUT=$TEST_ROOT/stdout
LAST_STDERR=$TEST_ROOT/stderr
LAST_COMMAND="(none)"
LAST_EXIT=""
mkdir "$TEST_ROOT/work"
cd "$TEST_ROOT/work" || exit 1
CLEAN_UP=()  # commands to run at the end, before the scratch folder is removed
finish() {
  local code=$? command
  for command in "${CLEAN_UP[@]}"; do $command; done
  [[ ! -e $TEST_ROOT/failed ]] || code=1
  cd /
  rm -rf "$TEST_ROOT"
  exit "$code"
}
trap finish EXIT

fail() {
  local frame=0
  while [[ ${BASH_SOURCE[frame]} == *lib.sh ]]; do frame=$((frame + 1)); done
  {
    echo "${BASH_SOURCE[frame]}:${BASH_LINENO[frame - 1]}: FAILED: $*"
    echo "command: $LAST_COMMAND"
    echo "exit code: $LAST_EXIT"
    echo "--- stdout"
    tail -n 40 "$LAST_STDOUT" 2>/dev/null
    echo "--- stderr"
    tail -n 40 "$LAST_STDERR" 2>/dev/null
  } | cat -v >&2
  [[ ${KEEP_GOING:-0} == 1 ]] || exit 1
  touch "$TEST_ROOT/failed"
}

skip() {
  echo "skipped: $*" >&2
  exit 77
}

# run CMD...: keeps stdout, stderr and the exit code for the expectations below.
run() {
  LAST_COMMAND=$(printf '%q ' "$@")
  "$@" >"$LAST_STDOUT" 2>"$LAST_STDERR" </dev/null
  LAST_EXIT=$?
}

# expect_exit CODE CMD...: CODE may list alternatives, as 3|5.
expect_exit() {
  local wanted=$1
  shift
  run "$@"
  [[ "|$wanted|" == *"|$LAST_EXIT|"* ]] || fail "exit code $LAST_EXIT, expected $wanted"
}

# expect_end CODE PROCESS: waits for a process in the background; CODE as expect_exit has it.
expect_end() {
  wait "$2" 2>/dev/null
  LAST_EXIT=$?
  [[ "|$1|" == *"|$LAST_EXIT|"* ]] || fail "exit code $LAST_EXIT, expected $1"
}

# await_lines N PROCESS: until stderr tells of N layers or runs, or the process has ended.
await_lines() {
  local i
  for ((i = 0; i < 3000; ++i)); do
    (($(grep -c '^\[' "$LAST_STDERR") < $1)) && kill -0 "$2" 2>/dev/null || break
    sleep 0.01
  done
}

# invert FILE: every bit behind the first 200 bytes; twice, and the file is what it was.
invert() {
  "$PYTHON" -c '
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(200)
    rest = file.read()
    file.seek(200)
    file.write(bytes(255 - byte for byte in rest))' "$1" || fail "cannot change $1"
}

# expect_change_refused N FILE CMD...: FILE is inverted, or what $CHANGE does, once stderr tells of N
# layers or runs of CMD, which then refuses it by name.
expect_change_refused() {
  local lines=$1 file=$2 process
  shift 2
  LAST_COMMAND="$*, while $file changes"
  : >"$LAST_STDERR"
  "$@" >"$LAST_STDOUT" 2>"$LAST_STDERR" &
  process=$!
  await_lines "$lines" "$process"
  kill -STOP "$process" || fail "the run ended before a file could be changed"
  "${CHANGE:-invert}" "$file"
  kill -CONT "$process"
  expect_end 3 "$process"
  expect_stdout_empty
  expect_stderr_contains "$file: changed while the program was reading it"
}

expect_stdout_contains() {
  grep -qF -- "$1" "$LAST_STDOUT" || fail "stdout lacks: $1"
}

expect_stdout_lacks() {
  if grep -qF -- "$1" "$LAST_STDOUT"; then fail "stdout holds: $1"; fi
}

expect_stderr_contains() {
  grep -qF -- "$1" "$LAST_STDERR" || fail "stderr lacks: $1"
}

# expect_stderr_matches ERE
expect_stderr_matches() {
  grep -qE -- "$1" "$LAST_STDERR" || fail "stderr does not match: $1"
}

expect_stdout_empty() {
  [[ ! -s $LAST_STDOUT ]] || fail "stdout is not empty"
}

expect_stderr_empty() {
  [[ ! -s $LAST_STDERR ]] || fail "stderr is not empty"
}

# expect_no_escapes FILE...: neither control characters, but for tab and newline, nor DEL.
expect_no_escapes() {
  local file
  for file; do
    if LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$file"; then fail "control characters in $file"; fi
  done
}

expect_absent() {
  local path
  for path; do
    [[ ! -e $path && ! -L $path ]] || fail "$path exists"
  done
}

# expect_refused CODE OUT CMD...: CMD ends with CODE, an error line that is not an internal failure,
# nothing on stdout and nothing at OUT.
expect_refused() {
  local wanted=$1 out=$2
  shift 2
  expect_exit "$wanted" "$@"
  expect_stdout_empty
  expect_stderr_matches '^error: '
  if grep -qi 'internal failure' "$LAST_STDERR"; then fail "an internal failure"; fi
  expect_absent "$out" "$out.partial"
}

expect_same() {
  cmp -s -- "$1" "$2" || fail "$1 and $2 differ"
}

expect_different() {
  if cmp -s -- "$1" "$2"; then fail "$1 and $2 are the same"; fi
}

# expect_files FOLDER NAME...: FOLDER holds exactly these.
expect_files() {
  local folder=$1
  shift
  local found wanted
  found=$(find "$folder" -mindepth 1 -maxdepth 1 -printf '%P\n' | sort)
  wanted=$(printf '%s\n' "$@" | sort)
  [[ $found == "$wanted" ]] || fail "$folder holds: $(tr '\n' ' ' <<<"$found")"
}

# digest_of PATH...: changes where any byte or name below them does.
digest_of() {
  find "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
}

# expect_python CODE ARG...: CODE runs with json and sys imported; an assertion fails the test.
expect_python() {
  local code=$1
  shift
  local output
  output=$("$PYTHON" -c "import json, sys
$code" "$@" 2>&1) || fail "check failed: $output"
}

# expect_same_result A B: two results with exports, and what their reports say but for paths, times,
# memory, threads and what the forward passes of one process cost.
expect_same_result() {
  local name
  for name in model.json weights.safetensors model.onnx; do expect_same "$1/$name" "$2/$name"; done
  expect_python '
def read(folder):
    report = json.load(open(folder + "/report.json"))
    for key in list(report):
        if key.endswith("_seconds") or key in ("output", "peak_resident_bytes", "forward_macs",
                                               "forward_passes", "stored_bytes", "num_threads"):
            del report[key]
    for layer in report["layers"]:
        del layer["seconds"]
    return report
assert read(sys.argv[1]) == read(sys.argv[2])
' "$1" "$2"
}

needs_numpy() {
  "$PYTHON" -c 'import numpy' 2>/dev/null || skip "$PYTHON has no numpy"
}

# make_models: runs the script on stdin, which may import small_models.
make_models() {
  PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$SOURCE/tests/cli "$PYTHON" - || fail "cannot write the model"
}

# quantize_fast ARG...: the shipped depthwise network with settings that take about a second.
quantize_fast() {
  "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --preset fast --calib-samples 64 "$@"
}
