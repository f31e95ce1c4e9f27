#!/usr/bin/python3
"""Turns ONNX's node test cases into folders that the test runner reads.

usage: convert_onnx_node_cases.py OUT_DIR

Reads the cases that Debian's libonnx-testdata installs. For each case whose operators the runtime
implements, OUT_DIR/CASE/ receives model.json and weights.safetensors (the program's own model
format), one .npy file per input and output, and case.json, which names the tensor of each file.
Integer inputs (shapes, axes, indices) and the small inputs of Resize become initializers, as they
are in real networks. Needs Debian's python3-onnx and python3-numpy.
"""

import collections
import json
import math
import pathlib
import struct
import sys

import numpy as np
import onnx
import onnx.numpy_helper

CASES = pathlib.Path("/usr/share/libonnx-testdata/data/node")

OPERATORS = set(
    """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    Cast CastLike Ceil Celu Clip Compress Concat Constant ConstantOfShape Conv ConvTranspose
    Cos Cosh CumSum DepthToSpace DequantizeLinear Div Dropout Elu Equal Erf Exp Expand EyeLike
    Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool
    Greater GreaterOrEqual HardSigmoid HardSwish Hardmax Identity InstanceNormalization IsInf
    IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean
    Min Mish Mod Mul Neg NonZero Not OneHot Or PRelu Pad Pow QuantizeLinear Range Reciprocal
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence Round Scatter
    ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax
    Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh ThresholdedRelu Tile
    TopK Transpose Trilu Unsqueeze Where Xor""".split()
)

SAFETENSORS_DTYPES = {
    "float32": "F32", "float64": "F64", "float16": "F16", "int8": "I8", "uint8": "U8",
    "int16": "I16", "uint16": "U16", "int32": "I32", "uint32": "U32", "int64": "I64",
    "uint64": "U64", "bool": "BOOL",
}


# The lowest that model files may state. Older cases are of operators that have not changed since.
MIN_OPSET = 6

# numpy has no bfloat16, and the cases store such values as uint16.
UNREADABLE_TYPES = (onnx.TensorProto.STRING, onnx.TensorProto.BFLOAT16)


class Skip(Exception):
    """A case that is not converted; the message is the reason to count it under."""


def to_array(tensor):
    if tensor.data_type in UNREADABLE_TYPES:
        raise Skip("string or bfloat16 tensor")
    array = onnx.numpy_helper.to_array(tensor)
    if array.dtype.name not in SAFETENSORS_DTYPES:
        raise Skip("dtype " + array.dtype.name)
    return array


def read_tensor(path):
    message = onnx.TensorProto()
    message.ParseFromString(path.read_bytes())
    return to_array(message)


def check_tensor_types(values):
    for value in values:
        if value.type.WhichOneof("value") != "tensor_type":
            raise Skip("sequence or optional type")
        if value.type.tensor_type.elem_type in UNREADABLE_TYPES:
            raise Skip("string or bfloat16 tensor")


def attribute_value(attribute, name, weights):
    kind = attribute.type
    types = onnx.AttributeProto
    if kind == types.INT:
        return attribute.i
    if kind == types.FLOAT:
        if not math.isfinite(attribute.f):
            raise Skip("infinite attribute")
        return attribute.f
    if kind == types.STRING:
        return attribute.s.decode()
    if kind == types.INTS:
        return list(attribute.ints)
    if kind == types.FLOATS:
        return list(attribute.floats)
    if kind == types.STRINGS:
        return [text.decode() for text in attribute.strings]
    if kind == types.TENSOR:
        weights[name] = to_array(attribute.t)
        return {"tensor": name}
    raise Skip("graph or sparse attribute")


def write_safetensors(path, tensors):
    # By descending alignment, so that every tensor's data is aligned without holes.
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    header, offset = {}, 0
    for name in order:
        array = tensors[name]
        header[name] = {
            "dtype": SAFETENSORS_DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(np.ascontiguousarray(tensors[name]).tobytes())


def becomes_initializer(name, array, graph):
    # Model files have no empty inputs, but may have empty initializers.
    if array.dtype.kind in "iu" or array.size == 0:
        return True
    return any(node.op_type == "Resize" and name in node.input[1:] for node in graph.node)


def convert_nodes(graph, weights):
    nodes = []
    for index, node in enumerate(graph.node):
        if node.domain not in ("", "ai.onnx"):
            raise Skip("domain " + node.domain)
        if node.op_type not in OPERATORS:
            raise Skip("operator not implemented")
        name = node.name or "node_%d" % index
        nodes.append({
            "name": name,
            "op": node.op_type,
            "inputs": list(node.input),
            "outputs": list(node.output),
            "attributes": {a.name: attribute_value(a, name + "." + a.name, weights)
                           for a in node.attribute},
        })
    return nodes


def convert(case, out):
    model = onnx.load(str(case / "model.onnx"))
    graph = model.graph
    check_tensor_types(list(graph.input) + list(graph.output))
    weights = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    nodes = convert_nodes(graph, weights)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    opset = max(opset, MIN_OPSET)
    data = case / "test_data_set_0"
    inputs, files = [], {"inputs": [], "outputs": []}
    arrays = {}
    given = [value for value in graph.input if value.name not in weights]
    for index, value in enumerate(given):
        array = read_tensor(data / ("input_%d.pb" % index))
        if becomes_initializer(value.name, array, graph):
            weights[value.name] = array
            continue
        file = "input_%d.npy" % index
        arrays[file] = array
        files["inputs"].append({"name": value.name, "file": file})
        inputs.append({"name": value.name, "shape": list(array.shape), "dtype": array.dtype.name})
    for index, value in enumerate(graph.output):
        file = "output_%d.npy" % index
        arrays[file] = read_tensor(data / ("output_%d.pb" % index))
        files["outputs"].append({"name": value.name, "file": file})
    document = {
        "format": "adaround-model",
        "version": 1,
        "opset": opset,
        "inputs": inputs,
        "outputs": [value.name for value in graph.output],
        "nodes": nodes,
        "weights": "weights.safetensors",
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.json").write_text(json.dumps(document, indent=1) + "\n")
    (out / "case.json").write_text(json.dumps(files, indent=1) + "\n")
    write_safetensors(out / "weights.safetensors", weights)
    for file, array in arrays.items():
        np.save(out / file, array)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    if not CASES.is_dir():
        sys.exit("%s is missing: install libonnx-testdata" % CASES)
    out = pathlib.Path(sys.argv[1])
    converted, skipped = 0, collections.Counter()
    for case in sorted(CASES.iterdir()):
        try:
            convert(case, out / case.name)
            converted += 1
        except Skip as reason:
            skipped[str(reason)] += 1
    print("converted %d cases" % converted)
    for reason, count in skipped.most_common():
        print("skipped %d: %s" % (count, reason))


if __name__ == "__main__":
    main()
