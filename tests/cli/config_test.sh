# Options from the environment and from a file: what comes before what, and what is refused.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# option_of NAME ARG...: the value and source that --print-config shows of quantize.
option_of() {
  local name=$1
  shift
  expect_exit 0 "$PROGRAM" quantize "$@" --print-config
  grep -E "^(# )?$name = " "$LAST_STDOUT" || true
}
# expect_option WANTED NAME ARG...
expect_option() {
  local wanted=$1 found
  shift
  found=$(option_of "$@")
  [[ $found == "$wanted" ]] || fail "found '$found', expected '$wanted'"
}

cat >ci.toml <<'TOML'
# For every command that has it.
threads = 1
[quantize]
bits = 3
granularity = "tensor"
asymmetric = true
calib = "calib # not a comment"
format = ["onnx", "aimet"]
include = ['conv\d', "b\u0022c"]
beta = "20:2"
force = false
[evaluate]
labels = "labels.npy"
[inspect]
TOML

# --- precedence: flag, variable, file, default

expect_option '# bits = 4' bits MODEL --calib c
expect_option 'bits = 3  # from ci.toml: line 4' bits MODEL --calib c --config ci.toml
ADAROUND_BITS=5 expect_option 'bits = 5  # from ADAROUND_BITS' bits MODEL --calib c --config ci.toml
ADAROUND_BITS=5 expect_option 'bits = 6' bits MODEL --calib c --config ci.toml --bits 6
ADAROUND_BITS=5 expect_option 'bits = 6' bits MODEL --calib c --bits=6
ADAROUND_BITS='' expect_option 'bits = 3  # from ci.toml: line 4' bits MODEL --config ci.toml
ADAROUND_CONFIG=ci.toml expect_option 'bits = 3  # from ci.toml: line 4' bits MODEL
ADAROUND_CONFIG=none.toml expect_option 'bits = 3  # from ci.toml: line 4' bits MODEL --config ci.toml
expect_option 'threads = 1  # from ci.toml: line 2' threads MODEL --config ci.toml
expect_option 'threads = 2' threads MODEL --config ci.toml -j 2
expect_option 'threads = 2' threads MODEL --config ci.toml -j2

# Text is as it stands, lists are lists, flags are true or false.
expect_option 'calib = "calib # not a comment"  # from ci.toml: line 7' calib MODEL --config ci.toml
expect_option 'format = ["onnx", "aimet"]  # from ci.toml: line 8' format MODEL --config ci.toml
expect_option 'include = ["conv\\d", "b\"c"]  # from ci.toml: line 9' include MODEL --config ci.toml
expect_option '# force = false' force MODEL --config ci.toml
expect_option 'asymmetric = true  # from ci.toml: line 6' asymmetric MODEL --config ci.toml
# A flag that excludes it comes first.
expect_option '# asymmetric = false' asymmetric MODEL --config ci.toml --symmetric
for truth in 1 true YES on; do
  ADAROUND_FORCE=$truth expect_option 'force = true  # from ADAROUND_FORCE' force MODEL
done
# That it is false is said as well, and comes before what a file says.
printf 'force = true\nasymmetric = true\n' >true.toml
ADAROUND_FORCE=0 expect_option '# force = false' force MODEL --config true.toml
ADAROUND_ASYMMETRIC=off expect_option '# asymmetric = false' asymmetric MODEL --config true.toml
for truth in 0 false No off; do ADAROUND_FORCE=$truth expect_option '# force = false' force MODEL; done
# A section comes before what stands above all sections, and before what that excludes.
printf 'bits = 5\nthreads = 1\nasymmetric = true\n[quantize]\nbits = 3\nsymmetric = true\n' >both.toml
expect_option 'bits = 3  # from both.toml: line 5' bits MODEL --config both.toml
expect_option 'threads = 1  # from both.toml: line 2' threads MODEL --config both.toml
expect_option 'symmetric = true  # from both.toml: line 6' symmetric MODEL --config both.toml
expect_option '# asymmetric = false' asymmetric MODEL --config both.toml
# What is told by its place has a name, too.
printf '[quantize]\nmodel = "%s"\n' "$MOBILENET" >model.toml
expect_option "model = \"$MOBILENET\"  # from model.toml: line 2" model --config model.toml
ADAROUND_MODEL=elsewhere expect_option 'model = "here"' model here

