# What is done before and after rounding: the float network stays, the report says what was done.
source "$(dirname "$0")/lib.sh"

quantize() {
  "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --calib-samples 64 --granularity tensor \
    --bits 4 --method nearest --data "$TEST_IMAGES" --labels "$TEST_LABELS" "$@"
}

expect_exit 0 quantize -o plain
expect_exit 0 quantize --equalize --absorb-bias --bias-correction empirical --baseline nearest \
  --format onnx --verify 2 -o all
expect_stderr_matches '^equalize: 22 pairs of layers, [0-9]+ sweeps, .*; float network: top-1 9[01]\.'
expect_stderr_matches '^absorb-bias: [0-9]+ channels? of [0-9]+ layers?'
expect_stderr_matches 'onnx'
expect_stdout_contains "biases: 32 corrected, 0 not"
expect_python '
report = json.load(open(sys.argv[1]))
plain = json.load(open(sys.argv[2]))
top1 = {row["name"]: row["top1"] for row in report["networks"]}
steps = report["transforms"]
assert [step["name"] for step in steps] == ["equalize", "absorb-bias"], steps
for step in steps:
    network = step["network"]
    # Rounding alone: no answer of 2,000 but a tie may change.
    assert abs(network["top1"] - top1["float"]) <= 0.05, (network, top1)
    assert network["agreement"] >= 99.9 and network["sqnr_db"] > 60, network
assert all(layer["bias_correction"] == "empirical" for layer in report["layers"])
before = {row["name"]: row for row in plain["networks"]}["nearest"]
both = [row for row in report["networks"] if row["name"] == "nearest"]
# The baseline is transformed and corrected like the result: the method is nearest itself.
assert len(both) == 2 and both[0]["sqnr_db"] == both[1]["sqnr_db"], both
assert both[0]["sqnr_db"] > before["sqnr_db"], (both, before)
assert report["provenance"]["equalize"] == "true"
assert report["provenance"]["absorb_bias"] == "true"
assert report["provenance"]["bias_correction"] == "empirical"
assert "equalize" not in plain["provenance"] and plain["transforms"] == []
' all/report.json plain/report.json

# Which layers the analytic correction leaves, and why, is said.
expect_exit 0 quantize --bias-correction analytic -o analytic
expect_stdout_contains "not corrected: stem.conv: its input is not the activated output of one layer"
expect_python '
report = json.load(open(sys.argv[1]))
layers = {layer["name"]: layer for layer in report["layers"]}
assert layers["blocks.0.depthwise.conv"]["bias_correction"] == "analytic"
assert layers["blocks.3.expand.conv"]["bias_uncorrected_because"] != ""
for layer in layers.values():
    assert (layer["bias_correction"] == "") != (layer["bias_uncorrected_because"] == ""), layer
' analytic/report.json

# Activations on grids: Relu and Min stay with their convolution.
expect_exit 0 quantize --equalize --act-bits 8 --format onnx --verify 2 -o act
expect_python '
report = json.load(open(sys.argv[1]))
plain = json.load(open(sys.argv[2]))
row = {row["name"]: row for row in report["networks"]}["nearest"]
before = {row["name"]: row for row in plain["networks"]}["nearest"]
assert row["sqnr_db"] > before["sqnr_db"], (row, before)
' act/report.json plain/report.json

expect_exit 2 quantize --bias-correction other -o refused
expect_exit 0 "$PROGRAM" quantize "$MOBILENET" --calib "$IMAGES" --equalize --absorb-bias --dry-run
