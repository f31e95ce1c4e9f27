# --version, and with -v what the program was compiled for and runs on.
source "$(dirname "$0")/lib.sh"

expect_exit 0 "$PROGRAM" --version
expect_stderr_empty
grep -qxE 'adaround [0-9]+\.[0-9]+\.[0-9]+' "$LAST_STDOUT" || fail "not a version"
[[ $(wc -l <"$LAST_STDOUT") == 1 ]] || fail "more than a line"

expect_exit 0 "$PROGRAM" --version -v
expect_stderr_empty
cp "$LAST_STDOUT" details
matches() { grep -qxE -- "$1" details || fail "no line matches: $1"; }
LEVEL='x86-64(-v[234])?'
matches 'adaround [0-9.]+'
matches "compiled for: (native )?$LEVEL \\(([a-z0-9.]+ )*sse2\\)"
matches "this processor: $LEVEL"
matches 'library: /.*adaround.*'
matches 'oneDNN: [0-9]+\.[0-9]+\.[0-9]+, .+'
matches 'Eigen: 3\.[0-9]+\.[0-9]+, .*SSE2.*'
matches 'compiler: .*[0-9]+\.[0-9]+.*'
[[ -f $(sed -n 's/^library: //p' details) ]] || fail "no such library"

# A processor runs no program that was compiled for a higher level.
expect_python 'lines = dict(line.split(": ", 1) for line in open("details").read().splitlines()[1:])
compiled = lines["compiled for"].removeprefix("native ").split(" ")[0]
assert compiled <= lines["this processor"], lines
if "avx512f" in lines["compiled for"]: assert compiled == "x86-64-v4" and "AVX512" in lines["Eigen"]'

for arguments in "-v --version" "--version --verbose" "--verbose --version"; do
  # shellcheck disable=SC2086
  expect_exit 0 "$PROGRAM" $arguments
  expect_same "$LAST_STDOUT" details
done

# Results name the same instructions.
expect_exit 0 quantize_fast --include 'stem' -o out
expect_python 'provenance = json.load(open("out/report.json"))["provenance"]
lines = dict(line.split(": ", 1) for line in open("details").read().splitlines()[1:])
onednn = lines["oneDNN"].split(", ")[1]
assert provenance["instruction_set"] == lines["compiled for"] + ", oneDNN " + onednn, provenance'

# Alone, or before a command, it would do nothing.
expect_refused 2 out2 "$PROGRAM" -v
expect_stderr_contains "--version"
expect_refused 2 out2 "$PROGRAM" -v inspect "$MOBILENET"
