# `analyze`: what it tells, refuses and writes; plans, saved, edited by hand and applied.
source "$(dirname "$0")/lib.sh"

analyze() {
  "$PROGRAM" analyze "$MOBILENET" --calib "$IMAGES" --calib-samples 32 --method nearest \
    --granularity tensor --bits 3 "$@"
}
quantize() {
  "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --calib-samples 32 --method nearest "$@"
}

# One run with everything that it can write.
expect_exit 0 analyze --data "$TEST_IMAGES" --labels "$TEST_LABELS" --eval-samples 100 \
  --save-plan plan.json -o sensitivity.json --csv layers.csv
expect_stdout_contains "only this layer quantized"
expect_stdout_contains "suggestion: more bits for"
expect_stdout_contains "float"
expect_stderr_matches '^\[ *2/66\] stem\.conv alone  SQNR .* top-1 .*left\)'
expect_files . plan.json sensitivity.json layers.csv
expect_no_escapes "$LAST_STDOUT" layers.csv
expect_python '
report = json.load(open(sys.argv[1]))
plan = json.load(open(sys.argv[2]))
assert report["format"] == "adaround-sensitivity" and report["num_evaluated"] == 100
layers = report["layers"]
assert len(layers) == 32
assert [layer["rank_by_noise"] for layer in layers] == list(range(1, 33))
sqnr = [layer["alone"]["sqnr_db"] for layer in layers]
assert sqnr == sorted(sqnr), sqnr
assert sorted(layer["rank_by_accuracy"] for layer in layers) == list(range(1, 33))
assert 3 < report["suggested_average_bits"] <= 3.5 and report["average_bits"] == 3
rows = {row["name"]: row for row in report["networks"]}
assert set(rows) == {"float", "all layers", "suggestion"}, rows
assert rows["suggestion"]["sqnr_db"] > rows["all layers"]["sqnr_db"], rows
suggested = {layer["name"] for layer in layers if layer["suggested_bits"] == 8}
assert len(suggested) == report["num_suggested"] > 0
assert plan["format"] == "adaround-plan" and plan["version"] == 1 and len(plan["layers"]) == 32
assert {layer["name"] for layer in plan["layers"] if layer["bits"] == 8} == suggested
lines = open(sys.argv[3]).read().splitlines()
assert len(lines) == 33 and lines[1].split(",")[2] == layers[0]["name"]
' sensitivity.json plan.json layers.csv

# The plan applied is the network that was measured.
expect_exit 0 quantize --plan plan.json -o planned --data "$TEST_IMAGES" --labels "$TEST_LABELS" \
  --save-plan again.json
expect_same plan.json again.json
expect_python '
plan = {layer["name"]: layer for layer in json.load(open(sys.argv[1]))["layers"]}
for layer in json.load(open(sys.argv[2]))["layers"]:
    assert layer["bit_width"] == plan[layer["name"]]["bits"], layer
' plan.json planned/report.json

# On calibration data alone, as JSON.
expect_exit 0 analyze --eval-samples 8 --json --include linear --budget-bits 8 --quiet
expect_stderr_empty
expect_python '
report = json.load(open(sys.argv[1]))
assert report["evaluated_on"] == "calibration samples" and report["num_evaluated"] == 8
assert len(report["layers"]) == 1 and report["layers"][0]["suggested_bits"] == 8
assert report["layers"][0]["rank_by_accuracy"] is None
' "$LAST_STDOUT"
expect_exit 0 analyze --eval-samples 8 --include 'blocks.0' --budget-bits 8 --target-sqnr 900
expect_stderr_contains "does not reach --target-sqnr"

# A saved plan gives the same bytes as the run that saved it, whatever led there.
expect_exit 0 quantize --bits 3 --layer-bits 'linear=8' --exclude 'stem' --asymmetric \
  --range-estimator percentile --percentile 99.51234567891 -o first --save-plan saved.json
expect_exit 0 quantize --plan saved.json -o second
expect_same first/model.json second/model.json
expect_same first/weights.safetensors second/weights.safetensors
expect_python '
provenance = json.load(open(sys.argv[1]))["provenance"]
plan = provenance["plan"]
assert "stem.conv: float" in plan and "linear: bits 8" in plan, plan
# All digits of a number: two that differ are never one in a provenance.
assert provenance["bits"] == "3" and provenance["percentile"] == "99.51234567891", provenance
' first/model.json

# Edited by hand: a name and what is to be different are enough.
edited() { printf '{"format": "adaround-plan", "version": 1, "layers": [%s]}' "$1" >edited.json; }
edited '{"name": "linear", "bits": 8}, {"name": "stem.conv", "keep_float": true}'
expect_exit 0 quantize --bits 4 --plan edited.json -o by-hand --report by-hand.json
expect_python '
report = json.load(open(sys.argv[1]))
bits = {layer["name"]: layer["bit_width"] for layer in report["layers"]}
assert bits.pop("linear") == 8 and set(bits.values()) == {4} and "stem.conv" not in bits, bits
assert [left["reason"] for left in report["left"]] == ["kept in float by the plan"]
' by-hand.json

