# The comparison of methods: its tables and files, its refusals, and runs that were stopped.
source "$(dirname "$0")/lib.sh"
needs_numpy
export PYTHONDONTWRITEBYTECODE=1

# The paper's tables, as the program names them.
TABLES=$("$PROGRAM" compare model.json --calib calib --table none 2>&1 | grep -o '{[^}]*}' |
  tr -d '{}' | tr , ' ')

# Few samples and steps: what is compared here is not the methods' quality.
COMMON=(--calib "$IMAGES" --granularity tensor --preset fast --iterations 50)
compare() {
  "$PROGRAM" compare "$RESNET" "${COMMON[@]}" "$@"
}
nearest_only() {
  "$PROGRAM" compare "$RESNET" --calib "$IMAGES" "$@"
}

# Columns that differ between two equal comparisons are the last four: times and memory.
without_times() {
  "$PYTHON" -c '
import csv, sys
for line in csv.reader(open(sys.argv[1])): print(line[:-4])
' "$1"
}

# --- Methods, variants, repeats, measured with labels.
expect_exit 0 compare --methods nearest,adaround --calib-samples 24 --data "$TEST_IMAGES" \
  --labels "$TEST_LABELS" --variant "min|max, near=--method nearest --range-estimator 'min-max'" \
  --repeats 2 --scope first
OUT=fashion_resnet-compare
expect_files . "$OUT"
expect_files "$OUT" compare.json compare.csv summary.csv compare.md
expect_stdout_contains "first layer"
expect_stdout_contains "min|max, near: its grids are not those of nearest"
expect_stderr_matches '^\[1/6\] nearest, first layer, 24 samples of calib, seed 42: top-1 [0-9.]+ %, '
expect_stderr_matches '^\[6/6\] min\|max, near, .* seed 43: '
expect_no_escapes "$LAST_STDOUT" "$OUT/compare.md"
grep -qF 'min\|max, near' "$OUT/compare.md" || fail "the label's bar is not escaped"
expect_python '
import csv
report = json.load(open(sys.argv[1]))
assert report["format"] == "adaround-comparison" and report["headline"] == "top1"
assert report["num_evaluated"] == 2000 and report["evaluated_on"] == "test samples"
assert report["float_network"]["exact"] and report["float_network"]["top1"] > 80
rows = {row["label"]: row for row in report["rows"]}
assert list(rows) == ["nearest", "adaround", "min|max, near"], rows.keys()
for row in rows.values():
    assert row["scope"] == "first layer" and row["num_calib_samples"] == 24
    assert [run["seed"] for run in row["runs"]] == [42, 43]
    for run in row["runs"]:
        assert run["failure"] is None and run["num_layers"] == 1 and run["peak_bytes"] > 0
    values = [run["network"]["top1"] for run in row["runs"]]
    mean = sum(values) / 2
    summary = row["summary"]["top1"]
    assert abs(summary["mean"] - mean) < 1e-9
    assert abs(summary["std"] - (sum((v - mean) ** 2 for v in values)) ** 0.5) < 1e-9
    assert row["provenance"]["seed"] == "42" and len(row["provenance"]["model_sha256"]) == 64
# One grid for both methods, another for the variant.
grids = {label: row["runs"][0]["grids"] for label, row in rows.items()}
assert grids["nearest"] == grids["adaround"] != grids["min|max, near"], grids
assert rows["nearest"]["provenance"]["method"] == "nearest"
# What is shown is what was found, and the search beats nearest on its own layer.
assert rows["adaround"]["provenance"]["keep_nearest_rows"] == "false"
assert rows["adaround"]["runs"][0]["local_loss"] < rows["nearest"]["runs"][0]["local_loss"]
lines = list(csv.DictReader(open(sys.argv[2])))
assert len(lines) == 6 and {line["label"] for line in lines} == set(rows)
assert len(list(csv.DictReader(open(sys.argv[3])))) == 3
' "$OUT/compare.json" "$OUT/compare.csv" "$OUT/summary.csv"

# The row is what `quantize` makes of the same options.
expect_exit 0 "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --calib-samples 24 --method nearest \
  --data "$TEST_IMAGES" --labels "$TEST_LABELS" -o quantized
expect_exit 0 nearest_only --methods nearest --calib-samples 24 --data "$TEST_IMAGES" \
  --labels "$TEST_LABELS" -o all --json