# What is printed is read again as it was.
expect_exit 0 "$PROGRAM" quantize "m \"x\" \\" --config ci.toml --lambda 0.02 --print-config
sed 's/  # from .*//' "$LAST_STDOUT" >first.toml
expect_exit 0 "$PROGRAM" quantize --config first.toml --print-config
sed 's/  # from .*//' "$LAST_STDOUT" >second.toml
expect_same first.toml second.toml

# --- they do what flags do

printf '[quantize]\nmodel = "%s"\ncalib = "%s"\npreset = "fast"\ncalib-samples = 32\nbits = 3\n' \
  "$MOBILENET" "$IMAGES" >run.toml
expect_exit 0 env ADAROUND_SEED=7 "$PROGRAM" quantize --config run.toml -o by_file
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --preset fast --calib-samples 32 \
  --bits 3 --seed 7 -o by_flags
for file in model.json weights.safetensors; do expect_same by_file/$file by_flags/$file; done
# Of a command that does not have the option nothing is asked.
expect_exit 0 env ADAROUND_BITS=3 "$PROGRAM" inspect "$MOBILENET" --config ci.toml

# --- refusals

# refused CODE PATTERN LINE...: a file with these lines.
refused() {
  local code=$1 pattern=$2
  shift 2
  printf '%s\n' "$@" >bad.toml
  expect_refused "$code" out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config bad.toml -o out
  expect_stderr_matches "$pattern"
}
refused 2 "bad.toml: line 2: 'bit' is no option of .quantize.; did you mean 'bits'" '[quantize]' 'bit = 4'
refused 2 "bad.toml: line 1: 'bit' is no option of any command" 'bit = 4'
refused 2 "line 2: 'labels' is no option of .inspect" '[inspect]' 'labels = "x"'
refused 2 "line 2: 'quantise' is no command; did you mean 'quantize'" '[quantise]' 'bits = 4'
refused 2 "line 2: 'quantise' is no command; did you mean 'quantize'" 'bits = 4' '[quantise]'
refused 2 "line 2: 'config' is no option" '[quantize]' 'config = "other.toml"'
refused 2 "line 2: 'print-config' is no option" '[quantize]' 'print-config = true'
refused 2 "line 1: 'force' is a flag: true or false, not 'maybe'" 'force = "maybe"'
refused 2 "line 1: 'bits' takes one value, not a list" 'bits = [3, 4]'
refused 2 "line 1: 'report' is empty" 'report = ""'
refused 2 "bits.*options were also taken from bad.toml: line 1" 'bits = "four"'
refused 3 "bad.toml: line 2: is no TOML" 'bits = 4' 'bits = 5'
refused 3 "bad.toml: line 1: is no TOML" 'bits 4'
refused 3 "bad.toml: line 1: is no TOML" $'report = "\xff"'
refused 3 "line 1: 'quantize' is a section within a section" '[quantize.quantize]' 'bits = 4'
refused 3 "line 1: 'quantize' is neither text" '[[quantize]]' 'bits = 4'
refused 3 "line 1: 'lambda' is neither text" 'lambda = inf'
refused 3 "line 1: 'seed' is neither text" 'seed = 1979-05-27'
refused 3 "line 1: 'format' is neither text" 'format = [["onnx"]]'
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config none.toml -o out
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config . -o out
: >empty.toml
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config empty.toml -o out
# Keys that nest without end.
"$PYTHON" -c "print('.'.join(['a'] * 40000) + ' = 1')" >deep.toml
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config deep.toml -o out
"$PYTHON" -c "print('.'.join(['a'] * 8000) + ' = 1')" >deep.toml
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config deep.toml -o out
refused 3 "line 1: 'report' holds a NUL character" 'report = "a\u0000b"'
head -c 2000000 /dev/zero | tr '\0' '#' >long.toml
expect_refused 3 out "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --config long.toml -o out
expect_refused 2 out env ADAROUND_BIT=3 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" -o out
expect_stderr_contains "ADAROUND_BIT is no option of any command; did you mean 'ADAROUND_BITS'"
expect_refused 2 out env ADAROUND_FORCE=2 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" -o out
expect_refused 2 out env ADAROUND_BITS=9 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" -o out
expect_stderr_contains "ADAROUND_BITS"
# Questions are answered whatever the environment says.
expect_exit 0 env ADAROUND_BITS=9 "$PROGRAM" quantize --help
expect_exit 0 env ADAROUND_BITS=9 "$PROGRAM" quantize --list-methods
[[ $(grep -c '^nearest ' "$LAST_STDOUT") == 1 ]] || fail "the list is printed more than once"
expect_exit 0 env ADAROUND_BITS=9 "$PROGRAM" --version
