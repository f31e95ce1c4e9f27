"""A plain AdaRound of one layer in PyTorch, the peer that scripts/bench_peer.py measures against.

As AIMET has it: minibatches of 32 whole images; Adam at 1e-3 on V; squared error summed over
channels, averaged over images and positions; 0.01 times the sum over weights of
1 - |2 h(V) - 1|^beta; beta from 20 to 2 by a cosine after a warm start of 20 %. The scale, one for
the tensor, is given: that of the program it is compared with.
"""

import json
import math
import resource
import time

import numpy as np
import torch
import torch.nn.functional as F

import bench_layers

ZETA, GAMMA = 1.1, -0.1
WARM_START, BETA_START, BETA_END = 0.2, 20.0, 2.0
LAMBDA, BATCH, LEARNING_RATE = 0.01, 32, 1e-3
Q_MIN, Q_MAX = -8, 7


class Layer:
    """One layer of bench_layers: weights, activation and inputs."""

    def __init__(self, folder):
        about = json.loads((folder / "layer.json").read_text())
        tensors = bench_layers.read_safetensors(folder / "weights.safetensors")
        self.folder = folder
        self.weight = torch.from_numpy(tensors["weight"].copy())
        self.bias = torch.from_numpy(tensors["bias"].copy())
        self.conv, self.activation = about["conv"], about["activation"]
        self.padding = None
        if self.conv and self.conv["pads"][:2] == self.conv["pads"][2:]:
            self.padding = tuple(self.conv["pads"][:2])

    def inputs(self, part):
        """With the padding where it is not the same on all sides, which convolutions cannot add."""
        x = torch.from_numpy(np.load(self.folder / part / "x.npy"))
        if self.conv is None or self.padding is not None:
            return x
        top, left, bottom, right = self.conv["pads"]
        return F.pad(x, (left, right, top, bottom))

    def __call__(self, x, weight):
        if self.conv is None:
            y = F.linear(x, weight, self.bias)
        else:
            y = F.conv2d(x, weight, self.bias, self.conv["strides"], self.padding or (0, 0), 1,
                         self.conv["group"])
        if self.activation == "Relu":
            return torch.relu(y)
        return y.clamp(0, 6) if self.activation == "Relu6" else y

    def outputs(self, x, weight):
        with torch.no_grad():
            return torch.cat([self(x[i:i + BATCH], weight) for i in range(0, len(x), BATCH)])

    def held_out_error(self, weight):
        """Mean squared error per element, behind the activation, on the held-out inputs."""
        x = self.inputs("held_out")
        total, count = 0.0, 0
        for i in range(0, len(x), BATCH):
            with torch.no_grad():
                d = self(x[i:i + BATCH], weight) - self(x[i:i + BATCH], self.weight)
            total += float(d.double().square().sum())
            count += d.numel()
        return total / count

    def nearest(self, scale):
        return scale * torch.clamp(torch.round(self.weight / scale), Q_MIN, Q_MAX)


class AdaRound:
    """The search's state: all of it is in V, Adam and the generator, so that it can be stopped."""

    def __init__(self, layer, scale, iterations, seed=0):
        self.layer, self.scale, self.iterations = layer, scale, iterations
        self.floor = torch.floor(layer.weight / scale)
        fraction = layer.weight / scale - self.floor
        self.v = torch.log((fraction - GAMMA) / (ZETA - fraction)).requires_grad_()
        self.adam = torch.optim.Adam([self.v], lr=LEARNING_RATE)
        self.generator = torch.Generator().manual_seed(seed)
        self.step = 0
        self.x = layer.inputs("calib")
        self.y = layer.outputs(self.x, layer.weight)

    def soft_rounding(self):
        return torch.clamp(torch.sigmoid(self.v) * (ZETA - GAMMA) + GAMMA, 0, 1)

    def advance(self, steps):
        for _ in range(steps):
            chosen = torch.randperm(len(self.x), generator=self.generator)[:BATCH]
            x, y = self.x[chosen], self.y[chosen]
            h = self.soft_rounding()
            weight = self.scale * torch.clamp(self.floor + h, Q_MIN, Q_MAX)
            loss = (self.layer(x, weight) - y).square().sum(1).mean()
            warm = WARM_START * self.iterations
            if self.step >= warm:
                progress = (self.step - warm) / (self.iterations - warm)
                beta = BETA_END + 0.5 * (BETA_START - BETA_END) * (1 + math.cos(math.pi * progress))
                loss = loss + LAMBDA * (1 - (2 * h - 1).abs().pow(beta)).sum()
            self.adam.zero_grad()
            loss.backward()
            self.adam.step()
            self.step += 1

    def weight(self):
        with torch.no_grad():
            up = (self.soft_rounding() >= 0.5).float()
            return self.scale * torch.clamp(self.floor + up, Q_MIN, Q_MAX)

    def state(self):
        return {"v": self.v.detach(), "adam": self.adam.state_dict(), "step": self.step,
                "generator": self.generator.get_state()}

    def load(self, state):
        with torch.no_grad():
            self.v.copy_(state["v"])
        self.adam.load_state_dict(state["adam"])
        self.generator.set_state(state["generator"])
        self.step = state["step"]


def time_steps(folder, scale, iterations, seconds):
    """Seconds of one step, the median of parts that take about `seconds` together; peak bytes."""
    search = AdaRound(Layer(folder), scale, iterations)
    # Behind the warm start: where most steps are.
    search.step = int(WARM_START * iterations)
    search.advance(2)
    begin = time.perf_counter()
    search.advance(3)
    part = max(1, int(seconds / 5 / ((time.perf_counter() - begin) / 3)))
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        search.advance(part)
        times.append((time.perf_counter() - begin) / part)
    return float(np.median(times)), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
