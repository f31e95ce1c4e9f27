# Where output goes: data on stdout, messages on stderr, and nothing from a file reaches a terminal
# as a control sequence.
source "$(dirname "$0")/lib.sh"
needs_numpy

# --- two streams

expect_exit 0 quantize_fast -o out --baseline nearest
expect_stdout_contains "layers: 32 quantized"
expect_stdout_lacks "[32/32]"
expect_stdout_lacks "wrote out"
expect_stderr_matches '^wrote out$'
expect_no_escapes "$LAST_STDOUT" "$LAST_STDERR"  # neither is a terminal

expect_exit 0 quantize_fast -o out_json --json --report report.json
expect_python '
assert json.load(open(sys.argv[1])) == json.load(open(sys.argv[2]))
' "$LAST_STDOUT" report.json
expect_no_escapes "$LAST_STDERR"

expect_exit 0 quantize_fast -o out_quiet -q
expect_stderr_empty
expect_stdout_contains "layers: 32 quantized"

expect_exit 0 quantize_fast -o out_always --progress never -v --no-color --log-file run.log
expect_no_escapes "$LAST_STDERR" run.log
grep -qE '^[0-9-]+ [0-9:.]+ .*32/32.* linear' run.log || fail "run.log lacks the last layer"
grep -q 'wrote out_always' run.log || fail "run.log lacks the end"

expect_exit 0 "$PROGRAM" evaluate out --data "$TEST_IMAGES" --json
expect_stderr_empty
expect_python '
result = json.load(open(sys.argv[1]))
assert result["num_samples"] == 2000 and 0 < result["agreement"] <= 100, result
assert "top1" not in result, result
' "$LAST_STDOUT"
expect_exit 0 "$PROGRAM" evaluate "$MOBILENET" --data "$TEST_IMAGES" --labels "$TEST_LABELS"
expect_stdout_contains "91.05"  # models/README.md

# The float model is the one that was quantized, or accuracy alone is shown.
cp -r "$MOBILENET" model
expect_exit 0 "$PROGRAM" quantize model --calib "$IMAGES" --calib-samples 16 --method nearest -o moved
mv model elsewhere
expect_exit 0 "$PROGRAM" evaluate moved --data "$TEST_IMAGES" --labels "$TEST_LABELS" --json
expect_stderr_matches '^warning: .*model.*--reference'
expect_python '
result = json.load(open(sys.argv[1]))
assert "top1" in result and "agreement" not in result, result
' "$LAST_STDOUT"
expect_exit 2 "$PROGRAM" evaluate moved --data "$TEST_IMAGES"
cp -r "$RESNET" model  # another one in its place
expect_exit 0 "$PROGRAM" evaluate moved --data "$TEST_IMAGES" --labels "$TEST_LABELS"
expect_stderr_matches '^warning: .*changed.*--reference'
expect_exit 0 "$PROGRAM" evaluate moved --data "$TEST_IMAGES" --reference elsewhere --json
expect_stderr_empty
expect_python 'assert "agreement" in json.load(open(sys.argv[1]))' "$LAST_STDOUT"

# --- nothing is written

before=$(ls)
expect_exit 0 quantize_fast -o out_dry --dry-run
[[ $(ls) == "$before" ]] || fail "--dry-run wrote: $(ls)"
expect_stdout_contains "blocks.0.depthwise.conv"
for words in "time" "memory" "KiB"; do expect_stdout_contains "$words"; done

# --- inspect

expect_exit 0 "$PROGRAM" inspect "$MOBILENET"
expect_stderr_empty
expect_no_escapes "$LAST_STDOUT"
expect_stdout_contains "blocks.0.depthwise.conv"
expect_stdout_contains "32 layers would be quantized"
expect_exit 0 "$PROGRAM" inspect "$MOBILENET/model.json" --json
expect_python '
result = json.load(open(sys.argv[1]))
assert len(result["layers"]) == 32 and result["num_folded_batch_norms"] == 31, result
# models/README.md: 1.39 M MACs.
assert abs(result["macs"] / 1.39e6 - 1) < 0.01, result["macs"]
first = result["layers"][0]
assert first["weight_shape"] == [16, 1, 3, 3] and first["output_shape"][1:] == [16, 14, 14], first
' "$LAST_STDOUT"
expect_exit 0 "$PROGRAM" inspect out
expect_stdout_contains "4 bits"
expect_stdout_contains "model_sha256"
expect_exit 0 "$PROGRAM" inspect out --json
expect_python 'assert len(json.load(open(sys.argv[1]))["layers"]) == 32' "$LAST_STDOUT"

