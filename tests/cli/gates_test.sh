# Quality gates: exit 4 where one is missed, with the result in place; 2 where it has no number.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

DATA=(--data "$TEST_IMAGES" --labels "$TEST_LABELS")

# gate_of NAME FIELD: of out/report.json.
gate_of() {
  "$PYTHON" -c '
import json, sys
gates = {gate["name"]: gate for gate in json.load(open("out/report.json"))["gates"]}
print(gates[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}

expect_exit 0 quantize_fast -o out "${DATA[@]}" --max-drop 20 --min-sqnr 3 \
  --fail-if-worse-than-baseline
for gate in --max-drop --min-sqnr --fail-if-worse-than-baseline; do
  [[ $(gate_of $gate passed) == True ]] || fail "$gate is not passed"
done
# Each number is that of the networks' table.
expect_python '
report = json.load(open("out/report.json"))
rows = {row["name"]: row for row in report["networks"]}
gates = {gate["name"]: gate for gate in report["gates"]}
drop = rows["float"]["top1"] - rows["adaround"]["top1"]
assert abs(gates["--max-drop"]["value"] - drop) < 1e-9 and gates["--max-drop"]["limit"] == 20
assert gates["--min-sqnr"]["value"] == rows["adaround"]["sqnr_db"]
assert gates["--fail-if-worse-than-baseline"]["limit"] == rows["nearest"]["top1"]
assert gates["--fail-if-worse-than-baseline"]["value"] == rows["adaround"]["top1"]
'
drop=$(gate_of --max-drop value)
sqnr=$(gate_of --min-sqnr value)

# At the number itself it is passed, beyond it missed; the result is in place either way.
expect_exit 0 quantize_fast -o out --force "${DATA[@]}" --max-drop "$drop" --min-sqnr "$sqnr"
# Whatever its digits are in binary.
expect_exit 0 quantize_fast -o out --force "${DATA[@]}" --max-drop "$("$PYTHON" -c "print(round($drop, 2))")"
expect_exit 4 quantize_fast -o out --force "${DATA[@]}" \
  --max-drop "$("$PYTHON" -c "print($drop - 0.01)")"
expect_stderr_matches '^error: quality gate missed: --max-drop: .* points below, .* are allowed; the result is in out$'
[[ $(gate_of --max-drop passed) == False ]] || fail "a gate that is missed counts as passed"
expect_exit 0 "$PROGRAM" inspect out
expect_exit 4 quantize_fast -o out --force --min-sqnr "$("$PYTHON" -c "print($sqnr + 50)")" -q
expect_stderr_contains "--min-sqnr"
# Nearest is not better than itself, and a row of its own is not needed for that.
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --method nearest -o out --force \
  --fail-if-worse-than-baseline
# Stochastic rounding is.
expect_exit 4 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --method stochastic --bits 8 -o out \
  --force --fail-if-worse-than-baseline
expect_stderr_matches 'missed: --fail-if-worse-than-baseline: .* dB, rounding to nearest has'
rm -r out

# --- what cannot be computed is no pass

# A shard measures nothing, but is the same command as the merge, hours before it.
for more in "" --dry-run "--shard 1/2"; do
  read -ra flags <<<"$more"
  expect_refused 2 out quantize_fast -o out --max-drop 1 "${flags[@]}"
  expect_stderr_contains "--max-drop cannot be computed: it needs --data with --labels"
  expect_refused 2 out quantize_fast -o out --expect-float 70 --data "$TEST_IMAGES" "${flags[@]}"
  expect_stderr_contains "--expect-float needs labels"
  expect_absent out.shard-1-of-2 out.shard-1-of-2.partial
done
expect_exit 0 quantize_fast -o out "${DATA[@]}" --max-drop 20 --shard 1/1
expect_exit 0 quantize_fast -o out "${DATA[@]}" --max-drop 20 --merge-shards 1
[[ $(gate_of --max-drop passed) == True ]] || fail "the merge's gate is not passed"
rm -r out out.shard-1-of-1
expect_refused 2 out quantize_fast -o out --max-drop 1 --data "$TEST_IMAGES"
expect_refused 2 out quantize_fast -o out --max-drop nan "${DATA[@]}"
expect_refused 2 out quantize_fast -o out --min-sqnr lots
expect_refused 2 out quantize_fast -o out --expect-float nan "${DATA[@]}"
# What the float network had to reach is part of what was asked for.
expect_exit 0 quantize_fast -o out "${DATA[@]}" --expect-float 85
expect_exit 0 quantize_fast -o out "${DATA[@]}" --expect-float 85 --resume
expect_stderr_contains "is complete already"
expect_exit 2 quantize_fast -o out "${DATA[@]}" --expect-float 99 --resume
expect_stderr_contains "is not what this command makes: expect_float was '85', is '99'"
rm -r out
# Samples of one layer do not reach the output that would be measured.
needs_numpy
make_models <<'END'
import os
import numpy as np
from small_models import graph_input, node, write_model

rng = np.random.default_rng(5)
write_model("layers", [graph_input("a", "N", 8), graph_input("b", "N", 8)], ["c", "d"],
            [node("first", "Gemm", ["a", "v"], ["c"], transB=1),
             node("second", "Gemm", ["b", "w"], ["d"], transB=1)],
            {name: rng.standard_normal((4, 8)).astype(np.float32) for name in ("v", "w")})
os.makedirs("calib")
np.save("calib/b.npy", rng.standard_normal((32, 8)).astype(np.float32))
END
for gate in "--min-sqnr 1" --fail-if-worse-than-baseline; do
  read -ra flags <<<"$gate"
  expect_refused 2 out "$PROGRAM" quantize layers --calib calib --exclude first -o out "${flags[@]}"
  expect_stderr_matches "$gate|${flags[0]} cannot be computed: it needs samples that reach"
done
