#!/usr/bin/python3
"""Turns a folder of images into the uint8 array that `adaround` reads as calibration or test data.

    scripts/images_to_npy.py IMAGES OUTPUT.npy [--size 224]

Every .jpg, .jpeg and .png file of IMAGES, in order of names, becomes one RGB sample of
OUTPUT.npy, uint8 [samples, 3, height, width]. Name OUTPUT like the model's input, such as
calib/input.npy. With --size the shorter side is resized to SIZE (bilinear) and the centre cropped;
without it all images must have the same size. Needs Debian's python3-pil and python3-numpy.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def load(path: Path, size: int | None) -> np.ndarray:
    """One image as uint8 [3, height, width]."""
    with Image.open(path) as image:
        image = image.convert("RGB")
        if size is not None:
            factor = size / min(image.size)
            image = image.resize([max(size, round(side * factor)) for side in image.size], Image.BILINEAR)
            left, top = (image.width - size) // 2, (image.height - size) // 2
            image = image.crop((left, top, left + size, top + size))
        return np.asarray(image).transpose(2, 0, 1)


def main() -> None:
    """Reads the folder and writes the array."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--size", type=int, help="resize the shorter side and crop to SIZE x SIZE")
    arguments = parser.parse_args()
    paths = sorted(p for p in arguments.images.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not paths:
        sys.exit(f"{arguments.images} holds no .jpg or .png file")
    samples = [load(path, arguments.size) for path in paths]
    for path, sample in zip(paths, samples):
        if sample.shape != samples[0].shape:
            sys.exit(f"{path} is {sample.shape[2]}x{sample.shape[1]}, {paths[0]} differs; give --size")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    np.save(arguments.output, np.stack(samples))


if __name__ == "__main__":
    main()
