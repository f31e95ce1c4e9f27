# Activations on grids from the command line: every width, what is written, what is refused.
source "$(dirname "$0")/lib.sh"

quantize() {
  local out=$1
  shift
  expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --preset fast \
    --calib-samples 24 --iterations 20 -q -o "$out" "$@"
}

# check MODEL BITS CODE: CODE sees `model`, `activations` and `biases` of MODEL/model.json.
check() {
  expect_python '
model = json.load(open(sys.argv[1] + "/model.json"))
bits = int(sys.argv[2])
activations, biases = model["activations"], model["biases"]
made = {output for node in model["nodes"] for output in node["outputs"]}
known = made | {graph_input["name"] for graph_input in model["inputs"]}
assert activations and set(activations) <= known
for name, grid in activations.items():
    assert set(grid) == {"bit_width", "scale", "zero_point"}, grid
    assert grid["bit_width"] == bits and grid["scale"] > 0, (name, grid)
    assert 0 <= grid["zero_point"] < 2 ** bits, (name, grid)
'"$3" "$1" "$2"
}

# Every width.
previous=""
for bits in 2 3 4 5 6 7 8; do
  quantize "a$bits" --act-bits "$bits"
  expect_files "a$bits" model.json weights.safetensors report.json
  check "a$bits" "$bits" '
assert model["provenance"]["act_bits"] == str(bits)
layers = [node for node in model["nodes"] if node["op"] in ("Conv", "Gemm")]
assert len(biases) == len(layers) == 32, (len(biases), len(layers))
# What feeds a layer is on a grid, and no layer whose only reader is its activation.
readers = {}
for node in model["nodes"]:
    for tensor in node["inputs"]:
        readers.setdefault(tensor, []).append(node["op"])
for layer in layers:
    if readers.get(layer["outputs"][0]) in (["Relu"], ["Clip"]):
        assert layer["outputs"][0] not in activations, layer["outputs"][0]
'
  expect_exit 0 "$PROGRAM" evaluate "a$bits" --data "$TEST_IMAGES" --labels "$TEST_LABELS" \
    --reference "$MOBILENET" --json -q
  cp "$LAST_STDOUT" "measured$bits.json"
  if [[ -n $previous ]]; then
    expect_different "a$previous/model.json" "a$bits/model.json"
  fi
  previous=$bits
done
expect_python '
sqnr = [json.load(open(path))["sqnr_db"] for path in sys.argv[1:]]
# Weights have 4 bits throughout: finer activations help until those dominate.
assert sqnr[0] < sqnr[2] < sqnr[4], sqnr
assert sqnr[6] > sqnr[2], sqnr
' measured2.json measured3.json measured4.json measured5.json measured6.json measured7.json \
  measured8.json

# Without the flag nothing of it is written.
quantize float
expect_python '
model = json.load(open(sys.argv[1]))
assert "activations" not in model and "biases" not in model
assert not any(key.startswith("act_") for key in model["provenance"]), model["provenance"]
' float/model.json

# The estimators differ; scales for shifts are powers of two.
for estimator in min-max percentile mse; do
  quantize "$estimator" --act-bits 4 --act-range-estimator "$estimator"
  check "$estimator" 4 '
assert model["provenance"]["act_range_estimator"] in sys.argv[1]
'
done
expect_same min-max/weights.safetensors a4/weights.safetensors
expect_different min-max/model.json mse/model.json
expect_different min-max/model.json percentile/model.json
quantize percentile_90 --act-bits 4 --act-range-estimator percentile --act-percentile 90
expect_different percentile/model.json percentile_90/model.json
quantize shifts --act-bits 4 --power-of-two-scales --narrow-range
check shifts 4 '
import math
for name, grid in activations.items():
    assert math.frexp(grid["scale"])[0] == 0.5, (name, grid)
for name, tensor in model["quantization"].items():
    assert (tensor["q_min"], tensor["q_max"]) == (-7, 7), (name, tensor)
'

# The same bytes wherever the work is done.
quantize threads -j 2 --act-bits 4
quantize memory -j 2 --act-bits 4 --memory-limit 1M
for other in threads memory; do
  expect_same "$other/model.json" a4/model.json
  expect_same "$other/weights.safetensors" a4/weights.safetensors
done

# Refusals, before any work.
refused() {
  expect_refused 2 refused "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" -o refused "$@"
}
refused --act-range-estimator mse
expect_stderr_matches 'act-bits'
refused --act-percentile 99
expect_stderr_matches 'act-bits'
for bits in 0 1 9 -4 4.5 four ""; do
  refused --act-bits "$bits"
done
refused --act-bits 8 --act-range-estimator max
refused --act-bits 8 --act-range-estimator percentile --act-percentile 49
refused --act-bits 8 --act-range-estimator percentile --act-percentile 101
refused --act-bits 8 --act-range-estimator percentile --act-percentile nan
refused --asymmetric --narrow-range

# A grid for a tensor that the network does not have.
sed 's/"activations": {/"activations": {"nowhere": {"bit_width": 8, "scale": 1, "zero_point": 0},/' \
  a8/model.json >model.json
cp model.json a8/model.json
expect_exit 3 "$PROGRAM" evaluate a8 --data "$TEST_IMAGES"
expect_stdout_empty
expect_stderr_matches "no tensor 'nowhere'"
