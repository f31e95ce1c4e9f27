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