# --- hostile names

make_models <<'END'
import os
import numpy as np
from small_models import graph_input, node, write_model
rng = np.random.default_rng(1)
def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)
hostile = "\x1b[31mred\x1b]0;title\x07\r\n\x7f\u0085\u009b2J<script>"
os.makedirs("calib")
np.save("calib/x.npy", normal(8, 6))
write_model("hostile", [graph_input("x", "N", 6)], ["y", "z"],
            [node(hostile, "Gemm", ["x", "w"], ["y"], transB=1),
             node(hostile + "2", "MatMul", ["x", "x" + hostile], ["z"])],
            {"w": normal(4, 6), "x" + hostile: normal(6, 5)})
write_model("hostile_op", [graph_input("x", "N", 6)], ["y"],
            [node("n", "Gemm" + hostile, ["x", "w"], ["y"])], {"w": normal(4, 6)})
write_model("hostile_input", [graph_input("x" + hostile, "N", 6)], ["y"],
            [node("fc", "Gemm", ["x" + hostile, "w"], ["y"], transB=1)], {"w": normal(4, 6)})
END
# no_raw_names CMD...: whether it is accepted or refused, the names do not come through.
no_raw_names() {
  expect_exit "0|2|3|5" "$@"
  expect_no_escapes "$LAST_STDOUT" "$LAST_STDERR"
  if LC_ALL=C grep -qP '\xc2[\x80-\x9f]' "$LAST_STDOUT" "$LAST_STDERR"; then
    fail "C1 control characters"
  fi
}
# accepted CMD...
accepted() {
  no_raw_names "$@"
  [[ $LAST_EXIT -eq 0 ]] || fail "exit code $LAST_EXIT, expected 0"
}
for model in hostile hostile_op hostile_input; do
  no_raw_names "$PROGRAM" inspect $model
  no_raw_names "$PROGRAM" quantize $model --calib calib -o ${model}_dry --dry-run
  no_raw_names "$PROGRAM" quantize $model --calib calib -o ${model}_out --baseline nearest
  no_raw_names "$PROGRAM" quantize $model --calib calib -o ${model}_json --json
done
no_raw_names "$PROGRAM" quantize hostile --calib calib --exclude red --layer-bits $'x\e[31m=4' -o excluded
no_raw_names "$PROGRAM" quantize hostile --calib calib --include MatMul -o included
no_raw_names "$PROGRAM" quantize hostile --calib calib --granularity $'\e[31m' -o bad
no_raw_names "$PROGRAM" $'\e[31m'
no_raw_names "$PROGRAM" quantize $'no\e[31mmodel' --calib calib -o bad
accepted "$PROGRAM" inspect hostile
accepted "$PROGRAM" quantize hostile --calib calib -o accepted
accepted "$PROGRAM" inspect accepted
accepted "$PROGRAM" inspect accepted --json

# --- a terminal

# on_terminal COMMAND: what a terminal receives on stderr, in $LAST_STDERR.
on_terminal() {
  LAST_COMMAND=$1
  rm -f typescript
  TERM=${TERM-} script -qec "$1" typescript >/dev/null 2>&1 </dev/null
  LAST_EXIT=$?
  : >"$LAST_STDOUT"
  tr -d '\r' <typescript | sed '1d;$d' >"$LAST_STDERR"
}
if command -v script >/dev/null; then
  COMMAND="'$PROGRAM' quantize '$MOBILENET' --calib '$IMAGES' --preset fast --calib-samples 64 --force -o tty"
  has_escapes() { LC_ALL=C grep -q $'\x1b' "$LAST_STDERR"; }
  on_terminal "$COMMAND"
  [[ $LAST_EXIT -eq 0 ]] || fail "exit code $LAST_EXIT on a terminal"
  has_escapes || fail "no live line on a terminal"
  TERM=dumb on_terminal "$COMMAND"
  ! has_escapes || fail "escape sequences where TERM=dumb"
  on_terminal "$COMMAND --progress never --no-color"
  ! has_escapes || fail "escape sequences with --progress never --no-color"
  # NO_COLOR takes the colours, not the live line.
  NO_COLOR=1 on_terminal "$COMMAND --bits 9"
  ! has_escapes || fail "a coloured error with NO_COLOR"
fi
