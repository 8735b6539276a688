"""Pictures and masks for the tests of imaging: drawn on the spot, the same each time."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from sdxl_desktop.core.raster import UInt8Array


def noise(width: int, height: int, seed: int = 0) -> UInt8Array:
    """Independent pixels: whatever is mixed up shows."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def scene(width: int, height: int, seed: int = 0, texture: float = 0.6) -> UInt8Array:
    """Something like a photograph: a gradient, shapes with soft edges, and texture of several sizes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    y, x = y[..., None] / height, x[..., None] / width
    corners = rng.uniform(0, 255, (4, 3))
    sky = corners[0] * (1 - x) * (1 - y) + corners[1] * x * (1 - y) + corners[2] * (1 - x) * y + corners[3] * x * y
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for _ in range(8):
        left, top = (int(v) for v in rng.integers(0, (width, height)))
        box = (left, top, left + int(rng.integers(8, width // 3)), top + int(rng.integers(8, height // 3)))
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        (draw.ellipse if rng.random() < 0.5 else draw.rectangle)(box, fill=colour)
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(1))).astype(np.float32)
    for sigma, strength in ((1, 8), (4, 20), (16, 25)):
        grain = ndimage.gaussian_filter(rng.normal(size=pixels.shape), (sigma, sigma, 0)) * sigma * strength
        pixels += np.float32(texture) * grain.astype(np.float32)
    return np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)


def disc(width: int, height: int, x: float, y: float, radius: float) -> UInt8Array:
    """A hard-edged round mask."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, np.uint8(255), np.uint8(0))


def blobs(width: int, height: int, seed: int) -> UInt8Array:
    """A soft mask of a few strokes, some of which touch the border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), dtype=np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        mask = np.maximum(mask, disc(width, height, x, y, rng.uniform(0.6, min(width, height) / 4)))
    return mask if rng.random() < 0.5 else np.minimum(mask, rng.integers(1, 256, mask.shape).astype(np.uint8))


def file(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