expect_python '
report = json.load(open(sys.argv[1]))
quantized = json.load(open(sys.argv[2]))
assert report == json.load(open(sys.argv[3])), "stdout is not compare.json"
network = report["rows"][0]["runs"][0]["network"]
row = {row["name"]: row for row in quantized["networks"]}["nearest"]
for key in ("top1", "top5", "sqnr_db", "agreement"):
    assert network[key] == row[key], (key, network[key], row[key])
' "$LAST_STDOUT" quantized/report.json all/compare.json

# --- Another run does not replace it unasked; --force replaces results only.
expect_exit 2 nearest_only --methods nearest
expect_stderr_matches "already exists; give --force"
mkdir precious && echo data >precious/notes.txt
expect_exit 2 nearest_only --methods nearest -o precious --force
expect_files precious notes.txt
expect_exit 0 nearest_only --calib-samples 8 --methods nearest -o "$OUT" --force
expect_files "$OUT" compare.json compare.csv summary.csv compare.md

# --- A sweep of amounts, and samples of another domain. Without --data those of --calib measure.
mkdir noise
"$PYTHON" -c '
import numpy
noise = numpy.random.default_rng(1).integers(0, 256, [32, 1, 28, 28], dtype="uint8")
numpy.save("noise/input.npy", noise)
' || fail "no other samples"
expect_exit 0 nearest_only --methods nearest --calib-samples 8,16 --other-calib noise=noise -o sweep
expect_stdout_contains "measured on 16 calibration samples"
expect_python '
report = json.load(open(sys.argv[1]))
rows = [(row["calibration"], row["num_calib_samples"]) for row in report["rows"]]
assert rows == [("calib", 8), ("calib", 16), ("noise", 8), ("noise", 16)], rows
assert len({row["provenance"]["calibration_sha256"] for row in report["rows"]}) == 2
' sweep/compare.json
expect_refused 2 none nearest_only --methods nearest --other-calib noise=noise \
  --calib-samples 33 -o none
expect_stderr_contains "33 are wanted"

# --- A row that fails is shown, the others go on, and the exit code says so.  On a grid of powers of
# two the four weights of 0.82 become 0.875: on inputs of up to 1e38 their sum leaves float32.
PYTHONPATH=$SOURCE/tests/cli "$PYTHON" -c '
import numpy, os
from small_models import graph_input, node, write_model
write_model("huge", [graph_input("input", "N", 4)], ["output"],
            [node("gemm", "Gemm", ["input", "w"], ["output"], transB=1)],
            {"w": numpy.full([2, 4], 0.82, "float32")})
os.mkdir("huge_calib")
samples = numpy.random.default_rng(1).uniform(0.9, 1.0, [16, 4]) * 1e38
numpy.save("huge_calib/input.npy", samples.astype("float32"))
' || fail "no network that overflows"
expect_exit 1 "$PROGRAM" compare huge --calib huge_calib --methods nearest \
  --variant "powers=--method nearest --power-of-two-scales" -o overflow --range-estimator min-max
expect_stderr_matches "^warning: \[2/2\] powers, .*: failed: .*not finite"
expect_stderr_matches "^error: 1 of 2 runs failed"
expect_stdout_contains "powers failed: "
expect_python '
report = json.load(open(sys.argv[1]))
nearest, powers = report["rows"]
assert nearest["summary"]["num_failed"] == 0 and nearest["runs"][0]["network"]["agreement"] == 100
assert powers["summary"]["num_failed"] == 1 and "not finite" in powers["runs"][0]["failure"]
' overflow/compare.json

