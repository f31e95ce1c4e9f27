# The same input, options and seed give the same bytes, however many threads work and wherever the
# activations are kept.
source "$(dirname "$0")/lib.sh"

# All 512 samples, so that some activations do not fit the small memory limit below.
quantize() {
  local out=$1
  shift
  expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --granularity tensor \
    --preset fast -o "$out" "$@"
}

expect_same_result() {
  expect_same "$1/model.json" "$2/model.json"
  expect_same "$1/weights.safetensors" "$2/weights.safetensors"
}

quantize one_thread -j 1
quantize two_threads -j 2
quantize five_threads -j 5
quantize little_memory -j 2 --memory-limit 48M
quantize again -j 1 --log-file again.log --progress never -q

expect_python '
report = json.load(open(sys.argv[1]))
assert report["spilled_bytes"] > 0, report["spilled_bytes"]
' little_memory/report.json
expect_same_result one_thread two_threads
expect_same_result one_thread five_threads
expect_same_result one_thread little_memory
expect_same_result one_thread again

quantize seed_43 --seed 43
expect_different one_thread/weights.safetensors seed_43/weights.safetensors
quantize seed_42 --seed 42  # the default
expect_same_result one_thread seed_42
