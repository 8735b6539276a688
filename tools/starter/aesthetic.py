"""The aesthetic score: sharpness, contrast and cleanness; and degraded pictures without them.

SDXL's refiner is conditioned on a score of how much people like a picture. Nobody has rated these scenes, so ours uses
measurable properties, of a scene as well as of a generated picture.
"""

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from .compose import Scene, draw

Floats = NDArray[np.float64]
LOWEST, HIGHEST = 1.0, 10.0
# An edge has maximum sharpness when half of its height lies between two neighbours.
SHARPEST = 0.55
FULL_CONTRAST = 0.9
WORST_NOISE = 0.06


def edge_sharpness(rgb: Floats) -> float:
    """Return the share of the picture's range that its steepest edges cross in one pixel, in about [0, 0.5].

    It is relative to the range, so that a pale subject with crisp outlines counts as crisp.
    """
    down, right = np.gradient(rgb, axis=(0, 1))
    steepest = np.quantile(np.hypot(down, right).max(2), 0.98)
    return float(steepest / max(contrast(rgb), 0.05))


def contrast(rgb: Floats) -> float:
    """Return the range between dark and bright in the channel with the largest range, in [0, 1]."""
    low, high = np.quantile(rgb, (0.02, 0.98), axis=(0, 1))
    return float((high - low).max())


def noise(rgb: Floats) -> float:
    """Return the standard deviation of the grain, from the median of second differences, which is robust to edges."""
    second = ndimage.convolve(rgb, np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=float)[:, :, None])
    # For Gaussian grain of deviation 1 the convolution has deviation 6 and median absolute value 0.6745 · 6.
    return float(np.median(np.abs(second)) / (0.6745 * 6))


def score(picture: Image.Image) -> float:
    """Return a score from 1 (blurred, pale or grainy) to 10; a composed scene has about 6 to 9."""
    rgb = np.asarray(picture.convert("RGB"), dtype=np.float64) / 255
    sharp = min(edge_sharpness(rgb) / SHARPEST, 1.0)
    strong = min(contrast(rgb) / FULL_CONTRAST, 1.0)
    clean = max(0.0, 1 - noise(rgb) / WORST_NOISE)
    return LOWEST + (HIGHEST - LOWEST) * sharp * (0.4 + 0.6 * strong) * clean


def degrade(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Return the picture blurred (mostly), or paler, or grainy, by a random amount."""
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
    """Return a scene, degraded half of the time, and the refiner's five ids, of which the last is the measured
    score."""
    picture = draw(scene)
    if rng.random() < 0.5:
        picture = degrade(picture, rng)
    return picture, (*scene.original_size, *scene.crop, score(picture))
