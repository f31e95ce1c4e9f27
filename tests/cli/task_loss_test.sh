# Methods that minimize the task loss: one layer, or a refusal before the work.
source "$(dirname "$0")/lib.sh"

task() {
  "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --calib-samples 24 --granularity tensor --bits 3 "$@"
}

for method in task-tabu task-cross-entropy; do
  expect_exit 0 task --method $method --include '^stem\.conv$' -o $method
  expect_stderr_matches '^\[1/1\] stem\.conv .* task loss \+[0-9.e-]+ -> \+[0-9.e-]+'
  expect_python '
report = json.load(open(sys.argv[1]))
layer, = report["layers"]
assert layer["nearest_task_loss"] > 0, layer
assert layer["fell_back"] == (layer["search_task_loss"] > layer["nearest_task_loss"]), layer
assert report["provenance"]["hessian_draws"] == "8", report["provenance"]
' $method/report.json
done

# All layers, or a layer of too many weights, with and without a dry run.
for more in "" --dry-run; do
  expect_exit 2 task --method task-tabu -o out $more
  expect_stderr_matches '^error: --method task-tabu rounds all weights of one layer together, and 32 layers .*--include'
  expect_absent out
  expect_absent out.partial
done
expect_exit 2 task --method task-tabu --include '^stem\.conv$' --symmetric-reconstruction -o out
expect_stderr_matches 'symmetric-reconstruction has no effect with --method task-tabu'

# --- By labels of the calibration samples.
labelled() {
  "$PROGRAM" quantize "$MOBILENET" --calib "$TEST_IMAGES" --calib-samples 24 --granularity tensor \
    --bits 3 --include '^stem\.conv$' --method task-tabu "$@"
}
expect_exit 0 labelled -o predictions
expect_exit 0 labelled --calib-labels "$TEST_LABELS" -o labels
"$PYTHON" -c '
import hashlib, json, sys
predictions, labels = (json.load(open(path))["provenance"] for path in sys.argv[1:3])
assert "calib_labels_sha256" not in predictions and predictions["hessian_draws"] == "8", predictions
digest = hashlib.sha256(open(sys.argv[3], "rb").read()).hexdigest()
assert labels["calib_labels_sha256"] == digest and "hessian_draws" not in labels, labels
' predictions/report.json labels/report.json "$TEST_LABELS" || fail "provenance"

# Labels that do not fit, with and without a dry run; methods that read none.
yes 3 | head -n 1999 >few.txt
(yes 3 | head -n 1999; echo 10) >outside.txt
for more in "" --dry-run; do
  expect_refused "3|5" out labelled --calib-labels few.txt -o out $more
  expect_stderr_matches '^error: --calib-labels: few\.txt: found 1999 labels for 2000 samples'
  expect_refused "3|5" out labelled --calib-labels outside.txt -o out $more
  expect_stderr_matches '^error: --calib-labels: label 10 of outside\.txt, sample 1999 is outside the 10'
done
expect_refused 2 out labelled --calib-labels "$TEST_LABELS" --hessian-draws 4 -o out
expect_stderr_matches 'hessian-draws has no effect with --method task-tabu and a label for each'
expect_refused 2 out task --calib-labels few.txt -o out
expect_stderr_matches 'calib-labels has no effect with --method adaround'

# A comparison has both side by side; changed labels make the runs anew.
compare() {
  "$PROGRAM" compare "$MOBILENET" --calib "$TEST_IMAGES" --calib-samples 24 --granularity tensor \
    --bits 3 --include '^stem\.conv$' "$@"
}
cp "$TEST_LABELS" own.npy
expect_exit 0 compare --methods nearest,task-tabu --variant "labels=--method task-tabu --calib-labels own.npy" \
  -o compared
"$PYTHON" -c '
import json, sys
report = json.load(open(sys.argv[1]))
rows = {row["label"]: row for row in report["rows"]}
assert "calib_labels_sha256" not in rows["task-tabu"]["provenance"]
assert len(rows["labels"]["provenance"]["calib_labels_sha256"]) == 64
assert all(row["runs"][0]["failure"] is None for row in rows.values())
networks = [rows[name]["runs"][0]["network"] for name in ("task-tabu", "labels")]
assert networks[0] != networks[1], networks
' compared/compare.json || fail "compared rows"
expect_exit 0 compare --methods nearest,task-tabu,task-cross-entropy --calib-labels own.npy -o all
"$PYTHON" -c '
import json, sys
report, other = (json.load(open(path)) for path in sys.argv[1:])
digest = report["inputs"]["calib_labels_sha256"]
for row in report["rows"]:
    has = row["provenance"].get("calib_labels_sha256")
    assert has == (None if row["method"] == "nearest" else digest), row
run, = (row["runs"][0] for row in report["rows"] if row["label"] == "task-tabu")
same, = (row["runs"][0] for row in other["rows"] if row["label"] == "labels")
assert run["network"] == same["network"]
' all/compare.json compared/compare.json || fail "labels for all rows"
# Options of the rows' methods, whatever the default method reads.
expect_exit 0 compare --methods nearest,task-tabu --tabu-flips 20 --hessian-draws 4 -o none --dry-run
expect_refused 2 out compare --methods nearest,adaround --calib-labels own.npy -o out
expect_stderr_matches 'calib-labels has no effect: no row'
expect_refused 2 out compare --methods task-tabu --calib-labels own.npy --other-calib "own=$IMAGES" -o out
expect_stderr_matches "row 'task-tabu': --calib-labels are of the samples of --calib"
expect_refused "3|5" out compare --methods task-tabu --calib-labels few.txt -o out

# Labels follow the samples that --calib-samples keeps.
needs_numpy
"$PYTHON" -c '
import numpy, os, sys
images, labels = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
kept = [i * len(images) // 24 for i in range(24)]
os.mkdir("kept")
numpy.save("kept/input.npy", images[kept])
numpy.save("kept.npy", labels[kept])
' "$TEST_IMAGES/input.npy" "$TEST_LABELS"
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib kept --granularity tensor --bits 3 \
  --include '^stem\.conv$' --method task-tabu --calib-labels kept.npy -o thin
expect_python '
def tensors(path):  # without the header, which holds the provenance
    data = open(path, "rb").read()
    return data[8 + int.from_bytes(data[:8], "little"):]
thin, labels, predictions = map(tensors, sys.argv[1:])
assert thin == labels and thin != predictions
' {thin,labels,predictions}/weights.safetensors
