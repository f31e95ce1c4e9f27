# A model given as separate layers: one graph, each layer with its own input, calibrated by arrays
# captured elsewhere.
source "$(dirname "$0")/lib.sh"
needs_numpy

make_models <<'END'
import os
import numpy as np
from small_models import graph_input, node, write_model

rng = np.random.default_rng(5)
def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)

write_model("layers",
            [graph_input("conv_in", "N", 6, 8, 8), graph_input("/fc/input", "N", 24)],
            ["conv_out", "fc_out"],
            [node("conv", "Conv", ["conv_in", "conv.weight", "conv.bias"], ["conv_out"],
                  kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
             node("fc", "Gemm", ["/fc/input", "fc.weight", "fc.bias"], ["fc_out"], transB=1)],
            {"conv.weight": normal(8, 6, 3, 3), "conv.bias": normal(8),
             "fc.weight": normal(10, 24), "fc.bias": normal(10)})

# Correlated inputs, as in networks: what independent ones leave to gain is little.
conv_in = np.repeat(np.repeat(normal(32, 6, 4, 4), 2, axis=2), 2, axis=3)
fc_in = np.maximum(normal(32, 6) @ normal(6, 24), 0)
os.makedirs("calib")
np.save("calib/conv_in.npy", conv_in)
# A slash in a tensor's name is %2F in its file's.
np.save("calib/%2Ffc%2Finput.npy", fc_in)
# The same layer as the quantized network reaches it.
noisy = fc_in + 0.05 * normal(32, 24)
np.save("calib/%2Ffc%2Finput.quantized.npy", noisy.astype(np.float32))
os.makedirs("same_streams")
np.save("same_streams/conv_in.npy", conv_in)
np.save("same_streams/%2Ffc%2Finput.npy", fc_in)
END

expect_exit 0 "$PROGRAM" quantize layers --calib calib --bits 3 -o out --baseline nearest
expect_files out model.json weights.safetensors report.json
expect_stdout_contains "conv"
expect_stdout_contains "fc"
expect_python '
layers = {layer["name"]: layer for layer in json.load(open(sys.argv[1]))["layers"]}
assert sorted(layers) == ["conv", "fc"], sorted(layers)
assert (layers["conv"]["num_rows"], layers["conv"]["row_length"]) == (8, 54), layers["conv"]
assert (layers["fc"]["num_rows"], layers["fc"]["row_length"]) == (10, 24), layers["fc"]
for layer in layers.values():
    assert layer["bit_width"] == 3, layer
    # With correlated inputs the search must find something better than nearest.
    assert 0 < layer["error"] < layer["nearest_error"], layer
' out/report.json

# The other stream of one layer changes that layer alone.
expect_exit 0 "$PROGRAM" quantize layers --calib same_streams --bits 3 -o same
expect_python '
first, second = ({layer["name"]: layer for layer in json.load(open(path))["layers"]}
                 for path in sys.argv[1:])
assert first["conv"]["error"] == second["conv"]["error"], (first["conv"], second["conv"])
assert first["fc"]["nearest_error"] > second["fc"]["nearest_error"], (first["fc"], second["fc"])
' out/report.json same/report.json

# A layer whose input is not given cannot be computed.
rm "calib/%2Ffc%2Finput.npy"
expect_refused 3 other "$PROGRAM" quantize layers --calib calib -o other
rm "calib/%2Ffc%2Finput.quantized.npy"
expect_refused 3 other "$PROGRAM" quantize layers --calib calib -o other
expect_stderr_matches "/fc/input"
# Unless it is left out.
expect_exit 0 "$PROGRAM" quantize layers --calib calib --include conv -o only_conv
expect_python '
report = json.load(open(sys.argv[1]))
assert [layer["name"] for layer in report["layers"]] == ["conv"], report["layers"]
assert [layer["name"] for layer in report["left"]] == ["fc"], report["left"]
' only_conv/report.json