# --- Stopped runs: after kill -9 and --resume the figures are those of an undisturbed run.
ROWS=(--methods nearest,adaround --variant "ridge=--ridge 0" --repeats 4 --calib-samples 24)
LONG=("${ROWS[@]}" --data "$IMAGES")
expect_exit 0 compare "${LONG[@]}" -o whole
for moment in 1 4 7; do
  : >"$LAST_STDERR"
  "$PROGRAM" compare "$RESNET" "${COMMON[@]}" "${LONG[@]}" -o stopped >/dev/null 2>"$LAST_STDERR" &
  pid=$!
  await_lines "$moment" $pid
  kill -9 $pid 2>/dev/null
  expect_end '0|137' $pid
  [[ ! -e stopped ]] || fail "the run ended before it was stopped"
  [[ -s stopped.partial/journal ]] || fail "no journal is left"
  expect_exit 2 compare "${LONG[@]}" -o stopped
  expect_stderr_contains "--resume goes on"
  rm -rf kept_partial
  cp -r stopped.partial kept_partial
  # What was being written when the power failed.
  printf '0123456789abcdef {"run": "torn' >>stopped.partial/journal
  expect_exit 0 compare "${LONG[@]}" -o stopped --resume
  expect_stderr_matches "^[0-9]+ finished runs are in "
  expect_absent stopped.partial
  diff <(without_times whole/compare.csv) <(without_times stopped/compare.csv) ||
    fail "a resumed run differs"
  # And what is finished is left alone.
  before=$(digest_of stopped)
  mkdir stopped.partial
  expect_exit 0 compare "${LONG[@]}" -o stopped --resume
  expect_stderr_contains "stopped: is complete already"
  expect_absent stopped.partial
  # What another comparison of the same inputs had finished stays.
  cp -r kept_partial stopped.partial
  expect_exit 0 compare "${LONG[@]}" -o stopped --resume
  expect_same kept_partial/journal stopped.partial/journal
  rm -r stopped.partial
  expect_exit 0 compare "${LONG[@]}" -o stopped --resume --json
  expect_same stopped/compare.json "$LAST_STDOUT"
  expect_exit 2 compare "${LONG[@]}" -o stopped --resume --repeats 5
  expect_exit 2 compare "${LONG[@]}" -o stopped --resume --seed 7
  [[ $(digest_of stopped) == "$before" ]] || fail "a finished comparison was touched"
  rm -r stopped
done

# SIGINT ends it, keeps the journal and says how to go on.
: >"$LAST_STDERR"
"$PROGRAM" compare "$RESNET" "${COMMON[@]}" "${LONG[@]}" -o stopped >/dev/null 2>"$LAST_STDERR" &
pid=$!
await_lines 1 $pid
kill -INT $pid
expect_end 130 $pid
expect_stderr_contains "--resume"
expect_absent stopped

# Data that change during a run are not mixed in, and what was finished before them is kept.
cp -r "$IMAGES" changing && chmod -R u+w changing
moving=("$PROGRAM" compare "$RESNET" "${COMMON[@]}" "${ROWS[@]}" --data changing --other-calib "moving=changing" -o moving)
expect_change_refused 2 changing/input.npy "${moving[@]}"
expect_absent moving
expect_exit 2 "${moving[@]}" --resume
expect_stderr_contains "sha256"
invert changing/input.npy
expect_exit 0 "${moving[@]}" --resume
expect_stderr_matches "^[0-9]+ finished runs are in "
rm -r moving

# So are folders that others of these rows will be read from, where a file comes to them.
cp -r "$IMAGES" growing && chmod -R u+w growing
grow() { cp growing/input.npy growing/another.npy; }
moving=("$PROGRAM" compare "$RESNET" "${COMMON[@]}" "${ROWS[@]}" --data "$IMAGES" --other-calib "growing=growing" -o moving)
CHANGE=grow expect_change_refused 2 growing "${moving[@]}"
expect_absent moving
rm growing/another.npy
expect_exit 0 "${moving[@]}" --resume
expect_stderr_matches "^[0-9]+ finished runs are in "
rm -r moving

