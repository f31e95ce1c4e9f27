#!/usr/bin/python3
"""Exports the networks of the AdaRound paper, and others, as PyTorch's users would.

usage: build_paper_networks.py OUT [--all] [--only NAME ...] [--list]

For each network OUT/NAME/ receives

    model.onnx         the exported network, first axis of input and output dynamic
    sample_input.npy   a few seeded inputs, float32
    sample_output.npy  what PyTorch computes for them in float64, rounded to float32

The weights are random and seeded: what is tested is reading and running a network, not its
accuracy. Batch normalization is given statistics and factors far from the identity that keep
activations of order one in every layer. A folder that is already there and was written by this very
script with this PyTorch is left as it is; a new one appears whole or not at all.

Without --all only the networks that the tests read are built. Needs Debian's python3-torchvision.
"""

import argparse
import copy
import dataclasses
import functools
import hashlib
import os
import shutil
import sys
import time
import warnings
from pathlib import Path
from typing import Callable, Tuple

import numpy as np
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.onnx import TrainingMode
from torchvision import models
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.resnet import BasicBlock, Bottleneck
from torchvision.ops import FrozenBatchNorm2d

NUM_CALIBRATION_SAMPLES = 4  # of BatchNorm statistics

# ---------------------------------------------------------------- networks written out here


def conv_bn_relu(c_in, c_out, kernel=1, dilation=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel, padding=dilation * (kernel // 2), dilation=dilation,
                  groups=groups, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
    )


def separable(c_in, c_out, dilation=1):
    return nn.Sequential(conv_bn_relu(c_in, c_in, 3, dilation, groups=c_in),
                         conv_bn_relu(c_in, c_out))


def plain3x3(c_in, c_out, dilation=1):
    return conv_bn_relu(c_in, c_out, 3, dilation)


class Aspp(nn.Module):
    """Atrous spatial pyramid pooling, with the pooled image as one of five branches."""

    def __init__(self, c_in, c_out, block, align_corners):
        super().__init__()
        self.branches = nn.ModuleList([conv_bn_relu(c_in, c_out)])
        self.branches.extend(block(c_in, c_out, rate) for rate in (6, 12, 18))
        self.pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(c_in, c_out))
        self.project = conv_bn_relu(5 * c_out, c_out)
        self.align_corners = align_corners

    def forward(self, x):
        parts = [branch(x) for branch in self.branches]
        parts.append(F.interpolate(self.pooled(x), size=x.shape[-2:], mode="bilinear",
                                   align_corners=self.align_corners))
        return self.project(torch.cat(parts, dim=1))


class DeepLabV3Plus(nn.Module):
    """Encoder at stride 16, ASPP, decoder with features of stride 4, 21 classes."""

    def __init__(self, low, high, c_low, c_high, width, block, align_corners):
        super().__init__()
        self.low, self.high = low, high
        self.aspp = Aspp(c_high, width, block, align_corners)
        self.reduce_low = conv_bn_relu(c_low, 48)
        self.decoder = nn.Sequential(block(width + 48, width), block(width, width))
        self.classifier = nn.Conv2d(width, 21, 1)
        self.align_corners = align_corners

    def forward(self, image):
        low = self.low(image)
        x = self.aspp(self.high(low))
        low = self.reduce_low(low)
        x = F.interpolate(x, size=low.shape[-2:], mode="bilinear",
                          align_corners=self.align_corners)
        x = self.classifier(self.decoder(torch.cat([low, x], dim=1)))
        return F.interpolate(x, size=image.shape[-2:], mode="bilinear",
                             align_corners=self.align_corners)


def deeplab_mobilenet(align_corners):
    features = models.mobilenet_v2().features[:18]
    # Stride 16: the last stage keeps its resolution and dilates instead.
    for module in features[14:].modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
            if module.stride == (2, 2):
                module.stride = (1, 1)
            else:
                module.dilation = module.padding = (2, 2)
    return DeepLabV3Plus(features[:4], features[4:], 24, 320, 256, separable, align_corners)


