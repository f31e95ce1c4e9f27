"""Writes small models in the project's format, for the command line's tests."""

import json
import pathlib
import struct

DTYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}


def write_safetensors(path, tensors):
    """Writes `tensors`, a dict from name to numpy array."""
    header, data = {}, b""
    for name, array in tensors.items():
        payload = array.tobytes()
        header[name] = {"dtype": DTYPES[str(array.dtype)], "shape": list(array.shape),
                        "data_offsets": [len(data), len(data) + len(payload)]}
        data += payload
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def node(name, op, inputs, outputs, **attributes):
    """One operator; an attribute is an int, a float, a string or a list of them."""
    return {"name": name, "op": op, "inputs": inputs, "outputs": outputs, "attributes": attributes}


def graph_input(name, *shape, **more):
    return {"name": name, "shape": list(shape), "dtype": "float32", **more}


def write_model(folder, inputs, outputs, nodes, tensors, opset=13):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model = {"format": "adaround-model", "version": 1, "opset": opset, "inputs": inputs,
             "outputs": outputs, "nodes": nodes, "weights": "weights.safetensors"}
    (folder / "model.json").write_text(json.dumps(model, indent=1))
    write_safetensors(folder / "weights.safetensors", tensors)