# What changed meanwhile is refused by name, and the journal stays.
before=$(digest_of stopped.partial)
expect_exit 2 compare "${LONG[@]}" -o stopped --resume --seed 7
expect_stderr_contains "seed was '42', is '7'"
expect_exit 2 compare "${LONG[@]}" -o stopped --resume --bits 3
expect_stderr_contains "option --bits was not given, is '3'"
# Lists are told apart however they are joined.
expect_exit 2 compare "${LONG[@]}" -o stopped --resume --exclude "linear|x y|stem"
expect_stderr_contains "option --exclude was not given, is '\"linear|x y|stem\"'"
expect_exit 2 compare "${LONG[@]}" -o stopped --resume --exclude "linear|x" --exclude "y|stem"
expect_stderr_contains "option --exclude was not given, is 'linear|x y|stem'"
expect_exit 2 compare "${ROWS[@]}" -o stopped --resume --data "$TEST_IMAGES"
expect_stderr_contains "data_sha256 was "
cp -r "$RESNET" changed && chmod -R u+w changed
sed -i 's/"opset"/ "opset"/' changed/model.json
expect_exit 2 "$PROGRAM" compare changed "${COMMON[@]}" "${LONG[@]}" -o stopped --resume
expect_stderr_contains "model_sha256 was "
[[ $(digest_of stopped.partial) == "$before" ]] || fail "a refusal changed the journal"
# So is another program, whatever its version.
cp "$PROGRAM" rebuilt && printf x >>rebuilt
expect_exit 2 ./rebuilt compare "$RESNET" "${COMMON[@]}" "${LONG[@]}" -o stopped --resume
expect_stderr_contains "program_sha256 was "
[[ $(digest_of stopped.partial) == "$before" ]] || fail "a refusal changed the journal"
# A journal that somebody changed is refused by file and line.
cp stopped.partial/journal journal.sound
sed -i '2s/local_loss/local_lost/' stopped.partial/journal
expect_exit 3 compare "${LONG[@]}" -o stopped --resume
expect_stderr_contains "journal: line 2 is damaged"
for record in '{"run": 3}' 'no JSON' '[]' '{"format": "other", "version": 1, "inputs": {}}'; do
  digest=$(printf '%s' "$record" | sha256sum | cut -c1-16)
  { cat journal.sound; printf '%s %s\n' "$digest" "$record"; } >stopped.partial/journal
  expect_exit 3 compare "${LONG[@]}" -o stopped --resume
  expect_stderr_matches "journal: line [0-9]+[:, ]"
  { printf '%s %s\n' "$digest" "$record"; cat journal.sound; } >stopped.partial/journal
  expect_exit 3 compare "${LONG[@]}" -o stopped --resume
  expect_stderr_matches "journal: line 1[:, ]"
done
# A count that wraps around.
record=$(sed -n 2p journal.sound | cut -d' ' -f2- |
  sed 's/"peak_bytes":[0-9]*/"peak_bytes":9223372036854775808/')
digest=$(printf '%s' "$record" | sha256sum | cut -c1-16)
{ sed -n 1p journal.sound; printf '%s %s\n' "$digest" "$record"; } >stopped.partial/journal
expect_exit 3 compare "${LONG[@]}" -o stopped --resume
expect_stderr_matches "journal: line 2, byte [0-9]+: the number 9223372036854775808"
{ cat journal.sound; sed -n 2p journal.sound; } >stopped.partial/journal
expect_exit 3 compare "${LONG[@]}" -o stopped --resume
expect_stderr_contains "repeats a run"
# --force drops it; further rows may join a resumed one.
cp journal.sound stopped.partial/journal
expect_exit 0 compare "${LONG[@]}" --variant "more=--method nearest --narrow-range" -o stopped --resume
expect_python '
report = json.load(open(sys.argv[1]))
assert report["num_resumed"] >= 1 and len(report["rows"]) == 4
' stopped/compare.json

# --- An SQNR of minus infinity is not "exact": outputs that are zero everywhere, but not once they
# are rounded down.
PYTHONPATH=$SOURCE/tests/cli "$PYTHON" -c '
import numpy, os
from small_models import graph_input, node, write_model
write_model("silent", [graph_input("input", "N", 2)], ["output"],
            [node("gemm", "Gemm", ["input", "w"], ["output"], transB=1)],
            {"w": numpy.array([[0.3, -0.3], [1.0, -1.0]], "float32")})
os.mkdir("silent_calib")
samples = numpy.repeat(numpy.arange(1, 17)[:, None], 2, 1)
numpy.save("silent_calib/input.npy", samples.astype("float32"))
' || fail "no silent network"
expect_exit 0 "$PROGRAM" compare silent --calib silent_calib --granularity tensor --bits 2 \
  --range-estimator min-max --methods nearest,floor -o silence
expect_stderr_matches 'nearest, .*: SQNR exact, '
expect_stderr_matches 'floor, .*: SQNR -inf, '
expect_python '
nearest, floor = [row["runs"][0]["network"] for row in json.load(open(sys.argv[1]))["rows"]]
assert nearest["exact"] and not floor["exact"] and floor["sqnr_db"] is None
' silence/compare.json