# What a plan's layers read has an effect, though the default grid does not read it.
edited '{"name": "linear", "range_estimator": "output-mse"}'
expect_exit 0 quantize --plan edited.json --symmetric-reconstruction -o output-mse
expect_python '
provenance = json.load(open(sys.argv[1]))["provenance"]
assert provenance["asymmetric_reconstruction"] == "false" and "positions_per_draw" in provenance
' output-mse/model.json
edited '{"name": "linear", "range_estimator": "percentile"}'
expect_exit 0 quantize --plan edited.json --percentile 99.125 -o percentile --save-plan decided.json
grep -q '"percentile":99.125' decided.json || fail "--percentile does not reach the plan's layer"
edited '{"name": "linear", "range_estimator": "percentile", "percentile": 99}'
expect_refused 2 out quantize --plan edited.json --percentile 99.125 -o out
expect_stderr_contains "--percentile needs --range-estimator percentile"
expect_refused 2 out quantize --plan edited.json --symmetric-reconstruction -o out

# What a plan must not say.
edited '{"name": "linaer", "bits": 8}'
expect_refused 3 out quantize --plan edited.json -o out
expect_stderr_contains "edited.json: layers[0].name: the model has no layer 'linaer'; did you mean 'linear'?"
edited '{"name": "linear", "bit": 8}'
expect_refused 3 out quantize --plan edited.json -o out
expect_stderr_contains "edited.json: layers[0]: unknown key 'bit'; did you mean 'bits'?"
edited '{"name": "linear", "bits": 9}'
expect_refused 3 out quantize --plan edited.json -o out
expect_stderr_contains "layers[0].bits: is 9, must be from 2 to 8"
edited '{"name": "linear"}, {"name": "linear"}'
expect_refused 3 out quantize --plan edited.json -o out
expect_stderr_contains "has an entry already"
echo '{"format": "adaround-plan"' >edited.json
expect_refused 3 out quantize --plan edited.json -o out
expect_refused 3 out quantize --plan missing.json -o out
expect_refused 2 out quantize --plan plan.json --exclude stem -o out
expect_stderr_contains "edit the plan instead"
expect_refused 2 out quantize --plan plan.json --layer-bits linear=8 -o out

# Outputs over inputs, over each other, over what exists.
expect_exit 3 quantize --plan plan.json --save-plan plan.json -o out
expect_exit 2 quantize --save-plan saved.json -o out
expect_exit 2 analyze --report sensitivity.json
expect_stderr_contains "--report: sensitivity.json exists; --force replaces it"
expect_exit 3 analyze --report both.json --csv both.json
expect_stderr_contains "--csv both.json is the same file as both.json"
expect_exit 3 analyze --log-file both.txt --csv both.txt
expect_stderr_contains "--csv both.txt is the same file as both.txt"
expect_exit 3 analyze --log-file both.txt --report both.txt --force
for option in --save-plan --report; do
  expect_exit 3 quantize --log-file both.txt $option both.txt --force -o out
  expect_stderr_contains "$option both.txt is the same file as both.txt"
done
expect_exit 3 quantize --log-file out/log -o out
expect_absent out out.partial both.json both.txt
cp -r first kept
expect_exit 3 quantize --log-file kept/report.json -o kept --force
expect_same first/report.json kept/report.json
# Files beside a result that cannot be written leave the result.
expect_exit 5 quantize -o beside --report /dev/full --save-plan beside.json
expect_stderr_matches '^error: beside is complete, but not what was to lie beside it: /dev/full'
expect_files beside model.json weights.safetensors report.json plan.json
[[ -s beside.json ]] || fail "--save-plan was not written"
expect_refused 5 out env TMPDIR=nowhere "$PROGRAM" analyze "$MOBILENET" --calib "$IMAGES"
expect_stderr_contains "TMPDIR"

# Usage.
expect_exit 0 analyze --list-methods
expect_stdout_contains "gptq"
expect_refused 2 out analyze --act-bits 8
expect_stderr_contains "act-bits"
expect_refused 2 out analyze --keep-bits 9
expect_refused 2 out analyze --budget-bits 1
expect_refused 2 out analyze --labels "$TEST_LABELS"
expect_refused 2 out analyze --eval-samples 100000
expect_stderr_contains "--eval-samples asks for 100000 samples"
expect_refused 2 out analyze --exclude .
expect_refused 2 out quantize --percentile 99 -o out
expect_stderr_contains "--percentile needs --range-estimator percentile"
expect_refused 2 out quantize --range-estimator percentile --percentile 40 -o out
expect_refused 2 out quantize --split-outliers 1.5 -o out
expect_refused 3 out "$PROGRAM" analyze missing.onnx --calib "$IMAGES"

# Outliers split: the result runs, in both formats, and says what was done to it.
expect_exit 0 quantize --granularity tensor --split-outliers 0.05 --format onnx --verify 4 -o split \
  --range-estimator aciq
expect_python '
document = json.load(open(sys.argv[1]))
assert document["provenance"]["split_outliers"] == "0.05"
assert document["provenance"]["range_estimator"] == "aciq"
assert any(node["op"] == "Gather" for node in document["nodes"])
' split/model.json

# Data that change meanwhile are refused, and nothing is written.
cp -r "$IMAGES" changing && chmod -R u+w changing
expect_change_refused 2 changing/input.npy "$PROGRAM" analyze "$MOBILENET" --calib "$IMAGES" \
  --data changing --method nearest -o moving.json --save-plan moving_plan.json
expect_absent moving.json moving_plan.json

# What cannot be written costs nothing else.
expect_exit 5 analyze -o /dev/full --csv rows.csv --save-plan rows.json --html /dev/full
expect_stdout_contains "only this layer quantized"
[[ -s rows.csv && -s rows.json ]] || fail "a report that fails takes the others along"
