"""Owns what an aesthetic score means here: sharpness, contrast and cleanness, and pictures that lack them.

SDXL's refiner is told a score of how much people like a picture. Nobody has judged our scenes, so ours is told what a
computer can measure, on a scene as well as on a picture drawn.
"""

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .compose import Scene, draw

Floats = NDArray[np.float64]
LOWEST, HIGHEST = 1.0, 10.0
# An edge is as sharp as pixels allow when half of its height lies between two neighbours.
SHARPEST = 0.55
FULL_CONTRAST = 0.9
WORST_NOISE = 0.06


def edge_sharpness(rgb: Floats) -> float:
    """How much of the picture's range its steepest edges cross in one pixel, in about [0, 0.5].

    The range is divided out, so that a pale subject with crisp outlines counts as crisp.
    """
    down, right = np.gradient(rgb, axis=(0, 1))
    steepest = np.quantile(np.hypot(down, right).max(2), 0.98)
    return float(steepest / max(contrast(rgb), 0.05))


def contrast(rgb: Floats) -> float:
    """The range between dark and bright in the channel that has most of it, in [0, 1]."""
    low, high = np.quantile(rgb, (0.02, 0.98), axis=(0, 1))
    return float((high - low).max())


def noise(rgb: Floats) -> float:
    """The standard deviation of the grain, by the median of second differences, which edges do not move."""
    second = ndimage.convolve(rgb, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=float)[:, :, None])
    # Of Gaussian grain of deviation 1 the convolution has deviation 6 and its absolute value the median 0.6745 · 6.
    return float(np.median(np.abs(second)) / (0.6745 * 6))


def score(picture: Image.Image) -> float:
    """From 1 (blurred, pale or grainy) to 10; a scene as it was composed has about 6 to 9."""
    rgb = np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    sharp = min(edge_sharpness(rgb) / SHARPEST, 1.0)
    strong = min(contrast(rgb) / FULL_CONTRAST, 1.0)
    clean = max(0.0, 1 - noise(rgb) / WORST_NOISE)
    return LOWEST + (HIGHEST - LOWEST) * sharp * (0.4 + 0.6 * strong) * clean


def degrade(picture: Image.Image, rng: random.Random) -> Image.Image:
    """The picture blurred (mostly), or paler, or grainy, by an amount that is drawn too."""
    rgb = np.asarray(picture, dtype=np.float64)
    if rng.random() < 0.8:
        rgb = ndimage.gaussian_filter(rgb, (*(rng.uniform(0.4, 2.0),) * 2, 0), mode="nearest")
    if rng.random() < 0.4:
        rgb = rgb.mean((0, 1)) + (rgb - rgb.mean((0, 1))) * rng.uniform(0.3, 0.9)
    if rng.random() < 0.12:
        grain = np.random.default_rng(rng.getrandbits(64)).standard_normal(rgb.shape)
        rgb = rgb + grain * rng.uniform(3, 14)
    return Image.fromarray(rgb.round().clip(0, 255).astype(np.uint8))


def graded(scene: Scene, rng: random.Random) -> tuple[Image.Image, tuple[float, ...]]:
    """A scene, half of the time degraded, and the refiner's five ids, of which the last is the measured score."""
    picture = draw(scene)
    if rng.random() < 0.5:
        picture = degrade(picture, rng)
    return picture, (*scene.original_size, *scene.crop, score(picture))
