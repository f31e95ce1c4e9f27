#!/usr/bin/python3
"""Keeps what a version of the program writes, so that later ones are tested on reading it.

    scripts/make_written_files.py ADAROUND

writes tests/data/written_by_VERSION: a small network in every format that the program reads back,
and expected.json: what the tensors and the network's outputs are, as computed here, from the
formats' descriptions and with numpy alone. Run once per version that writes something new; folders
of earlier versions stay as they are, for ever.
"""
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "cli"))
from small_models import graph_input, node, write_model  # noqa: E402

RNG = np.random.default_rng(7)

# Options of `quantize`, by the folder that they make.
RUNS = {
    "w4": ["--bits", "4"],
    "w3_groups": ["--bits", "3", "--granularity", "group", "--group-size", "4", "--asymmetric"],
    "w2_to_6": ["--bits", "5", "--layer-bits", "conv=2", "--layer-bits", "depthwise=6",
                "--granularity", "tensor", "--asymmetric"],
    "w8a8": ["--bits", "8", "--act-bits", "8"],
    "w4a4": ["--bits", "4", "--act-bits", "4", "--exclude", "depthwise"],
}


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def float_model(folder):
    weights = {"conv.w": values(4, 2, 3, 3), "conv.b": values(4), "depthwise.w": values(4, 1, 2, 2),
               "fc.w": values(3, 4), "fc.b": values(3)}
    write_model(folder, [graph_input("x", "N", 2, 6, 6)], ["y"], [
        node("conv", "Conv", ["x", "conv.w", "conv.b"], ["conv.y"], kernel_shape=[3, 3]),
        node("relu", "Relu", ["conv.y"], ["relu.y"]),
        node("depthwise", "Conv", ["relu.y", "depthwise.w"], ["depthwise.y"], group=4,
             kernel_shape=[2, 2]),
        node("pool", "GlobalAveragePool", ["depthwise.y"], ["pool.y"]),
        node("flatten", "Flatten", ["pool.y"], ["flat"], axis=1),
        node("fc", "Gemm", ["flat", "fc.w", "fc.b"], ["y"], transB=1),
    ], weights)
    return weights


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack_from("<Q", data)[0]
    dtypes = {"F32": "<f4", "I32": "<i4", "U8": "u1", "I8": "i1"}
    arrays = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], dtypes[entry["dtype"]])
        arrays[name] = array.reshape(entry["shape"])
    return arrays


def unpack(packed, bits, count, is_signed):
    stream = np.unpackbits(packed, bitorder="little")[:count * bits].reshape(count, bits)
    integers = stream.astype(np.int64) @ (1 << np.arange(bits))
    return integers - ((integers >> (bits - 1)) << bits if is_signed else 0)


