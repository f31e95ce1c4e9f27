#!/usr/bin/python3
"""Trains the two Fashion-MNIST networks that are shipped in models/.

The script reads the data set from Debian's package dataset-fashion-mnist, trains a residual
network and a depthwise (MobileNetV2-style) network, measures what rounding their weights to the
nearest grid point costs, and writes

    OUTPUT/<network>/model.json, weights.safetensors      the network, BatchNorm kept separate
    OUTPUT/<network>/sample_input.npy, sample_logits.npy  reference outputs computed by PyTorch
    OUTPUT/<network>/info.json                            what was measured
    OUTPUT/data/fashion/...                               calibration images, test images, labels
    OUTPUT/README.md, OUTPUT/LICENSE-fashion-mnist

A network is written only if it meets the requirements in check_requirements(): it must be accurate
in float, survive 8-bit rounding, and be visibly damaged by rounding to nearest at few bits. Nothing
touches the weights between training and writing them.

Requires Debian's python3-torch, libopenblas0-pthread, python3-numpy and dataset-fashion-mnist:

    /usr/bin/python3 scripts/train_models.py [--output models] [--networks fashion_resnet ...]

Every random choice is seeded and each network is trained by one thread, so a second run on the same
kind of machine repeats the first.
"""

import argparse
import copy
import dataclasses
import gzip
import hashlib
import json
import struct
import sys
import time
from pathlib import Path
from typing import Callable

import numpy as np
import torch
from torch import fx, nn
from torch.fx.experimental.optimization import fuse

DATASET = Path("/usr/share/datasets/fashion-mnist")
REPOSITORY = Path(__file__).resolve().parent.parent

CLASSES = 10
IMAGE_SIZE = 28
CALIBRATION_IMAGES = 512
TEST_IMAGES = 2000
SAMPLE_IMAGES = 8
# Mean and standard deviation of the training images' pixels, scaled to 0..1.
PIXEL_SCALE, PIXEL_MEAN, PIXEL_STD = 1.0 / 255.0, 0.2860, 0.3530

REPORTED_BITS = (8, 4, 3)
GRANULARITIES = ("tensor", "channel")
MINIMUM_FLOAT_ACCURACY = 88.0
MAXIMUM_LOSS_8BIT_CHANNEL = 1.0
MINIMUM_LOSS_NEAREST = 20.0
# One scale per channel must help by this much: the loss must not be beyond repair.
MINIMUM_CHANNEL_GAIN = 10.0


# --------------------------------------------------------------------------------------------------
# Networks
# --------------------------------------------------------------------------------------------------