def deeplab_resnet(align_corners):
    r = models.ResNet(Bottleneck, [1, 1, 1, 1],
                      replace_stride_with_dilation=[False, False, True])
    low = nn.Sequential(r.conv1, r.bn1, r.relu, r.maxpool, r.layer1)
    high = nn.Sequential(r.layer2, r.layer3, r.layer4)
    return DeepLabV3Plus(low, high, 256, 2048, 96, plain3x3, align_corners)


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        n, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q @ k.transpose(-2, -1)) * (dim // self.heads) ** -0.5
        x = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(n, tokens, dim)
        return self.proj(x)


class PackedAttention(nn.Module):
    """PyTorch's own attention module, on the path that can be exported."""

    def __init__(self, dim, heads):
        super().__init__()
        self.attention = nn.MultiheadAttention(dim, heads, batch_first=True)

    def forward(self, x):
        return self.attention(x, x, x, need_weights=True)[0]


class TransformerBlock(nn.Module):
    def __init__(self, dim, heads, attention):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim, eps=1e-6)
        self.attention = attention(dim, heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class SmallVit(nn.Module):
    def __init__(self, attention, dim=96, heads=3, depth=4, patch=8, image=64, classes=100):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, patch, stride=patch)
        self.cls = nn.Parameter(torch.randn(1, 1, dim))
        self.position = nn.Parameter(torch.randn(1, (image // patch) ** 2 + 1, dim))
        self.blocks = nn.Sequential(*[TransformerBlock(dim, heads, attention)
                                      for _ in range(depth)])
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, classes)

    def forward(self, image):
        x = self.patches(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class SmallUnet(nn.Module):
    """Transposed convolutions with BatchNorm (one of them grouped), skips, other activations."""

    def __init__(self):
        super().__init__()

        def down(c_in, c_out, activation):
            return nn.Sequential(nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out),
                                 activation)

        def up(c_in, c_out, groups):
            return nn.Sequential(
                nn.ConvTranspose2d(c_in, c_out, 3, stride=2, padding=1, output_padding=1,
                                   groups=groups, bias=groups == 1),
                nn.BatchNorm2d(c_out), nn.ReLU())

        self.down1 = down(3, 16, nn.LeakyReLU(0.1))
        self.down2 = down(16, 32, nn.PReLU())
        self.down3 = down(32, 64, nn.SiLU())
        self.up2, self.up1 = up(64, 32, 1), up(64, 16, 4)
        self.norm = nn.GroupNorm(4, 32)
        self.fuse = nn.Conv2d(32, 16, 3, padding=1, padding_mode="reflect")
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.shuffle = nn.PixelShuffle(2)
        self.last = nn.Conv2d(16, 12, 1)

    def forward(self, image):
        a = self.down1(image)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.down3(F.avg_pool2d(b, 2, ceil_mode=True))
        x = torch.cat([self.up2(c), b], dim=1)
        x = self.norm(torch.cat([self.up1(x), a], dim=1))
        x = self.upsample(torch.tanh(self.fuse(x)))
        return self.shuffle(self.last(x))


class SmallMlp(nn.Module):
    """Fully connected layers with BatchNorm1d, on a flattened image."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(3 * 16 * 16, 128), nn.BatchNorm1d(128), nn.ReLU(),
            nn.Dropout(0.1), nn.Linear(128, 64, bias=False), nn.BatchNorm1d(64),
            nn.Hardswish(), nn.Linear(64, 10), nn.LogSoftmax(dim=1))

    def forward(self, image):
        return self.layers(image)


class SmallText(nn.Module):
    """Embedded tokens, attention that leaves out padding, mean over tokens."""

    def __init__(self, words=500, dim=64, heads=4, classes=20):
        super().__init__()
        self.embedding = nn.Embedding(words, dim)
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.out = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 128), nn.GELU(), nn.Linear(128, dim))
        self.head = nn.Linear(dim, classes)

    def split(self, x):
        return x.view(x.size(0), x.size(1), self.heads, -1).transpose(1, 2)

    def forward(self, tokens):
        padding = tokens.eq(0)
        x = self.embedding(tokens)
        x = x + torch.arange(tokens.size(1), device=tokens.device).to(x.dtype)[None, :, None] / 64
        scores = torch.matmul(self.split(self.query(x)),
                              self.split(self.key(x)).transpose(2, 3)) / 4.0
        scores = scores.masked_fill(padding[:, None, None, :], float("-inf"))
        y = torch.matmul(torch.softmax(scores, -1), self.split(self.value(x)))
        x = self.norm(x + self.out(y.transpose(1, 2).contiguous().flatten(2)))
        x = x + self.mlp(x)
        return self.head(x.mean(dim=1))


class SmallConv1d(nn.Module):
    """Convolutions over time: weight normalization, dilation, gated units."""

    def __init__(self):
        super().__init__()
        norm = nn.utils.weight_norm
        self.first = norm(nn.Conv1d(8, 32, 5, padding=2))
        self.gated = nn.ModuleList([norm(nn.Conv1d(16, 32, 3, padding=2 ** i, dilation=2 ** i))
                                    for i in range(3)])
        self.last = nn.Conv1d(16, 4, 1)
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x):
        x = F.glu(self.first(x), dim=1)
        for layer in self.gated:
            x = x + F.glu(layer(x), dim=1)
        return self.norm(self.last(x))


class SmallConv3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv3d(3, 16, 3, padding=1, bias=False), nn.BatchNorm3d(16), nn.ReLU(),
            nn.MaxPool3d((1, 2, 2)),
            nn.Conv3d(16, 32, (3, 1, 1), padding=(1, 0, 0), groups=2), nn.BatchNorm3d(32),
            nn.ELU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(32, 10))

    def forward(self, video):
        return self.layers(video)


def convnext():
    stages = [CNBlockConfig(24, 48, 1), CNBlockConfig(48, 96, 1), CNBlockConfig(96, None, 1)]
    return models.ConvNeXt(stages, num_classes=50)


def frozen_resnet():
    return models.ResNet(BasicBlock, [1, 1, 1, 1], norm_layer=FrozenBatchNorm2d)


# ---------------------------------------------------------------- weights


def log_uniform(count, low, high):
    return torch.exp(torch.empty(count).uniform_(float(np.log(low)), float(np.log(high))))


def random_weights(model):
    """Normal weights of unit gain whose output channels differ in scale by up to ten."""
    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.Linear)):
            weight = getattr(module, "weight_v", module.weight)
            transposed = isinstance(module, nn.ConvTranspose2d)
            axis = 1 if transposed else 0
            inputs = weight.numel() // weight.shape[axis]
            if transposed:
                # Each output position sees one weight in stride^2, and one group's inputs.
                inputs //= module.groups * module.stride[0] * module.stride[1]
            shape = [1] * weight.dim()
            shape[axis] = weight.shape[axis]
            gain = 1.0 if isinstance(module, nn.Linear) else 1.4
            scale = log_uniform(weight.shape[axis], 0.32, 3.2).reshape(shape)
            scale *= gain / (max(inputs, 1) * scale.square().mean()) ** 0.5
            weight.copy_(torch.randn_like(weight) * scale)
            if module.bias is not None:
                module.bias.copy_(0.3 * torch.randn_like(module.bias))
        elif isinstance(module, (nn.LayerNorm, nn.GroupNorm)):
            module.weight.uniform_(0.5, 1.5)
            module.bias.copy_(0.3 * torch.randn_like(module.bias))
        elif isinstance(module, nn.MultiheadAttention):
            dim = module.embed_dim
            module.in_proj_weight.copy_(torch.randn_like(module.in_proj_weight) / dim ** 0.5)
            module.in_proj_bias.copy_(0.3 * torch.randn_like(module.in_proj_bias))
    for name, parameter in model.named_parameters():
        # ConvNeXt starts with factors of 1e-6, which would leave its blocks without effect.
        if name.endswith("layer_scale"):
            parameter.uniform_(0.3, 1.0)


def set_statistics(module, inputs):
    """Statistics near those of the input, factors and offsets far from 1 and 0, some negative."""
    x = inputs[0].transpose(0, 1).flatten(1)
    mean, variance = x.mean(1), x.var(1).clamp(min=1e-3)
    count = len(mean)
    module.running_mean.copy_(mean + 0.3 * variance.sqrt() * torch.randn(count))
    module.running_var.copy_(variance * log_uniform(count, 0.5, 2.0))
    sign = torch.where(torch.rand(count) < 0.1, -1.0, 1.0)
    module.weight.copy_(sign * torch.empty(count).uniform_(0.5, 1.5))
    module.bias.copy_(0.3 * torch.randn(count))


def calibrate(model, x):
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, FrozenBatchNorm2d)
    handles = [m.register_forward_pre_hook(set_statistics) for m in model.modules()
               if isinstance(m, norms)]
    model(x)
    for handle in handles:
        handle.remove()


def random_images(count, channels, height, width):
    """Sums of noise at several scales: as in photographs, neighbours and channels are alike."""
    image = torch.zeros(count, channels, height, width)
    for size in (2, 5, 16, 50):
        grey = F.interpolate(torch.randn(count, 1, size, size), size=(height, width),
                             mode="bilinear", align_corners=False)
        colour = F.interpolate(torch.randn(count, channels, size, size), size=(height, width),
                               mode="bilinear", align_corners=False)
        image += 0.7 * grey + 0.5 * colour
    return image + 0.2 * torch.randn_like(image)


def images(height, width):
    return lambda count: random_images(count, 3, height, width)


def series(count):
    return random_images(count, 8, 1, 120).squeeze(2)


def videos(count):
    return random_images(count, 3 * 6, 20, 24).reshape(count, 3, 6, 20, 24)


def sentences(count):
    tokens = torch.randint(1, 500, (count, 32))
    for i in range(count):
        tokens[i, 32 - 5 * i:] = 0
    return tokens


# ---------------------------------------------------------------- export


@dataclasses.dataclass(frozen=True)
class Network:
    build: Callable[[], nn.Module]
    inputs: Callable[[int], torch.Tensor] = images(224, 224)
    opset: int = 13
    fold_constants: bool = True
    # PyTorch merges BatchNorm into convolutions unless the mode is preserved.
    keep_batch_norm: bool = False
    seed: int = 1
    samples: int = 2


def inception(transform_input):
    return models.inception_v3(transform_input=transform_input, init_weights=False)


def small_vit(attention):
    return functools.partial(SmallVit, attention)


def googlenet():
    return models.googlenet(aux_logits=False, init_weights=False)


def vision_transformer():
    return models.VisionTransformer(image_size=64, patch_size=8, num_layers=3, num_heads=3,
                                    hidden_dim=96, mlp_dim=384)


def swin():
    return models.SwinTransformer(patch_size=[4, 4], embed_dim=32, depths=[2, 2],
                                  num_heads=[2, 4], window_size=[4, 4])


def resnext():
    return models.ResNet(Bottleneck, [1, 1, 1, 1], groups=32, width_per_group=4)


def lraspp():
    return models.segmentation.lraspp_mobilenet_v3_large(weights_backbone=None)


TESTED = {
    "resnet18": Network(models.resnet18, opset=11, fold_constants=False, keep_batch_norm=True),
    "resnet50": Network(models.resnet50, samples=1),
    "mobilenet_v2": Network(models.mobilenet_v2, opset=12),
    "mobilenet_v2_batch_norm": Network(models.mobilenet_v2, opset=16, keep_batch_norm=True,
                                       samples=4),
    "inception_v3": Network(functools.partial(inception, True), images(299, 299),
                            fold_constants=False, keep_batch_norm=True, samples=1),
    "deeplab_v3_plus_mobilenet": Network(functools.partial(deeplab_mobilenet, False),
                                         images(257, 257), samples=1),
    "deeplab_v3_plus_resnet": Network(functools.partial(deeplab_resnet, True), images(257, 193),
                                      opset=11, keep_batch_norm=True, samples=1),
    "vit_opset13": Network(small_vit(Attention), images(64, 64)),
    "vit_opset17": Network(small_vit(Attention), images(64, 64), opset=17, samples=4),
    "vit_unfolded": Network(small_vit(Attention), images(64, 64), opset=14,
                            fold_constants=False),
    "vit_packed_attention": Network(small_vit(PackedAttention), images(64, 64), opset=17),
    "vit_opset9": Network(small_vit(Attention), images(64, 64), opset=9),
    "unet": Network(SmallUnet, images(64, 48), keep_batch_norm=True, samples=4),
    "unet_opset10": Network(SmallUnet, images(64, 48), opset=10),
    "mlp": Network(SmallMlp, images(16, 16), keep_batch_norm=True, samples=32),
    "mlp_opset14": Network(SmallMlp, images(16, 16), opset=14, fold_constants=False,
                           keep_batch_norm=True),
    "text": Network(SmallText, sentences, opset=12, samples=4),
    "conv1d": Network(SmallConv1d, series, fold_constants=False, keep_batch_norm=True),
    "conv3d": Network(SmallConv3d, videos, keep_batch_norm=True),
    "frozen_resnet": Network(frozen_resnet, images(96, 96), fold_constants=False),
    "resnext": Network(resnext, images(160, 160), opset=12),
    "squeezenet": Network(models.squeezenet1_1, opset=12),
    "densenet121": Network(models.densenet121, images(160, 160), keep_batch_norm=True),
    "shufflenet_v2": Network(models.shufflenet_v2_x1_0),
    "efficientnet_b0": Network(models.efficientnet_b0, opset=11),
    "mobilenet_v3_large": Network(models.mobilenet_v3_large, opset=14),
    "mobilenet_v3_small": Network(models.mobilenet_v3_small, opset=11),
    "mnasnet": Network(models.mnasnet1_0, opset=9),
    "regnet_y_400mf": Network(models.regnet_y_400mf, opset=15),
    "googlenet": Network(googlenet, opset=10, samples=1),
    "convnext": Network(convnext, images(96, 96), opset=16),
    "vision_transformer": Network(vision_transformer, images(64, 64), opset=14),
    "swin": Network(swin, images(64, 64), opset=14),
    "lraspp_mobilenet_v3": Network(lraspp, images(129, 97)),
}

OTHERS = {
    "inception_v3_merged": Network(functools.partial(inception, False), images(299, 299),
                                   opset=11),
    "resnet18_opset9": Network(models.resnet18, opset=9),
    "resnext50": Network(models.resnext50_32x4d),
    "convnext_tiny": Network(models.convnext_tiny, opset=17),
    "efficientnet_v2_s": Network(models.efficientnet_v2_s),
    "regnet_x_800mf": Network(models.regnet_x_800mf, opset=12),
    "vgg11_bn": Network(models.vgg11_bn, keep_batch_norm=True, samples=1),
    "swin_t": Network(models.swin_t, opset=17),
    "maxvit_t": Network(models.maxvit_t, opset=17, samples=1),
    "fcn_resnet50": Network(functools.partial(models.segmentation.fcn_resnet50,
                                              weights_backbone=None), images(129, 97)),
    "deeplabv3_mobilenet_v3_large": Network(functools.partial(
        models.segmentation.deeplabv3_mobilenet_v3_large, weights_backbone=None),
        images(129, 97), opset=11),
}


class FirstOutput(nn.Module):
    """Segmentation networks of torchvision return dictionaries."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


def check_output(name, output):
    """A network whose outputs vanish, explode or ignore the input would test nothing."""
    spread = float(output.std())
    if not np.isfinite(output).all() or not 1e-2 < spread < 1e3:
        sys.exit("%s: outputs have a standard deviation of %g" % (name, spread))
    if len(output) > 1:
        apart = float(np.abs(output[0] - output[1]).max()) / float(np.abs(output).max())
        if apart < 0.05:
            sys.exit("%s: two inputs give outputs that differ by %g alone" % (name, apart))


def export(name, network, folder):
    """Returns how far PyTorch's own float32 outputs are from those that it writes."""
    torch.manual_seed(network.seed)
    model = network.build().eval()
    if name.startswith(("lraspp", "fcn", "deeplabv3_")):
        model = FirstOutput(model)
    with torch.no_grad():
        random_weights(model)
        inputs = network.inputs(max(NUM_CALIBRATION_SAMPLES, network.samples))
        calibrate(model, inputs)
        sample = inputs[:network.samples]
    # With gradients, or PyTorch's attention takes a fused path that cannot be exported.
    exact_sample = sample.double() if sample.is_floating_point() else sample
    output = copy.deepcopy(model).double()(exact_sample).detach().numpy()
    check_output(name, output)
    error = np.abs(model(sample).detach().numpy() - output).max() / np.abs(output).max()
    mode = TrainingMode.PRESERVE if network.keep_batch_norm else TrainingMode.EVAL
    torch.onnx.export(
        model, sample, str(folder / "model.onnx"), opset_version=network.opset,
        do_constant_folding=network.fold_constants, training=mode, input_names=["input"],
        output_names=["output"], dynamic_axes={"input": {0: "N"}, "output": {0: "N"}})
    np.save(folder / "sample_input.npy", sample.numpy())
    np.save(folder / "sample_output.npy", output.astype(np.float32))
    return error


def fingerprint():
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return "%s torch %s torchvision %s\n" % (digest, torch.__version__, torchvision.__version__)


def build(name, network, out, stamp):
    folder = out / name
    stamp_file = folder / "built_by.txt"
    if stamp_file.is_file() and stamp_file.read_text() == stamp:
        return
    started = time.monotonic()
    partial = out / ("%s.partial%d" % (name, os.getpid()))
    partial.mkdir(parents=True)
    try:
        error = export(name, network, partial)
        (partial / "built_by.txt").write_text(stamp)
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    print("%-28s %5.1f s  %6.1f MB  PyTorch's own rounding error %.1e" % (
        name, time.monotonic() - started,
        (folder / "model.onnx").stat().st_size / 1e6, error), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT")
    parser.add_argument("--all", action="store_true", help="networks too that no test reads")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these networks alone")
    parser.add_argument("--list", action="store_true", help="print the names, build nothing")
    arguments = parser.parse_args()
    everything = {**TESTED, **OTHERS}
    if arguments.list:
        print("\n".join(everything))
        return
    names = arguments.only or list(everything if arguments.all else TESTED)
    for name in names:
        if name not in everything:
            parser.error("no network is called '%s'; --list shows them" % name)
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    stamp = fingerprint()
    for name in names:
        build(name, everything[name], arguments.out, stamp)


if __name__ == "__main__":
    main()