# --- A run that two tables ask for is made once: even its times are the same.
expect_exit 0 compare --methods nearest --table 6 --calib-samples 8 --scope first -o twice
expect_python '
rows = json.load(open(sys.argv[1]))["rows"]
same = [row for row in rows if row["method"] == "nearest" and
        row["provenance"]["range_estimator"] == "mse"]
assert [row["label"] for row in same] == ["nearest", "weight MSE, nearest"], same
assert same[0]["runs"] == same[1]["runs"]
' twice/compare.json

# --- Results do not depend on threads.
expect_exit 0 compare "${LONG[@]}" -o threads -j 1
diff <(without_times whole/compare.csv) <(without_times threads/compare.csv) ||
  fail "threads change the result"

# --- Wrong command lines: 2, before any work.
expect_refused 2 none nearest_only -o none
expect_stderr_contains "nothing to compare"
expect_refused 2 none nearest_only --methods nearest,nearest -o none
expect_stderr_contains "row 'nearest' is there twice"
expect_refused 2 none nearest_only --methods nearest --variant "nearest=--method adaround" -o none
expect_stderr_contains "there twice"
expect_refused 2 none nearest_only --methods adaruond -o none
expect_stderr_contains "did you mean 'adaround'?"
expect_refused 2 none nearest_only --variant "--method nearest" -o none
expect_stderr_contains "LABEL=OPTIONS"
expect_refused 2 none nearest_only --variant "=--method nearest" -o none
expect_stderr_contains "no label"
expect_refused 2 none nearest_only --variant "mine=--methud nearest" -o none
expect_stderr_contains "row 'mine': "
expect_stderr_contains "did you mean '--method'?"
expect_refused 2 none nearest_only --variant "mine=--method 'nearest" -o none
expect_stderr_contains "row 'mine': "
expect_refused 2 none nearest_only --variant "mine=--seed 3" -o none
expect_stderr_contains "row 'mine': --seed is the same for all rows"
expect_refused 2 none nearest_only --variant "mine=--memory-limit 3G" -o none
expect_stderr_contains "row 'mine': --memory-limit is the same for all rows"
expect_refused 2 none nearest_only --variant "mine=--bits 9" -o none
expect_stderr_contains "row 'mine': "
expect_refused 2 none nearest_only --variant "mine=--method nearest --lambda 1" -o none
expect_stderr_contains "row 'mine': --lambda has no effect with --method nearest"
expect_refused 2 none nearest_only --variant "mine=--include nowhere" -o none
expect_stderr_contains "row 'mine': "
expect_refused 2 none nearest_only --variant "mine=--include conv" --scope first -o none
expect_stderr_contains "beside --scope first"
expect_refused 2 none nearest_only --methods nearest --lambda 1 -o none
expect_stderr_contains "--lambda has no effect: no row's method reads it"
# What some rows read may be common to all, whether a method, a grid or activations ask for it.
common() {
  expect_exit 0 nearest_only --dry-run "$@"
}
common --methods qubo-cross-entropy --cem-budget 1e11
common --methods stochastic,gptq --gptq-damping 0.1
common --methods nearest,qubo-tabu --tabu-flips 3
common --methods descent --sweeps 3
common --methods sigmoid-annealing --temperature 10:0.1
common --methods ste --ste-reach 1
common --methods task-tabu --scope first --hessian-draws 4
common --methods nearest --percentile 99 --variant "p=--method nearest --range-estimator percentile"
common --methods nearest --group-size 16 --variant "g=--method nearest --granularity group"
common --methods nearest --act-percentile 99 \
  --variant "p=--method nearest --act-bits 8 --act-range-estimator percentile"
