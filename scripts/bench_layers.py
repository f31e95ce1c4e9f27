"""The six layers that scripts/bench_peer.py measures on, as models of one layer with their inputs.

Three are real, with real activations, where the evaluation networks are there; the others, and all
where they are not, have seeded weights and inputs that are correlated over channels and positions,
as those of trained networks are. Each layer is a folder:

  model.json, weights.safetensors   the layer and its activation; input "x" [N, ...], output "y"
  calib/x.npy, held_out/x.npy       float32
  layer.json                        {"name", "origin", "activation", "conv": {...} or null}
"""

import json
import pathlib
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "cli"))
from small_models import graph_input, node, write_model

# --- files


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    types = {"F32": np.float32, "U8": np.uint8, "I8": np.int8, "I32": np.int32, "I64": np.int64}
    body = data[8 + length:]
    return {name: np.frombuffer(body[slice(*entry["data_offsets"])], types[entry["dtype"]])
            .reshape(entry["shape"])
            for name, entry in header.items() if name != "__metadata__"}


def write_layer(folder, origin, weight, bias, conv, activation, calib, held_out):
    """weight [M, K/groups, ...] or [M, K]; conv: pads (ONNX's order), strides, group, or None."""
    for part in ("calib", "held_out"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    np.save(folder / "calib" / "x.npy", np.ascontiguousarray(calib, np.float32))
    np.save(folder / "held_out" / "x.npy", np.ascontiguousarray(held_out, np.float32))
    tensors = {"weight": np.ascontiguousarray(weight, np.float32),
               "bias": np.ascontiguousarray(bias, np.float32)}
    output = "y" if activation is None else "z"
    if conv:
        nodes = [node("layer", "Conv", ["x", "weight", "bias"], [output],
                      kernel_shape=list(weight.shape[2:]), **conv)]
    else:
        nodes = [node("layer", "Gemm", ["x", "weight", "bias"], [output], transB=1)]
    if activation == "Relu":
        nodes.append(node("relu", "Relu", ["z"], ["y"]))
    elif activation == "Relu6":
        nodes.append(node("relu6", "Clip", ["z", "least", "most"], ["y"]))
        tensors |= {"least": np.zeros((), np.float32), "most": np.full((), 6, np.float32)}
    write_model(folder, [graph_input("x", "N", *calib.shape[1:])], ["y"], nodes, tensors)
    # Last: a folder with this file is complete.
    (folder / "layer.json").write_text(json.dumps(
        {"name": folder.name, "origin": origin, "activation": activation, "conv": conv}))


# --- seeded layers


def correlated_maps(rng, samples, channels, extent, rank):
    """Rectified mixtures of `rank` smooth fields [samples, channels, extent, extent]: channels share
    causes, neighbours resemble one another, ranges differ, as behind a trained layer's ReLU."""
    mixing = torch.from_numpy(rng.standard_normal((channels, rank)).astype(np.float32))
    gain = torch.from_numpy(np.exp(0.5 * rng.standard_normal((channels, 1, 1))).astype(np.float32))
    shift = torch.from_numpy(0.5 * rng.standard_normal((channels, 1, 1)).astype(np.float32))
    maps = np.empty((samples, channels, extent, extent), np.float32)
    for i in range(samples):
        fields = torch.zeros(1, rank, extent, extent)
        for scale in (2, 4, 8):
            coarse = -(-extent // scale)
            noise = rng.standard_normal((1, rank, coarse, coarse)).astype(np.float32)
            fields += F.interpolate(torch.from_numpy(noise), size=(extent, extent),
                                    mode="bilinear", align_corners=False)
        mixed = torch.einsum("cr,rhw->chw", mixing, fields[0]) / rank**0.5
        own = rng.standard_normal((channels, extent, extent)).astype(np.float32)
        maps[i] = torch.relu(gain * (mixed + 0.3 * torch.from_numpy(own)) + shift).numpy()
    return maps


def correlated_vectors(rng, samples, length, rank):
    mixing = rng.standard_normal((rank, length)).astype(np.float32) / rank**0.5
    gain = np.exp(0.5 * rng.standard_normal(length)).astype(np.float32)
    causes = rng.standard_normal((samples, rank)).astype(np.float32)
    own = 0.3 * rng.standard_normal((samples, length)).astype(np.float32)
    return np.maximum(gain * (causes @ mixing + own), 0)


def seeded_weight(rng, *shape):
    """Laplacian, as trained weights are more nearly than normal."""
    fan_in = int(np.prod(shape[1:]))
    weight = rng.laplace(size=shape) / fan_in**0.5
    return weight.astype(np.float32), (0.1 * rng.standard_normal(shape[0])).astype(np.float32)


def seeded(folder, seed, weight_shape, input_shape, conv, activation, calib, held_out):
    rng = np.random.default_rng(seed)
    weight, bias = seeded_weight(rng, *weight_shape)
    samples = calib + held_out
    if len(input_shape) == 1:
        inputs = correlated_vectors(rng, samples, input_shape[0], input_shape[0] // 4)
    else:
        inputs = correlated_maps(rng, samples, input_shape[0], input_shape[1],
                                 max(4, input_shape[0] // 4))
    write_layer(folder, "seeded", weight, bias, conv, activation, inputs[:calib], inputs[calib:])


# --- real layers


class Prefix:
    """A network of Conv, BatchNormalization, Relu, Clip and Add up to the input of one of its Convs."""

    def __init__(self, folder):
        self.model = json.loads((folder / "model.json").read_text())
        self.tensors = {name: torch.from_numpy(value.copy()) for name, value
                        in read_safetensors(folder / self.model["weights"]).items()}

    def node(self, name):
        return next(n for n in self.model["nodes"] if n["name"] == name)

    def run(self, x, wanted):
        values = {"input": x, **self.tensors}
        for node in self.model["nodes"]:
            if wanted in values:
                break
            ins = [values[i] for i in node["inputs"]]
            a = node["attributes"]
            if node["op"] == "Conv":
                top, left, bottom, right = a["pads"]
                y = F.conv2d(F.pad(ins[0], (left, right, top, bottom)), ins[1],
                             ins[2] if len(ins) > 2 else None, a["strides"], 0, a["dilations"],
                             a["group"])
            elif node["op"] == "BatchNormalization":
                y = F.batch_norm(ins[0], ins[3], ins[4], ins[1], ins[2], eps=a["epsilon"])
            elif node["op"] == "Relu":
                y = torch.relu(ins[0])
            elif node["op"] == "Clip":
                y = ins[0].clamp(float(ins[1]), float(ins[2]))
            elif node["op"] == "Add":
                y = ins[0] + ins[1]
            else:
                raise SystemExit(f"{node['name']}: operator {node['op']} before {wanted}")
            values[node["outputs"][0]] = y
        return values[wanted]

    def inputs_of(self, name, batches):
        wanted = self.node(name)["inputs"][0]
        return np.concatenate([self.run(x, wanted).numpy() for x in batches])

    def layer(self, name, batch_norm=None):
        node = self.node(name)
        weight = self.tensors[node["inputs"][1]]
        bias = self.tensors[node["inputs"][2]] if len(node["inputs"]) > 2 \
            else torch.zeros(len(weight))
        if batch_norm:
            bn = self.node(batch_norm)
            gamma, beta, mean, var = (self.tensors[i] for i in bn["inputs"][1:])
            factor = gamma / torch.sqrt(var + bn["attributes"]["epsilon"])
            weight, bias = weight * factor.reshape(-1, 1, 1, 1), (bias - mean) * factor + beta
        conv = {key: node["attributes"][key] for key in ("pads", "strides", "group")}
        return weight.numpy(), bias.numpy(), conv


def preprocess(model, pixels):
    p = model["inputs"][0]["preprocess"]
    mean, std = (torch.tensor(p[key]).reshape(-1, 1, 1) for key in ("mean", "std"))
    return (torch.from_numpy(pixels).float() * p["scale"] - mean) / std


def cifar_layer(folder, evaluation):
    prefix = Prefix(evaluation / "cifar10_resnet20")

    def batches(part, count):
        pixels = np.load(evaluation / f"data/cifar10/{part}/input.npy")[:count]
        return [preprocess(prefix.model, pixels[i:i + 64]) for i in range(0, count, 64)]

    name = "/layer1/layer1.0/conv1/Conv"
    weight, bias, conv = prefix.layer(name, "/layer1/layer1.0/bn1/BatchNormalization")
    write_layer(folder, "ResNet-20 " + name, weight, bias, conv, "Relu",
                prefix.inputs_of(name, batches("calib", 1024)),
                prefix.inputs_of(name, batches("test", 256)))


def mobilenet_layer(folder, evaluation, name, extent):
    """With its input maps cut to their middle extent x extent."""
    from PIL import Image
    prefix = Prefix(evaluation / "imagenet_mobilenetv2")

    def batches(part, count):
        files = sorted((evaluation / f"data/imagenet/{part}").iterdir())[:count]
        for i in range(0, len(files), 16):
            pixels = np.stack([np.asarray(Image.open(f).convert("RGB")) for f in files[i:i + 16]])
            yield preprocess(prefix.model, pixels.transpose(0, 3, 1, 2).copy())

    def maps(part, count):
        inputs = prefix.inputs_of(name, batches(part, count))
        begin = (inputs.shape[2] - extent) // 2
        return inputs[:, :, begin:begin + extent, begin:begin + extent]

    write_layer(folder, "MobileNetV2 " + name, *prefix.layer(name), "Relu6", maps("calib", 300),
                maps("test", 96))


# --- all


def at_every_position(*pads):
    return {"pads": list(pads), "strides": [1, 1], "group": 1}


# Name; what the seeded layer is: seed, weight's shape, input's shape, conv, activation, samples to
# calibrate and held out; what makes the real one.
SAME = at_every_position(1, 1, 1, 1)
LAYERS = [
    ("conv3x3_64x64_56", (1, (64, 64, 3, 3), (64, 56, 56), SAME, "Relu", 256, 64), None),
    ("conv3x3_256x256_14", (2, (256, 256, 3, 3), (256, 14, 14), SAME, "Relu", 1024, 256), None),
    ("conv3x3_16x16_32", (3, (16, 16, 3, 3), (16, 32, 32), SAME, "Relu", 1024, 256), cifar_layer),
    ("linear_512x1000", (4, (1000, 512), (512,), None, None, 1024, 1024), None),
    ("depthwise3x3_144_28",
     (5, (144, 1, 3, 3), (144, 28, 28), {**SAME, "group": 144}, "Relu6", 300, 96),
     lambda folder, evaluation: mobilenet_layer(folder, evaluation, "conv11", 28)),
    ("pointwise_24x144_56",
     (6, (144, 24, 1, 1), (24, 56, 56), at_every_position(0, 0, 0, 0), "Relu6", 300, 96),
     lambda folder, evaluation: mobilenet_layer(folder, evaluation, "conv10", 56)),
]


def make_layers(out, evaluation):
    """Makes what is missing; the folders, in LAYERS' order."""
    real = evaluation is not None and evaluation.exists()
    folders = []
    for name, seeded_layer, make_real in LAYERS:
        folder = pathlib.Path(out) / name
        folders.append(folder)
        if (folder / "layer.json").exists():
            continue
        print("making", name, file=sys.stderr)
        if real and make_real:
            make_real(folder, evaluation)
        else:
            seeded(folder, *seeded_layer)
    return folders
