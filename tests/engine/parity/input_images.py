"""The pictures and masks that the cases edit: small, uneven in every direction, so that nothing can be mirrored or
shifted unnoticed."""

from __future__ import annotations

from functools import cache

import numpy as np

from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Raster


@cache
def photo(size: Size, seed: int = 3) -> Raster:
    """Coloured blots over a slope, different for every `seed`."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0 : size.height, 0 : size.width]
    pixels = np.zeros((size.height, size.width, 3))
    pixels[..., 0] = 255 * columns / size.width
    pixels[..., 1] = 255 * rows / size.height
    for _ in range(6):
        row, column = random.integers(size.height), random.integers(size.width)
        blot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * random.uniform(6, 20) ** 2))
        pixels += (random.uniform(-300, 300, 3) * blot[..., None]).round(3)
    return Raster.from_pixels(np.clip(pixels, 0, 255).astype(np.uint8), f"photo-{seed}.png")


@cache
def mask(size: Size, *, inverted: bool = False) -> Raster:
    """A box and, touching it, a slanted edge: white right of the middle, and not on the latents' grid."""
    rows, columns = np.mgrid[0 : size.height, 0 : size.width]
    white = (columns > 0.45 * size.width) & (columns < 0.9 * size.width) & (rows > 0.2 * size.height + columns / 16)
    return Raster.from_pixels(np.where(white != inverted, 255, 0).astype(np.uint8), "mask.png")


@cache
def box_mask(size: Size, box: Rect) -> Raster:
    """White in the box."""
    pixels = np.zeros((size.height, size.width), dtype=np.uint8)
    pixels[box.y : box.bottom, box.x : box.right] = 255
    return Raster.from_pixels(pixels, "box.png")


@cache
def box_and_stroke(size: Size) -> Raster:
    """White in a box and in a stroke of three pixels that meets no corner of the latents' grid."""
    pixels = np.zeros((size.height, size.width), dtype=np.uint8)
    pixels[16:40, 64:104] = 255
    pixels[10:56, 25:28] = 255
    return Raster.from_pixels(pixels, "box-and-stroke.png")
