#!/usr/bin/python3
"""Writes pictures, and what Pillow and torchvision make of them, for the tests of the readers.

    scripts/make_image_cases.py FOLDER

FOLDER/decode/NAME.jpg or .png with NAME.npy: uint8 [height, width] or [height, width, 3], decoded.
FOLDER/resize/INTERPOLATION_RESIZE_CROP/NAME.png with NAME.npy, likewise, of
torchvision.transforms.Resize(RESIZE) and CenterCrop(CROP); 0 stands for a step left out.
Needs Debian's python3-pil, python3-numpy and python3-torchvision.
"""

import argparse
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision import transforms
from torchvision.transforms import InterpolationMode


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """Smooth colours with edges and a little noise, uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * a + y * b + c) for a, b, c in random.uniform(0.02, 0.3, (3, 3))]
    values = 128 + 90 * np.stack(waves, axis=-1) + random.normal(0, 6, (height, width, 3))
    values[height // 3 : height // 2, width // 4 : width // 2] = random.uniform(0, 255, 3)
    return np.clip(values, 0, 255).astype(np.uint8)


def png_of_16_bits(values: np.ndarray) -> bytes:
    """A PNG file of uint16 [height, width] or [height, width, 3], which Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = values.shape[:2]
    color = 2 if values.ndim == 3 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def write_decode_cases(folder: Path) -> None:
    """Every kind of file that is read."""
    folder.mkdir(parents=True)
    rgb = Image.fromarray(picture(61, 43, 1))
    saved = {
        "subsampled.jpg": (rgb, {"quality": 75}),
        "full.jpg": (rgb, {"quality": 95, "subsampling": 0}),
        "half.jpg": (rgb, {"quality": 85, "subsampling": 1}),
        "progressive.jpg": (rgb, {"quality": 80, "progressive": True}),
        "optimized.jpg": (rgb, {"quality": 50, "optimize": True}),
        "gray.jpg": (rgb.convert("L"), {"quality": 80}),
        "cmyk.jpg": (rgb.convert("CMYK"), {"quality": 90}),
        "one_pixel.jpg": (rgb.crop((0, 0, 1, 1)), {}),
        "rgb.png": (rgb, {}),
        "gray.png": (rgb.convert("L"), {}),
        "bits.png": (rgb.convert("1"), {}),
        "palette.png": (rgb.quantize(200), {}),
        "small_palette.png": (rgb.quantize(11), {"bits": 4}),
        "transparent_palette.png": (rgb.quantize(30), {"transparency": 3}),
    }
    rgba = rgb.convert("RGBA")
    rgba.putalpha(Image.fromarray(picture(61, 43, 2)[:, :, 0]))
    saved["rgba.png"] = (rgba, {})
    saved["gray_alpha.png"] = (rgba.convert("LA"), {})
    for name, (image, options) in saved.items():
        image.save(folder / name, **options)
        with Image.open(folder / name) as read:
            is_gray = read.mode in ("1", "L", "LA")
            np.save(folder / f"{name}.npy", np.asarray(read.convert("L" if is_gray else "RGB")))
    wide = np.random.default_rng(3).integers(0, 65536, (9, 14, 3)).astype(np.uint16)
    for name, values in (("rgb16.png", wide), ("gray16.png", wide[:, :, 0])):
        (folder / name).write_bytes(png_of_16_bits(values))
        np.save(folder / f"{name}.npy", (values >> 8).astype(np.uint8))


def write_resize_cases(folder: Path) -> None:
    """Reductions, enlargements, odd margins, and crops larger than the picture."""
    sizes = [(300, 200), (200, 301), (37, 53), (64, 64), (125, 31)]
    modes = {
        "nearest": InterpolationMode.NEAREST,
        "bilinear": InterpolationMode.BILINEAR,
        "bicubic": InterpolationMode.BICUBIC,
    }
    for name, mode in modes.items():
        for resize, crop in ((73, 64), (64, 64), (40, 57), (0, 64), (160, 33)):
            case = folder / f"{name}_{resize}_{crop}"
            case.mkdir(parents=True)
            steps = [transforms.Resize(resize, interpolation=mode)] if resize else []
            transform = transforms.Compose([*steps, transforms.CenterCrop(crop)])
            for index, (width, height) in enumerate(sizes):
                image = Image.fromarray(picture(width, height, 10 + index))
                image.save(case / f"{width}x{height}.png")
                np.save(case / f"{width}x{height}.png.npy", np.asarray(transform(image)))


def main() -> None:
    """Writes both kinds of cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if folder.exists():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    write_decode_cases(folder / "decode")
    write_resize_cases(folder / "resize")


if __name__ == "__main__":
    main()