common --methods nearest --act-bits 8 --variant "a=--method nearest --act-range-estimator aciq"
expect_refused 2 none nearest_only --methods nearest --percentile 99 -o none
expect_stderr_contains "--percentile has no effect: no row has --range-estimator percentile"
expect_refused 2 none nearest_only --methods nearest --act-range-estimator aciq -o none
expect_stderr_contains "--act-range-estimator has no effect: no row has --act-bits"
expect_refused 2 none nearest_only --variant "a=--method nearest --act-range-estimator aciq" -o none
expect_stderr_contains "row 'a': --act-range-estimator needs --act-bits"
expect_refused 2 none nearest_only --methods gptq,nearest --cem-budget 1e11 -o none
expect_stderr_contains "--cem-budget has no effect: no row's method reads it"
expect_refused 2 none nearest_only --variant "a=--method task-tabu" -o none
expect_stderr_contains "nothing to compare: no row can run; row 'a': task-tabu rounds one layer"
expect_refused 2 none nearest_only --methods nearest --method adaround -o none
expect_stderr_contains "--methods takes a list"
expect_refused 2 none nearest_only --methods nearest --rounding-seed 3 -o none
expect_refused 2 none nearest_only --methods nearest --stochastic-samples 3 -o none
expect_stderr_contains "--stochastic-samples has no effect"
expect_refused 2 none nearest_only --methods nearest --calib-samples 8,8 -o none
expect_refused 2 none nearest_only --methods nearest --calib-samples 0,512 -o none
expect_stderr_contains "512 is an amount that is there already"
expect_refused 2 none nearest_only --methods nearest --labels "$TEST_LABELS" -o none
expect_stderr_contains "--labels needs --data"
expect_refused 2 none nearest_only --methods nearest --other-calib "calib=$IMAGES" -o none
expect_stderr_contains "is taken"
expect_refused 2 none nearest_only --methods nearest --other-calib "$IMAGES" -o none
expect_refused 2 none nearest_only --methods nearest --repeats 0 -o none
expect_refused 2 none nearest_only --table 11 -o none
for method in nearest floor ceil descent gptq; do
  expect_refused 2 none "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --method $method \
    --rounding-seed 3 -o none
  expect_stderr_contains "--rounding-seed needs a --method that draws random numbers"
done
for method in stochastic ste qubo-tabu-warm; do
  expect_exit 0 "$PROGRAM" quantize "$RESNET" --calib "$IMAGES" --method $method --rounding-seed 3 \
    --dry-run -o none
done

# --- Wrong files: 3.
echo '{' >broken.json
expect_refused 3 none "$PROGRAM" compare broken.json --calib "$IMAGES" --methods nearest -o none
expect_refused 3 none nearest_only --methods nearest --data "$TEST_IMAGES" --labels broken.json -o none
expect_refused "3|5" none "$PROGRAM" compare "$RESNET" --calib nowhere --methods nearest -o none
expect_refused 3 none nearest_only --methods nearest -o "$IMAGES"
expect_refused 3 none nearest_only --methods nearest -o none --log-file none/log

# --- The paper's tables: every row's options parse.
(($(wc -w <<<"$TABLES") >= 12)) || fail "--help names few tables: $TABLES"
for table in $TABLES; do
  expect_exit 0 nearest_only --table "$table" --dry-run -o none
  expect_stdout_contains "rows: "
  expect_absent none none.partial
done
expect_exit 0 compare --table 6 --dry-run --repeats 3
expect_stdout_contains "rows: 6, runs: 18"
expect_stdout_contains "Table 6: output MSE, adaround  (all layers, "
expect_exit 0 "$PROGRAM" compare "$RESNET" --calib "$IMAGES" --table fig4 --dry-run
expect_stdout_contains "64 samples of calib"

# --- Draws of stochastic rounding: the same ones again, and their picture.
DRAWS=(--table fig1 --calib-samples 24 --data "$IMAGES" --stochastic-samples 5)
expect_exit 0 compare "${DRAWS[@]}" -o draws
expect_files draws compare.json compare.csv summary.csv compare.md scatter.csv scatter.svg
expect_exit 0 compare "${DRAWS[@]}" -o again
expect_same draws/scatter.csv again/scatter.csv
expect_python '
import xml.etree.ElementTree
xml.etree.ElementTree.parse(sys.argv[2])
row = json.load(open(sys.argv[1]))["rows"][1]
assert row["label"] == "stochastic" and row["nearest_row"] == 0
assert [run["draw"] for run in row["runs"]] == [0, 1, 2, 3, 4]
assert len({run["local_loss"] for run in row["runs"]}) == 5, "draws are the same"
assert 0 <= row["summary"]["num_beating_nearest"] <= 5
' draws/compare.json draws/scatter.svg

# --- Methods by name.
expect_exit 0 "$PROGRAM" quantize --list-methods
cp "$LAST_STDOUT" methods
expect_stdout_contains "adaround"
expect_stderr_empty
expect_exit 0 "$PROGRAM" compare --list-methods
expect_same methods "$LAST_STDOUT"
