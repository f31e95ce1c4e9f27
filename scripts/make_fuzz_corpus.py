#!/usr/bin/python3
"""Writes the seeds of the fuzz targets: small sound files of every kind that a reader takes.

    scripts/make_fuzz_corpus.py [FOLDER]      default: tests/fuzz/corpus

FOLDER/FORMAT gets files named seed_*; what else lies there (mended findings) stays. Wants Debian's
python3-numpy, python3-onnx and python3-pil.
"""
import io
import json
import pathlib
import struct
import sys
import zipfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

RNG = None  # one per format

SAFETENSORS_DTYPES = {
    "bool": "BOOL", "uint8": "U8", "int8": "I8", "uint16": "U16", "int16": "I16", "float16": "F16",
    "uint32": "U32", "int32": "I32", "float32": "F32", "uint64": "U64", "int64": "I64",
    "float64": "F64",
}


def safetensors(arrays, metadata=None):
    header = {"__metadata__": metadata} if metadata else {}
    data = b""
    for name, array in arrays.items():
        end = len(data) + array.nbytes
        header[name] = {"dtype": SAFETENSORS_DTYPES[array.dtype.name], "shape": list(array.shape),
                        "data_offsets": [len(data), end]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    return struct.pack("<Q", len(text)) + text + data


def values(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def safetensors_seeds():
    yield "empty", safetensors({})
    for dtype in SAFETENSORS_DTYPES:
        yield dtype, safetensors({"t": np.ones((2, 3), dtype)})
    yield "several", safetensors({"a": values(2, 2), "b/c": np.arange(3), "é": np.int8([1])},
                                 {"format": "pt", "n": "1"})
    yield "scalar", safetensors({"s": np.array(1.5, np.float32)})
    yield "no_elements", safetensors({"e": values(0, 4), "f": values(1)})
    halves = b'{"h":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    yield "bfloat16", struct.pack("<Q", len(halves)) + halves + b"\x80\x3f\x00\x40"
    newer = b'{"h":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}}'
    yield "newer_type", struct.pack("<Q", len(newer)) + newer + b"\0\0\0\0"


def npy(array, version=(1, 0)):
    out = io.BytesIO()
    np.lib.format.write_array(out, array, version)
    return out.getvalue()


def npy_seeds():
    for dtype in "f4 f8 f2 b1 u1 i1 i2 u2 i4 u4 i8 u8".split():
        yield dtype, npy(np.ones((2, 2), dtype))
    yield "big_endian", npy(np.arange(4, dtype=">i4"))
    yield "fortran", npy(np.asfortranarray(values(2, 3)))
    yield "fortran_three", npy(np.asfortranarray(values(2, 3, 2)))
    yield "scalar", npy(np.float32(3))
    yield "no_elements", npy(values(0, 3))
    yield "eight_axes", npy(values(1, 1, 2, 1, 1, 1, 1, 1))
    yield "version_2", npy(values(2), (2, 0))
    yield "version_3", npy(values(2), (3, 0))
    yield "structured", npy(np.zeros(1, [("a", "<f4")]))
    yield "text", npy(np.array(["ab"]))


def zip_archive(entries, method=zipfile.ZIP_STORED, force_zip64=False, comment=b""):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.comment = comment
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)  # of 1980, so that the same seeds come out
            info.compress_type = method
            with archive.open(info, "w", force_zip64=force_zip64) as entry:
                entry.write(content)
    return out.getvalue()


def npz_seeds():
    arrays = {"input.npy": npy(values(2, 3)), "labels.npy": npy(np.arange(2))}
    yield "stored", zip_archive(arrays)
    yield "deflated", zip_archive(arrays, zipfile.ZIP_DEFLATED)
    yield "zeros", zip_archive({"a/b.npy": npy(np.zeros((64, 64), np.uint8)), "readme": b"text"},
                               zipfile.ZIP_DEFLATED, comment=b"comment")
    yield "zip64", zip_archive({"x.npy": npy(values(2))}, force_zip64=True)
    yield "empty", zip_archive({})
    yield "bzip2", zip_archive({"x.npy": npy(values(1))}, zipfile.ZIP_BZIP2)


def node(name, op, inputs, outputs, **attributes):
    result = {"name": name, "op": op, "inputs": inputs, "outputs": outputs}
    if attributes:
        result["attributes"] = attributes
    return result


def document(nodes, inputs, outputs, **more):
    return {"format": "adaround-model", "version": 1, "opset": 13, "inputs": inputs,
            "outputs": outputs, "nodes": nodes, "weights": "weights.safetensors", **more}


def two_files(json_document, arrays):
    text = json.dumps(json_document, separators=(",", ":"))
    return text.encode() + b"\0" + safetensors(arrays)


IMAGE_INPUT = {"name": "x", "shape": ["N", 3, 8, 8], "dtype": "float32",
               "preprocess": {"scale": 0.01, "mean": [0.1, 0.2, 0.3], "std": [1.0], "resize": 9,
                              "crop": 8, "interpolation": "bicubic", "channel_order": "BGR"}}
ROW_INPUT = {"name": "x", "shape": ["N", 4], "dtype": "float32"}


def model_json_seeds():
    yield "gemm", two_files(
        document([node("fc", "Gemm", ["x", "w", "b"], ["y"], transB=1, alpha=1.5)], [ROW_INPUT],
                 ["y"]), {"w": values(2, 4), "b": values(2)})
    yield "conv", two_files(
        document([node("c", "Conv", ["x", "w"], ["h"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                  node("n", "BatchNormalization", ["h", "s", "b", "m", "v"], ["i"], epsilon=1e-5),
                  node("r", "Relu", ["i"], ["y"])], [IMAGE_INPUT], ["y"]),
        {"w": values(2, 3, 1, 1), "s": values(2), "b": values(2), "m": values(2), "v": values(2)})
    yield "attributes", two_files(
        document([node("a", "Any", ["x", ""], ["y", ""], i=1, f=0.5, s="text", ints=[1, 2],
                       floats=[1.5, 2], strings=["a", "b"], none=[], t={"tensor": "k"}),
                  node("b", "Any", ["y"], ["z"], t={"tensor": "k"})], [ROW_INPUT], ["z", "y"]),
        {"k": values(2), "unused": np.arange(2)})
    yield "unsorted", two_files(
        document([node("second", "Relu", ["h"], ["y"]), node("first", "Relu", ["x"], ["h"])],
                 [ROW_INPUT], ["y"]), {})
    yield "half", two_files(
        document([node("m", "Mul", ["x", "w"], ["y"])],
                 [{"name": "x", "shape": [], "dtype": "float16"}], ["y"]),
        {"w": np.array(2, np.float16)})


def pack(integers, bits):
    """The low `bits` bits of each integer, one after the other from the least significant bit."""
    total = 0
    for i, integer in enumerate(integers):
        total |= (int(integer) & (2 ** bits - 1)) << (i * bits)
    return np.frombuffer(total.to_bytes((len(integers) * bits + 7) // 8, "little"), np.uint8)


def quantized(shape, bits, symmetric, scales, granularity, group_size=0, axis=0, groups=1):
    count = int(np.prod(shape))
    q_min, q_max = (-2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2 ** bits - 1)
    arrays = {"w.integers": pack(RNG.integers(q_min, q_max + 1, count), bits),
              "w.scale": RNG.uniform(0.1, 1, scales).astype(np.float32)}
    if not symmetric:
        arrays["w.zero_point"] = RNG.integers(q_min, q_max + 1, scales).astype(np.uint8)
    description = {"bit_width": bits, "q_min": q_min, "q_max": q_max, "granularity": granularity,
                   "group_size": group_size, "shape": list(shape), "axis": axis, "groups": groups,
                   "packing": "lsb_first", "integers": "w.integers", "scale": "w.scale",
                   "zero_point": None if symmetric else "w.zero_point"}
    return description, arrays


def quantized_seeds():
    gemm = [node("fc", "Gemm", ["x", "w"], ["y"], transB=1)]
    for name, arguments in {
            "tensor": ((2, 4), 4, True, 1, "per_tensor"),
            "channel": ((2, 4), 3, False, 2, "per_channel"),
            "group": ((2, 4), 2, True, 4, "per_group", 2),
            "eight": ((2, 4), 8, False, 1, "per_tensor"),
            "columns": ((4, 2), 5, True, 2, "per_channel", 0, 1)}.items():
        description, arrays = quantized(*arguments)
        yield name, two_files(
            document(gemm, [ROW_INPUT], ["y"], quantization={"w": description},
                     provenance={"version": "0.1.0", "bits": "4"}), arrays)
    description, arrays = quantized((2, 4), 8, True, 1, "per_tensor")
    arrays["b.integers"] = np.array([1000, -7], np.int32)
    arrays["b.scale"] = np.array([0.01], np.float32)
    yield "activations", two_files(
        document([node("fc", "Gemm", ["x", "w", "b"], ["y"], transB=1)], [ROW_INPUT], ["y"],
                 quantization={"w": description}, provenance={},
                 activations={"x": {"bit_width": 8, "scale": 0.02, "zero_point": 128}},
                 biases={"b": {"integers": "b.integers", "scale": "b.scale"}}), arrays)


def text_seeds(texts):
    for name, text in texts.items():
        yield name, text.encode() if isinstance(text, str) else text


def layer_plan_seeds():
    def plan(*layers):
        return json.dumps({"format": "adaround-plan", "version": 1, "layers": list(layers)})

    return text_seeds({
        "empty": plan(),
        "one": plan({"name": "conv1", "bits": 8, "symmetric": True, "granularity": "channel",
                     "range_estimator": "mse"}),
        "several": plan({"name": "a", "granularity": "group", "group_size": 32, "bits": 3},
                        {"name": "b: c, \"d\"", "range_estimator": "percentile",
                         "percentile": 99.9, "symmetric": False},
                        {"name": "fc", "keep_float": True}),
    })


def labels_seeds():
    return text_seeds({
        "lines": "3\n1\n255\n",
        "header": "name,class\na.png,1\na.png.jpg,2\nb 1.jpeg,3\n7,4\n",
        "blanks": "a.png 1\r\n\"a.png.jpg\" 2\r\n\r\nb\t3\n",
        "positions": "0,5\n1,6\n2,7\n3,8",
        "classes": npy(np.arange(4)),
        "bytes": npy(np.uint8([1, 2])),
        "maps": npy(np.ones((2, 3, 3), np.uint8)),
        "maps_of_channel": npy(np.asfortranarray(np.ones((2, 1, 3, 3), np.int64))),
        "floats": npy(values(3)),
    })


def journal_seeds():
    first = {"format": "adaround-comparison-journal", "version": 1, "inputs": {"seed": "42"}}
    measures = {"top1": 50.5, "top5": 90.0, "sqnr_db": "infinite", "kl_divergence": "nan"}
    run = {"run": "key", "failure": "", "network": {}, "transformed": [], "local_loss": 0.5,
           "num_layers": 2, "num_above_nearest": 0, "num_rows_above_nearest": 0,
           "num_held_out_samples": 3, "grids": "", "solve_seconds": 0.25, "forward_seconds": 1,
           "peak_bytes": 1000, "peak_is_own": True}
    step = {"step": "equalize", "detail": "1 pair", "network": {"sqnr_db": "-infinite"}}
    lines = [first, run, {**run, "run": "two", "network": measures, "transformed": [step]}]
    text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines) + "\n"
    return text_seeds({
        # Digests as sha256sum prints them, cut to 16.
        "raw": "2cf24dba5fb0a30e hello\n486ea46224d1bb4f world\n",
        "raw_torn": "2cf24dba5fb0a30e hello\n486ea46224d1",
        "comparison": text,
        "other_inputs": text.replace("42", "43"),
        "text": "some\n\nlines",
    })


def config_seeds():
    return text_seeds({
        "empty": "# nothing\n",
        "flat": "bits = 4\nforce = true\nlambda = 0.01\nbeta = \"20:2\"\n",
        "sections": "threads = 2\n[quantize]\ncalib = 'a # b'\nformat = [\"onnx\", \"aimet\"]\n"
                    "[evaluate]\nlabels = \"x\\u0041\\n\"\n",
        "empty_sections": "threads = 1\n[quantize]\n[\"nothing in it\"]\n[evaluate]\n"
                          "labels = \"l.npy\"\n",
        "dotted": "quantize.bits = 3\n\"quantize\".\"a b\" = -1.5e3\n",
        "numbers": "a = 0x1F\nb = 1_000\nc = +0.0\nd = [1, 2.5,\n 'x']\n",
        "long_text": "a = \"\"\"\nx\ny\\\n  z\"\"\"\nb = '''c'''\n",
        "refused": "a = 1979-05-27T07:32:00Z\nb = inf\nc = {d = 1}\n[[e]]\nf = 1\n",
    })


def result_report_seeds():
    def report(**more):
        network = {"name": "float", "top1": 90.5, "miou": None, "agreement": None,
                   "sqnr_db": None, "exact": False}
        return json.dumps({
            "fingerprint": "f", "result_sha256": "r", "model": "net", "inputs": {"seed": "42"},
            "networks": [network, {**network, "name": "adaround", "sqnr_db": 20.5, "exact": True}],
            "layers": [{"fell_back": True}], "num_failed": 1,
            "gates": [{"name": "--min-sqnr", "text": "low", "passed": False}],
            "file_bytes": {"model.onnx": 3}, "file_sha256": {"model.onnx": "00"},
            "float_bytes": 800, "quantized_bytes": 100, **more}, separators=(",", ":"))

    return text_seeds({
        "whole": report(), "empty": report(networks=[], layers=[], gates=[]),
        "segmentation": report(networks=[{"name": "x", "top1": None, "miou": 1e300,
                                          "agreement": 3, "sqnr_db": 1, "exact": False}]),
        "names": report(file_bytes={"../x": 1, "..": 2, "a/b": 3}, model="../\u001b[31m"),
    })


def batch_manifest_seeds():
    def manifest(models, **more):
        return json.dumps({"format": "adaround-batch", "version": 1, "models": models, **more})

    return text_seeds({
        "one": manifest([{"model": "a.onnx"}]),
        "several": manifest([{"glob": "zoo/*"},
                             {"model": "a/model.json", "name": "b", "options": {"bits": 3}}],
                            output="out", options={"calib": "c", "lambda": 0.01, "force": True,
                                                   "exclude": ["x", 1]}),
    })


def checkpoint_seeds():
    first = {"format": "adaround-checkpoint", "version": 1, "inputs": {"seed": "42"}}
    report = {"name": "fc", "op": "Gemm", "weight": "w", "activation": "identity", "num_rows": 2,
              "row_length": 2, "num_groups": 1, "bits": 4, "num_search_columns": 8,
              "num_held_out_columns": 2, "nearest_error": 0.5, "error": 0.25, "search_error": 0.25,
              "nearest_task_loss": None, "search_task_loss": None, "above_nearest": False,
              "fell_back": False, "shares_weight": False, "strategy": "gram", "iterations": 10,
              "num_undecided": 0, "ridge": 0.1, "num_descent_flips": 1, "num_nearest_rows": 0,
              "num_rows_above_nearest": 0, "num_changed": 1, "short_last_group": False,
              "bias_correction": "", "bias_uncorrected_because": "", "quantized_bytes": 10,
              "trace": [], "seconds": 0.5}
    point = {"stage": "relaxation", "iteration": 5, "loss": "infinite",
             "soft_roundings": list(range(20)), "num_undecided": 3}
    weights = safetensors({"nearest.scale": values(2) ** 2 + 1, "weight.scale": values(2) ** 2 + 1,
                           "nearest.integers": np.uint8([1, 0x8f]),
                           "weight.integers": np.uint8([0x21, 0x7f])})
    traced = {**report, "trace": [{**point, "soft_roundings": []}, point]}
    rows = {"layer": "fc", "first_row": 384, "num_rows": 2, "strategy": "gptq", "iterations": 0,
            "num_undecided": 0, "num_descent_flips": 7, "ridge": None,
            "block_traces": [traced["trace"], []]}
    for name, records in {
            "none": [],
            "one": [{"layer": report}],
            "traced": [{"layer": traced}],
            "again": [{"layer": report}, {"layer": report}],
            "two": [{"layer": report}, {"layer": {**report, "name": "other"}}],
            "rows": [{"rows": rows}],
            "rows_again": [{"rows": rows}, {"rows": rows}],
            "more_rows": [{"rows": rows}, {"rows": {**rows, "first_row": 0}}]}.items():
        lines = [first] + [{**record, "digest": "MODEL"} for record in records]
        text = "\n".join(json.dumps(line, separators=(",", ":")) for line in lines) + "\n"
        yield name, text.encode() + b"\0" + weights


def tensor(name, array, raw=False, data_type=None):
    message = numpy_helper.from_array(array, name)
    if not raw:
        message = helper.make_tensor(name, message.data_type, array.shape,
                                     array.flatten().tolist())
    if data_type:
        message.data_type = data_type
    return message


def value_info(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape) or None)


def onnx_model(nodes, initializers, inputs=None, opset=13, ir_version=8, metadata=None,
               functions=()):
    graph = helper.make_graph(nodes, "g", inputs or [value_info("x", "N", 4)],
                              [value_info("y", "N", 2)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              functions=list(functions))
    model.ir_version = ir_version
    helper.set_model_props(model, metadata or {})
    return model.SerializeToString()


def onnx_seeds():
    gemm = helper.make_node("Gemm", ["x", "w", "b"], ["y"], "fc", transB=1, alpha=1.5)
    weights = [tensor("w", values(2, 4), raw=True), tensor("b", values(2))]
    yield "gemm", onnx_model([gemm], weights)
    yield "metadata", onnx_model([gemm], weights, [value_info("x", "N", 3, 8, 8)], metadata={
        "adaround.preprocess": json.dumps({"x": {"scale": 0.1, "mean": [1, 2, 3], "std": [1]}}),
        "adaround.export": "qdq", "adaround.provenance": json.dumps({"bits": "4"}), "a": "b"})
    yield "conv", onnx_model(
        [helper.make_node("Conv", ["x", "w"], ["h"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
         helper.make_node("BatchNormalization", ["h", "s", "s", "s", "s"], ["i"], epsilon=1e-3),
         helper.make_node("Relu", ["i"], ["y"])],
        [tensor("w", values(2, 3, 3, 3), raw=True), tensor("s", values(2))],
        [value_info("x", 1, 3, 8, 8)], opset=17)
    yield "old", onnx_model(
        [helper.make_node("Conv", ["x", "w"], ["y"])], [tensor("w", values(2, 3, 1, 1))],
        [value_info("x", 1, 3, 8, 8), value_info("w", 2, 3, 1, 1)], opset=6, ir_version=3)
    yield "no_shape", onnx_model([gemm], weights, [value_info("x")])
    yield "constants", onnx_model(
        [helper.make_node("Constant", [], ["c"], value=tensor("", np.array([1, 2]))),
         helper.make_node("Constant", [], ["f"], value_floats=[1.0, 2.0]),
         helper.make_node("Constant", [], ["i"], value_int=3),
         helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
         helper.make_node("Reshape", ["h", "c"], ["y"])], [])
    yield "types", onnx_model(
        [helper.make_node("Any", ["x"] + list("abcdefgh"), ["y"], domain="com.example",
                          ints=[1, -1], strings=["s", "t"], floats=[0.5], s="text", f=1.5, i=7)],
        [tensor("a", np.int8([1, -1])), tensor("b", np.array([True])),
         tensor("c", np.float16([1, 2]), raw=True), tensor("d", np.float64([1e10])),
         tensor("e", np.uint64([1])), tensor("f", np.int64([[1]])),
         # Two of INT4, which this package does not know yet; BFLOAT16.
         tensor("g", np.uint8([0x21]), raw=True, data_type=22),
         tensor("h", np.int32([2**14]), data_type=TensorProto.BFLOAT16)])
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "b", [],
                             [value_info("z", 1)])
    yield "bodies", onnx_model(
        [helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)], [])
    external = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 4],
                           data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "weights.bin"), ("offset", "16"), ("length", "32")):
        external.external_data.add(key=key, value=value)
    yield "external", onnx_model([gemm], [external, weights[1]])
    yield "qdq", onnx_model(
        [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
         helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
         helper.make_node("DequantizeLinear", ["wq", "s", "z"], ["w"], axis=0),
         helper.make_node("Gemm", ["d", "w"], ["y"], transB=1)],
        [tensor("s", np.float32(0.5)), tensor("z", np.uint8(3)),
         tensor("wq", np.ones((2, 4), np.uint8))])
    function = helper.make_function("local", "F", ["a"], ["b"], [
        helper.make_node("F", ["a"], ["b"], domain="local")], [helper.make_opsetid("", 13)])
    yield "function", onnx_model([helper.make_node("F", ["x"], ["y"], domain="local")], [],
                                 functions=[function])
    sparse = helper.make_model(helper.make_graph(
        [helper.make_node("Identity", ["s"], ["y"])], "g", [], [value_info("y", 2)],
        sparse_initializer=[helper.make_sparse_tensor(tensor("s", values(1)),
                                                      tensor("i", np.array([1])), [2])]))
    yield "sparse", sparse.SerializeToString()


def inspect_seeds():
    """One operator each, on x [1, 4, 6, 6] or the shape given; lists become int64 initializers."""
    picture, rows = (1, 4, 6, 6), (2, 4)
    kernel = values(4, 4, 3, 3)
    channel = values(4)
    operators = {
        "AveragePool": (picture, [], dict(kernel_shape=[2, 2], ceil_mode=1)),
        "BatchNormalization": (picture, [channel] * 4, {}),
        "Cast": (rows, [], dict(to=TensorProto.INT8)),
        "Clip": (rows, [np.float32(0), np.float32(6)], {}),
        "Concat": (rows, [values(3, 4)], dict(axis=0)),
        "Conv": (picture, [kernel, channel], dict(pads=[1] * 4, strides=[2, 2], dilations=[1, 1])),
        "ConvTranspose": (picture, [kernel], dict(output_padding=[1, 0], strides=[2, 2])),
        "CumSum": (rows, [[1]], dict(reverse=1)),
        "DepthToSpace": (picture, [], dict(blocksize=2, mode="CRD")),
        "Div": (rows, [channel], {}),
        "Expand": (rows, [[3, 2, 4]], {}),
        "Flatten": (picture, [], dict(axis=-2)),
        "Gather": (picture, [[3, -1]], dict(axis=1)),
        "GatherElements": (rows, [[[0, 1], [1, 0]]], dict(axis=1)),
        "GatherND": (rows, [[[0, 1], [1, 3]]], {}),
        "Gemm": (rows, [values(4, 3), values(3)], dict(alpha=0.5, transB=0)),
        "GridSample": (picture, [values(1, 3, 3, 2)], dict(mode="bicubic")),
        "GroupNormalization": (picture, [values(2), values(2)], dict(num_groups=2)),
        "LRN": (picture, [], dict(size=3)),
        "MatMul": (picture, [values(6, 5)], {}),
        "MaxPool": (picture, [], dict(kernel_shape=[3, 3], auto_pad="SAME_UPPER")),
        "Mod": (rows, [channel], dict(fmod=1)),
        "OneHot": (rows, [np.int64(5), np.float32([0, 1])], {}),
        "PRelu": (picture, [values(4, 1, 1)], {}),
        "Pad": (picture, [[0, 1] * 4, np.float32(1)], dict(mode="constant")),
        "QuantizeLinear": (rows, [np.float32([0.5] * 4), np.uint8([1] * 4)], dict(axis=1)),
        "ReduceMean": (picture, [], dict(axes=[1, -1], keepdims=0)),
        "ReduceSum": (picture, [[2, 3]], {}),
        "Reshape": (picture, [[2, -1, 0]], {}),
        "Resize": (picture, [np.float32([]), np.float32([1, 1, 2, 0.5])],
                   dict(mode="linear", coordinate_transformation_mode="align_corners")),
        "ScatterElements": (rows, [[[0], [1]], values(2, 1)], dict(axis=1)),
        "ScatterND": (rows, [[[1]], values(1, 4)], {}),
        "Slice": (picture, [[5, 0], [-7, 4], [3, 1], [-2, 1]], {}),
        "Softmax": (rows, [], dict(axis=-1)),
        "SpaceToDepth": (picture, [], dict(blocksize=3)),
        "Split": (rows, [[1, 3]], dict(axis=1)),
        "Squeeze": (picture, [[0]], {}),
        "Tile": (rows, [[2, 3]], {}),
        "TopK": (rows, [[2]], dict(axis=1, largest=0)),
        "Transpose": (picture, [], dict(perm=[0, 3, 1, 2])),
        "Trilu": (rows, [np.int64(1)], dict(upper=0)),
        "Unsqueeze": (rows, [[0, -1]], {}),
        "Where": (rows, [channel, channel], {}),
    }
    for op, (shape, constants, attributes) in operators.items():
        arrays = [np.array(constant) for constant in constants]
        names = [f"c{i}" for i in range(len(arrays))]
        yield op.lower(), onnx_model(
            [helper.make_node(op, ["x"] + names, ["y"], **attributes)],
            [tensor(name, array, raw=True) for name, array in zip(names, arrays)],
            [value_info("x", *shape)], opset=21 if op == "GroupNormalization" else 16)


def image_bytes(image, file_format, **options):
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def image_seeds():
    rgb = Image.fromarray(RNG.integers(0, 256, (6, 5, 3), np.uint8))
    for mode in ("L", "RGB", "RGBA", "LA", "1", "P"):
        yield f"png_{mode.lower()}", image_bytes(rgb.convert(mode), "PNG")
    yield "png_16", image_bytes(Image.fromarray(RNG.integers(0, 65536, (3, 3), np.uint16)), "PNG")
    yield "png_2_bits", image_bytes(rgb.quantize(4), "PNG", bits=2)
    yield "png_transparent", image_bytes(rgb.convert("L"), "PNG", transparency=3)
    smooth = Image.fromarray(np.add.outer(np.arange(16), np.arange(17)).astype(np.uint8) * 7)
    for mode in ("L", "RGB", "CMYK"):
        yield f"jpeg_{mode.lower()}", image_bytes(smooth.convert(mode), "JPEG", quality=60)
    yield "jpeg_progressive", image_bytes(smooth.convert("RGB"), "JPEG", progressive=True)
    yield "jpeg_optimized", image_bytes(smooth, "JPEG", optimize=True, subsampling=2)
    yield "bmp", image_bytes(smooth.convert("L"), "BMP")[:64]


FORMATS = {
    "batch_manifest": batch_manifest_seeds,
    "checkpoint": checkpoint_seeds,
    "config": config_seeds,
    "image": image_seeds,
    "inspect": inspect_seeds,
    "journal": journal_seeds,
    "labels": labels_seeds,
    "layer_plan": layer_plan_seeds,
    "model_json": model_json_seeds,
    "npy": npy_seeds,
    "npz": npz_seeds,
    "onnx": onnx_seeds,
    "quantized_model": quantized_seeds,
    "result_report": result_report_seeds,
    "safetensors": safetensors_seeds,
}


def main():
    default = pathlib.Path(__file__).resolve().parent.parent / "tests" / "fuzz" / "corpus"
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    global RNG
    for name, seeds in FORMATS.items():
        # A format's seeds depend on no other's.
        RNG = np.random.default_rng(list(name.encode()))
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, content in seeds():
            (folder / f"seed_{seed}").write_bytes(content)


if __name__ == "__main__":
    main()