def conv(in_channels: int, out_channels: int, size: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the resolution divided by the stride."""
    return nn.Conv2d(in_channels, out_channels, size, stride, size // 2, groups=groups, bias=False)


class Add(nn.Module):
    """The sum of two tensors, as a module so that it has a name in the exported graph."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; the shortcut is a 1x1 convolution where shapes change."""

    def __init__(self, in_channels: int, out_channels: int, stride: int):
        super().__init__()
        self.conv1 = conv(in_channels, out_channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu1 = nn.ReLU()
        self.conv2 = conv(out_channels, out_channels, 3)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut.add_module("conv", conv(in_channels, out_channels, 1, stride))
            self.shortcut.add_module("bn", nn.BatchNorm2d(out_channels))
        self.add = Add()
        self.relu2 = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu2(self.add(y, self.shortcut(x)))


class ResNet(nn.Module):
    """A convolutional stem, three residual stages, global average pooling and a linear classifier."""

    def __init__(self, stem_stride: int, widths: tuple[int, int, int], blocks: int):
        super().__init__()
        self.conv1 = conv(1, widths[0], 3, stem_stride)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU()
        channels = widths[0]
        for stage, width in enumerate(widths, start=1):
            layers = []
            for block in range(blocks):
                stride = 2 if stage > 1 and block == 0 else 1
                layers.append(ResidualBlock(channels, width, stride))
                channels = width
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.flatten(self.pool(x)))


class InvertedResidual(nn.Module):
    """Expansion 1x1, depthwise 3x3, linear projection 1x1; a shortcut where the shape is kept."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int):
        super().__init__()
        hidden = in_channels * expansion
        self.expand = nn.Sequential()
        if expansion != 1:
            self.expand.add_module("conv", conv(in_channels, hidden, 1))
            self.expand.add_module("bn", nn.BatchNorm2d(hidden))
            self.expand.add_module("relu6", nn.ReLU6())
        self.depthwise = nn.Sequential()
        self.depthwise.add_module("conv", conv(hidden, hidden, 3, stride, groups=hidden))
        self.depthwise.add_module("bn", nn.BatchNorm2d(hidden))
        self.depthwise.add_module("relu6", nn.ReLU6())
        self.project = nn.Sequential()
        self.project.add_module("conv", conv(hidden, out_channels, 1))
        self.project.add_module("bn", nn.BatchNorm2d(out_channels))
        self.add = Add() if stride == 1 and in_channels == out_channels else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return y if self.add is None else self.add(x, y)


class MobileNet(nn.Module):
    """A MobileNetV2: a stem, inverted residuals, a 1x1 head, pooling and a linear classifier."""

    def __init__(self, stem: int, stages: tuple[tuple[int, int, int, int], ...], head: int):
        """Each stage is (expansion, channels, blocks, stride of its first block)."""
        super().__init__()
        self.stem = nn.Sequential()
        self.stem.add_module("conv", conv(1, stem, 3, 2))
        self.stem.add_module("bn", nn.BatchNorm2d(stem))
        self.stem.add_module("relu6", nn.ReLU6())
        blocks = []
        channels = stem
        for expansion, width, count, first_stride in stages:
            for block in range(count):
                stride = first_stride if block == 0 else 1
                blocks.append(InvertedResidual(channels, width, stride, expansion))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential()
        self.head.add_module("conv", conv(channels, head, 1))
        self.head.add_module("bn", nn.BatchNorm2d(head))
        self.head.add_module("relu6", nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.linear = nn.Linear(head, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.head(self.blocks(self.stem(x)))
        return self.linear(self.flatten(self.pool(x)))


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A network, how it is trained, and the bit width at which rounding to nearest must fail."""

    build: Callable[[], nn.Module]
    description: str
    hard_bits: int
    optimizer: str
    epochs: int
    learning_rate: float
    weight_decay: float
    batch_size: int = 128
    seed: int = 1


RECIPES = {
    "fashion_resnet": Recipe(
        build=lambda: ResNet(stem_stride=2, widths=(12, 24, 40), blocks=3),
        description="ResNet: 3x3 stem of stride 2, three stages of three residual blocks with 12, 24 and "
        "40 channels at 14x14, 7x7 and 4x4, 1x1 convolution shortcuts where the shape changes, ReLU, "
        "global average pooling, one Gemm",
        hard_bits=3,
        optimizer="Adam",
        epochs=5,
        learning_rate=0.01,
        weight_decay=0.0,
    ),
    "fashion_mobilenet": Recipe(
        build=lambda: MobileNet(
            stem=16, stages=((1, 8, 1, 1), (4, 12, 2, 1), (4, 16, 3, 2), (4, 24, 4, 2)), head=96
        ),
        description="MobileNetV2 style: 3x3 stem of stride 2 with 16 channels, ten inverted residual "
        "blocks (expansion 1, then 4) with 8, 12, 16 and 24 channels at 14x14, 14x14, 7x7 and 4x4, "
        "depthwise 3x3 convolutions, ReLU6 as Clip, linear bottlenecks, a 1x1 head of 96 channels, "
        "global average pooling, one Gemm",
        hard_bits=4,
        optimizer="SGD",
        epochs=6,
        learning_rate=0.3,
        weight_decay=5e-4,
    ),
}


# --------------------------------------------------------------------------------------------------
# Data and training
# --------------------------------------------------------------------------------------------------


def read_idx(path: Path) -> np.ndarray:
    """Reads a gzip-compressed IDX file of unsigned bytes."""
    data = gzip.decompress(path.read_bytes())
    zero, dtype, rank = struct.unpack_from(">HBB", data)
    if zero != 0 or dtype != 0x08:
        raise ValueError(f"{path}: not an IDX file of unsigned bytes")
    shape = struct.unpack_from(f">{rank}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load_split(prefix: str) -> tuple[np.ndarray, np.ndarray]:
    """Images as uint8 [N,1,28,28] and labels as int64 [N] of the split "train" or "t10k"."""
    images = read_idx(DATASET / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(DATASET / f"{prefix}-labels-idx1-ubyte.gz")
    return images[:, np.newaxis], labels.astype(np.int64)


def preprocess(images: np.ndarray) -> torch.Tensor:
    """What model.json's `preprocess` says: (x * scale - mean) / std."""
    x = torch.from_numpy(images.astype(np.float32))
    return (x * PIXEL_SCALE - PIXEL_MEAN) / PIXEL_STD


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Mirrors half of the images and shifts each batch by up to two pixels in each direction."""
    mirrored = torch.rand(len(images), 1, 1, 1, generator=generator) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    background = (0.0 - PIXEL_MEAN) / PIXEL_STD
    padded = nn.functional.pad(images, (2, 2, 2, 2), value=background)
    top, left = torch.randint(0, 5, (2,), generator=generator).tolist()
    return padded[:, :, top : top + IMAGE_SIZE, left : left + IMAGE_SIZE]


def make_optimizer(recipe: Recipe, model: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimizer: Adam, or SGD with Nesterov momentum."""
    if recipe.optimizer == "Adam":
        return torch.optim.Adam(model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        model.parameters(), recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
    )


def train(recipe: Recipe, images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """Trains a network under a one-cycle learning rate."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    model = recipe.build().to(memory_format=torch.channels_last)
    inputs, targets = preprocess(images), torch.from_numpy(labels)
    steps = len(inputs) // recipe.batch_size
    optimizer = make_optimizer(recipe, model)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * steps, pct_start=0.2
    )
    for epoch in range(recipe.epochs):
        start, total_loss = time.monotonic(), 0.0
        order = torch.randperm(len(inputs), generator=generator)
        model.train()
        for batch in order[: steps * recipe.batch_size].split(recipe.batch_size):
            x = augment(inputs[batch], generator).contiguous(memory_format=torch.channels_last)
            loss = nn.functional.cross_entropy(model(x), targets[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total_loss += loss.item()
        seconds = time.monotonic() - start
        print(f"  epoch {epoch + 1}/{recipe.epochs}  loss {total_loss / steps:.4f}  {seconds:.0f} s", flush=True)
    return model.to(memory_format=torch.contiguous_format).eval()


# --------------------------------------------------------------------------------------------------
# Rounding to nearest
# --------------------------------------------------------------------------------------------------


def round_to_nearest(weight: torch.Tensor, bits: int, granularity: str) -> torch.Tensor:
    """Rounds to a symmetric grid whose scale, searched for, minimises the squared error of the weights.

    The grid is scale * {-2^(bits-1), ..., 2^(bits-1)-1}, with one scale for the tensor or one for each
    output channel (axis 0).
    """
    rows = weight.flatten(1) if granularity == "channel" else weight.reshape(1, -1)
    q_min, q_max = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    full_range = rows.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    best, best_error = rows, torch.full_like(full_range, float("inf"))
    for fraction in torch.linspace(0.05, 1.2, 231):
        scale = full_range * fraction / q_max
        candidate = (rows / scale).round().clamp(q_min, q_max) * scale
        error = (candidate - rows).square().sum(1, keepdim=True)
        best = torch.where(error < best_error, candidate, best)
        best_error = torch.minimum(error, best_error)
    return best.reshape(weight.shape)


def quantize_nearest(model: nn.Module, bits: int, granularity: str) -> nn.Module:
    """A copy with BatchNorm folded and every Conv and Linear weight rounded; biases stay float."""
    folded = fuse(copy.deepcopy(model))
    for module in folded.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.data = round_to_nearest(module.weight.data, bits, granularity)
    return folded


def compute_logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """The network's outputs, computed in batches."""
    with torch.no_grad():
        return torch.cat([model(batch) for batch in inputs.split(250)])


def accuracy(model: nn.Module, inputs: torch.Tensor, labels: np.ndarray) -> float:
    """Top-1 accuracy in percent."""
    correct = compute_logits(model, inputs).argmax(1).numpy() == labels
    return round(100.0 * float(correct.mean()), 2)


def measure(model: nn.Module, inputs: torch.Tensor, labels: np.ndarray) -> dict:
    """Accuracy in float and after rounding to nearest, by granularity and bit width."""
    nearest = {
        granularity: {
            str(bits): accuracy(quantize_nearest(model, bits, granularity), inputs, labels) for bits in REPORTED_BITS
        }
        for granularity in GRANULARITIES
    }
    return {"float": accuracy(model, inputs, labels), "nearest": nearest}


def check_requirements(name: str, recipe: Recipe, measured: dict) -> None:
    """Stops the script unless the network is accurate in float and damaged by rounding to nearest."""
    reference, nearest, bits = measured["float"], measured["nearest"], str(recipe.hard_bits)
    loss_8bit = reference - nearest["channel"]["8"]
    loss = reference - nearest["tensor"][bits]
    gain = nearest["channel"][bits] - nearest["tensor"][bits]
    requirements = (
        (reference >= MINIMUM_FLOAT_ACCURACY, f"float accuracy {reference:.2f} % (at least {MINIMUM_FLOAT_ACCURACY})"),
        (
            loss_8bit <= MAXIMUM_LOSS_8BIT_CHANNEL,
            f"8 bits per channel lose {loss_8bit:.2f} points (at most {MAXIMUM_LOSS_8BIT_CHANNEL})",
        ),
        (
            loss >= MINIMUM_LOSS_NEAREST,
            f"{bits} bits per tensor lose {loss:.2f} points (at least {MINIMUM_LOSS_NEAREST})",
        ),
        (
            gain >= MINIMUM_CHANNEL_GAIN,
            f"{bits} bits per channel gain {gain:.2f} points over per tensor (at least {MINIMUM_CHANNEL_GAIN})",
        ),
    )
    for met, text in requirements:
        print(f"  {'ok' if met else 'NOT MET'}: {text}")
    if not all(met for met, _ in requirements):
        sys.exit(f"{name}: requirements not met, nothing written for this network")


# --------------------------------------------------------------------------------------------------
# Export
# --------------------------------------------------------------------------------------------------


class ModuleTracer(fx.Tracer):
    """Records a network as a sequence of calls of the modules that become nodes."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return isinstance(module, Add) or super().is_leaf_module(module, qualified_name)


def describe_module(module: nn.Module, name: str) -> tuple[str, dict[str, torch.Tensor], dict]:
    """The ONNX operator of a module, its tensor inputs after the data inputs, and its attributes."""
    state = {f"{name}.{key}": value for key, value in module.state_dict().items() if key != "num_batches_tracked"}
    if isinstance(module, nn.Conv2d):
        attributes = {
            "dilations": list(module.dilation),
            "group": module.groups,
            "kernel_shape": list(module.kernel_size),
            "pads": list(module.padding) * 2,
            "strides": list(module.stride),
        }
        return "Conv", state, attributes
    if isinstance(module, nn.BatchNorm2d):
        # ONNX's momentum weighs the old statistics, PyTorch's the new ones.
        attributes = {"epsilon": float(np.float32(module.eps)), "momentum": float(np.float32(1 - module.momentum))}
        return "BatchNormalization", state, attributes
    if isinstance(module, nn.ReLU6):
        return "Clip", {"clip_min": torch.tensor(0.0), "clip_max": torch.tensor(6.0)}, {}
    if isinstance(module, nn.ReLU):
        return "Relu", {}, {}
    if isinstance(module, Add):
        return "Add", {}, {}
    if isinstance(module, nn.AdaptiveAvgPool2d):
        return "GlobalAveragePool", {}, {}
    if isinstance(module, nn.Flatten):
        return "Flatten", {}, {"axis": module.start_dim}
    if isinstance(module, nn.Linear):
        return "Gemm", state, {"alpha": 1.0, "beta": 1.0, "transB": 1}
    raise TypeError(f"{name}: no ONNX operator for {type(module).__name__}")


def export(model: nn.Module) -> tuple[dict, dict[str, np.ndarray]]:
    """The contents of model.json and the tensors of weights.safetensors."""
    graph = ModuleTracer().trace(model)
    modules = dict(model.named_modules())
    result = next(node for node in graph.nodes if node.op == "output").args[0]
    tensor_names: dict[fx.Node, str] = {}
    nodes, weights = [], {}
    for node in graph.nodes:
        if node.op == "placeholder":
            tensor_names[node] = "input"
        elif node.op == "call_module" and isinstance(modules[node.target], nn.Sequential):
            # An empty Sequential is the identity.
            tensor_names[node] = tensor_names[node.args[0]]
        elif node.op == "call_module":
            operator, tensors, attributes = describe_module(modules[node.target], node.target)
            weights.update(tensors)
            tensor_names[node] = "logits" if node is result else f"{node.target}.output"
            nodes.append(
                {
                    "name": node.target,
                    "op": operator,
                    "inputs": [tensor_names[argument] for argument in node.args] + list(tensors),
                    "outputs": [tensor_names[node]],
                    "attributes": attributes,
                }
            )
    description = {
        "format": "adaround-model",
        "version": 1,
        "opset": 13,
        "inputs": [
            {
                "name": "input",
                "shape": ["N", 1, IMAGE_SIZE, IMAGE_SIZE],
                "dtype": "float32",
                "preprocess": {"scale": PIXEL_SCALE, "mean": [PIXEL_MEAN], "std": [PIXEL_STD]},
            }
        ],
        "outputs": ["logits"],
        "nodes": nodes,
        "weights": "weights.safetensors",
    }
    return description, {name: tensor.detach().numpy() for name, tensor in weights.items()}


def write_safetensors(path: Path, tensors: dict[str, np.ndarray]) -> None:
    """Writes float32 tensors in the safetensors format, ordered by name."""
    header, offset = {}, 0
    for name, tensor in sorted(tensors.items()):
        if tensor.dtype != np.float32:
            raise TypeError(f"{name}: {tensor.dtype} instead of float32")
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)))
        file.write(encoded)
        for _, tensor in sorted(tensors.items()):
            file.write(tensor.astype("<f4").tobytes())


def write_json(path: Path, value: dict) -> None:
    """Writes readable JSON."""
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def count_macs(model: nn.Module) -> int:
    """Multiply-accumulates of the convolutions and the classifier for one image."""
    total = 0

    def count(module: nn.Module, _, output: torch.Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()

    layers = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    compute_logits(model, torch.zeros(1, 1, IMAGE_SIZE, IMAGE_SIZE))
    for hook in hooks:
        hook.remove()
    return total


def write_network(folder: Path, model: nn.Module, recipe: Recipe, measured: dict, samples: torch.Tensor) -> None:
    """Writes the network, its reference outputs and what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    description, weights = export(model)
    write_json(folder / "model.json", description)
    write_safetensors(folder / "weights.safetensors", weights)
    np.save(folder / "sample_input.npy", samples.numpy())
    np.save(folder / "sample_logits.npy", compute_logits(model, samples).numpy())
    write_json(
        folder / "info.json",
        {
            "description": recipe.description,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "macs": count_macs(model),
            "training": {
                key: getattr(recipe, key)
                for key in ("optimizer", "epochs", "batch_size", "learning_rate", "weight_decay", "seed")
            },
            "test_images": TEST_IMAGES,
            "accuracy": measured,
        },
    )


def write_data(folder: Path, calibration: np.ndarray, test: np.ndarray, labels: np.ndarray) -> None:
    """Writes the calibration images, the test images and their labels."""
    for name, images in (("calib", calibration), ("test", test)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        np.save(folder / name / "input.npy", images)
    np.save(folder / "test_labels.npy", labels)


# --------------------------------------------------------------------------------------------------
# Documentation
# --------------------------------------------------------------------------------------------------

DATASET_LICENSE = """\
The MIT License (MIT)

Copyright (c) 2017 Zalando SE, https://tech.zalando.com

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

OPTIMIZER_NAMES = {"SGD": "SGD with Nesterov momentum 0.9", "Adam": "Adam"}

README_HEAD = """\
# Networks shipped with the project

Small but real networks, trained on Fashion-MNIST, for examples and tests. This page and everything
else in this folder is written by `scripts/train_models.py`; do not edit it by hand.

Each network's folder holds `model.json` and `weights.safetensors` (float32 as training left them,
BatchNorm separate), `sample_input.npy` ({samples} preprocessed test images) with the outputs
`sample_logits.npy` that PyTorch computed for them, and `info.json` (what the script measured).

"""

README_DATA = """\
## Data

- `data/fashion/calib/input.npy`: uint8 [{calibration},1,28,28], the first {calibration} training images, no labels
- `data/fashion/test/input.npy`: uint8 [{test},1,28,28], the first {test} test images
- `data/fashion/test_labels.npy`: int64 [{test}], their classes 0..9

The test images took no part in training. The recipes (depth, width, optimizer, length of training)
were chosen, among several tried, so that rounding to nearest with one scale per tensor fails: the
residual network's at 3 bits, the depthwise one's at 4. That is measured on the same test images. What
these networks are for is differences between methods of quantization.

## Origin and licences

- The networks were trained from random initial weights by `scripts/train_models.py` with Debian's
  PyTorch. Weights: Apache-2.0, like the project.
- The images and labels are Fashion-MNIST by Zalando Research
  (<https://github.com/zalandoresearch/fashion-mnist>), taken from Debian's package
  `dataset-fashion-mnist`. Licence: MIT, "Copyright (c) 2017 Zalando SE"; full text in
  `LICENSE-fashion-mnist`. It also covers the `sample_input.npy` files.

To make everything anew (the same bytes on the same kind of machine; elsewhere rounding in the
arithmetic of training gives slightly different networks, and the script stops where one misses its
requirements):

    apt-get install python3-torch libopenblas0-pthread python3-numpy dataset-fashion-mnist
    /usr/bin/python3 scripts/train_models.py --output models

## SHA-256

| file | bytes | SHA-256 |
|---|---|---|
"""


def describe_network(name: str, info: dict) -> str:
    """The README's section on one network."""
    training, measured = info["training"], info["accuracy"]
    lines = [
        f"## {name}",
        "",
        f"{info['description']}. {info['parameters']:,} parameters, {info['macs'] / 1e6:.2f} M MACs per image.",
        "",
        f"Trained for {training['epochs']} epochs by {OPTIMIZER_NAMES[training['optimizer']]}, "
        f"batch {training['batch_size']}, one-cycle learning rate up to {training['learning_rate']}, "
        f"weight decay {training['weight_decay']}, mirrored and shifted images, seed {training['seed']}.",
        "",
        f"Accuracy on the {info['test_images']:,} test images in percent: float **{measured['float']:.2f}**. "
        "Weights of every Conv and of the Gemm rounded to nearest (BatchNorm folded, symmetric grid, scale "
        "of least squared weight error, biases and activations float):",
        "",
        "| scales | " + " | ".join(f"{bits} bits" for bits in REPORTED_BITS) + " |",
        "|---" * (1 + len(REPORTED_BITS)) + "|",
    ]
    for granularity in GRANULARITIES:
        cells = (f"{measured['nearest'][granularity][str(bits)]:.2f}" for bits in REPORTED_BITS)
        lines.append(f"| per {granularity} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n"


def write_documentation(output: Path) -> None:
    """Writes the licence of the data and a README that describes the files that are there."""
    (output / "LICENSE-fashion-mnist").write_text(DATASET_LICENSE, encoding="utf-8")
    text = README_HEAD.format(samples=SAMPLE_IMAGES)
    folders = [folder for folder in map(output.joinpath, RECIPES) if (folder / "info.json").exists()]
    for folder in folders:
        text += describe_network(folder.name, json.loads((folder / "info.json").read_text(encoding="utf-8")))
    text += README_DATA.format(calibration=CALIBRATION_IMAGES, test=TEST_IMAGES)
    files = [path for folder in (*folders, output / "data" / "fashion") for path in folder.rglob("*") if path.is_file()]
    for path in sorted([*files, output / "LICENSE-fashion-mnist"]):
        content = path.read_bytes()
        text += f"| `{path.relative_to(output)}` | {len(content):,} | `{hashlib.sha256(content).hexdigest()}` |\n"
    (output / "README.md").write_text(text, encoding="utf-8")


def main() -> None:
    """Trains, checks and writes the networks asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "models", help="folder to write to (default: the project's models/)"
    )
    parser.add_argument(
        "--networks", nargs="+", choices=RECIPES, default=list(RECIPES), help="the networks to train (default: all)"
    )
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    train_images, train_labels = load_split("train")
    test_images, test_labels = (array[:TEST_IMAGES] for array in load_split("t10k"))
    test_inputs = preprocess(test_images)

    for name in arguments.networks:
        recipe = RECIPES[name]
        print(f"{name}: training", flush=True)
        model = train(recipe, train_images, train_labels)
        measured = measure(model, test_inputs, test_labels)
        print(f"  accuracy {json.dumps(measured)}")
        check_requirements(name, recipe, measured)
        write_network(arguments.output / name, model, recipe, measured, test_inputs[:SAMPLE_IMAGES])
    write_data(arguments.output / "data" / "fashion", train_images[:CALIBRATION_IMAGES], test_images, test_labels)
    write_documentation(arguments.output)


if __name__ == "__main__":
    main()