def dequantized(description, arrays):
    """As src/README.md and quantized_model_io.h have it; output channels are axis 0 here."""
    shape = description["shape"]
    assert description["axis"] == 0 and description["groups"] == 1
    integers = unpack(arrays[description["integers"]], description["bit_width"],
                      int(np.prod(shape)), description["q_min"] < 0).reshape(shape[0], -1)
    scale = arrays[description["scale"]].astype(np.float64)
    zero_point = (np.zeros(scale.shape) if description["zero_point"] is None
                  else arrays[description["zero_point"]].astype(np.float64))
    size = {"per_tensor": integers.size, "per_channel": integers.shape[1],
            "per_group": description["group_size"]}[description["granularity"]]
    if description["granularity"] == "per_tensor":
        index = np.zeros(integers.shape, int)
    else:
        # Groups lie within a row; the last one may be shorter.
        per_row = -(-integers.shape[1] // size)
        index = (np.arange(integers.shape[0])[:, None] * per_row
                 + np.arange(integers.shape[1])[None, :] // size)
    real = scale[index] * (integers - zero_point[index])
    return real.astype(np.float32).reshape(shape)


def read_quantized(folder):
    document = json.loads((folder / "model.json").read_text())
    arrays = read_safetensors(folder / "weights.safetensors")
    weights = {name: dequantized(description, arrays)
               for name, description in document["quantization"].items()}
    for name, bias in document.get("biases", {}).items():
        weights[name] = (arrays[bias["integers"]] * arrays[bias["scale"]].astype(np.float64)
                         ).astype(np.float32)
    for name, array in arrays.items():
        if name in ("conv.b", "fc.b", "depthwise.w"):
            weights.setdefault(name, array)
    return weights, document.get("activations", {})


def convolve(x, weight, groups):
    """Without padding, one pixel a step."""
    count, _, height, width = weight.shape
    rows, columns = x.shape[1] - height + 1, x.shape[2] - width + 1
    y = np.zeros((count, rows, columns))
    inputs = x.shape[0] // groups
    for m in range(count):
        first = m // (count // groups) * inputs
        for i in range(rows):
            for j in range(columns):
                patch = x[first:first + inputs, i:i + height, j:j + width]
                y[m, i, j] = np.sum(patch * weight[m])
    return y


def run_network(weights, activations, x):
    def seen(name, value):
        if name not in activations:
            return value
        grid = activations[name]
        # Unsigned integers; exact halves go to the even one.
        q = np.clip(np.rint(value / grid["scale"]) + grid["zero_point"], 0,
                    2 ** grid["bit_width"] - 1)
        return grid["scale"] * (q - grid["zero_point"])

    h = seen("x", x.astype(np.float64))
    h = seen("conv.y", convolve(h, weights["conv.w"], 1) + weights["conv.b"][:, None, None])
    h = seen("relu.y", np.maximum(h, 0))
    h = seen("depthwise.y", convolve(h, weights["depthwise.w"], 4))
    h = seen("flat", seen("pool.y", h.mean(axis=(1, 2))))
    return seen("y", weights["fc.w"].astype(np.float64) @ h + weights["fc.b"])


def listed(array):
    """With the fewest digits that bring the same float32 back."""
    return [float(str(np.float32(value))) for value in np.asarray(array).flatten()]


def keep_result(run, out, samples, scratch):
    """A whole result with its report, and the checkpoint of a shard that comes to the same."""
    options = ["quantize", out / "float", "--calib", samples, "--bits", "4", "--data", samples,
               "--format", "onnx", "-o", scratch / "result"]
    run(*options)
    report_file = scratch / "result" / "report.json"
    report = json.loads(report_file.read_text())
    report["model"], report["output"] = "float", "result"  # not where they were made
    report_file.write_text(json.dumps(report) + "\n")
    shutil.copytree(scratch / "result", out / "result")
    run(*options, "--shard", "1/1")
    shutil.copytree(scratch / "result.shard-1-of-1" / "checkpoint", out / "checkpoint")


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())

    def run(*arguments):
        subprocess.run([program, *map(str, arguments), "-q"], check=True,
                       stdout=subprocess.DEVNULL)

    version = subprocess.run([program, "--version"], check=True, capture_output=True,
                             text=True).stdout.split()[1]
    out = ROOT / "tests" / "data" / ("written_by_" + ".".join(version.split(".")[:2]))
    out.mkdir()
    x = values(2, 6, 6)
    expected = {"x": listed(x), "models": {}}

    def expect(name, weights, activations):
        expected["models"][name] = {
            "tensors": {key: listed(value) for key, value in sorted(weights.items())},
            "y": listed(run_network(weights, activations, x))}

    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        weights = float_model(scratch / "model")
        np.save(scratch / "x.npy", RNG.normal(size=(40, 2, 6, 6)).astype(np.float32))
        # From ONNX, so that the program has written the one as well as the other.
        run("convert", scratch / "model", "--to", "onnx", "-o", out / "float.onnx")
        run("convert", out / "float.onnx", "--to", "json", "-o", out / "float")
        expect("float", weights, {})
        for name, options in RUNS.items():
            run("quantize", out / "float", "--calib", scratch / "x.npy", *options, "-o",
                scratch / name, "--format", "onnx", "--save-plan", out / f"{name}.plan.json")
            (out / name).mkdir()
            for file in ("model.json", "weights.safetensors", "model.onnx"):
                (scratch / name / file).rename(out / name / file)
            expect(name, *read_quantized(out / name))

        keep_result(run, out, scratch / "x.npy", scratch)

        # A comparison that is stopped in its last, long run.
        compare = subprocess.Popen(
            [program, "compare", out / "float", "--calib", scratch / "x.npy", "--methods",
             "nearest,adaround", "--variant", "long=--method sigmoid --iterations 10000000",
             "--repeats", "2", "-o", scratch / "compare", "-q"])
        journal = scratch / "compare.partial" / "journal"
        num_lines = 1 + 2 * 2
        while not journal.exists() or journal.read_bytes().count(b"\n") < num_lines:
            assert compare.poll() is None, "the comparison ended"
            time.sleep(0.01)
        compare.kill()
        compare.wait()
        lines = journal.read_bytes().splitlines(keepends=True)
        (out / "comparison.journal").write_bytes(b"".join(lines[:num_lines]))
    text = json.dumps(expected).replace('"models"', '\n"models"').replace('"y"', '\n"y"')
    (out / "expected.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
