"""How far two pictures of the same words and seed are apart, in numbers and as a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdxl_desktop.core.events import Pixels

GAIN = 4
"""Differences are shown this many times as large."""
_RAMP = np.array([[0, 0, 0], [70, 20, 110], [200, 50, 60], [250, 170, 40], [255, 255, 220]], np.float32)


@dataclass(frozen=True, slots=True)
class Difference:
    """`mean` and `largest` absolute difference of a channel, in [0, 255], and the mean of its square."""

    mean: float
    largest: int
    mean_square: float

    @property
    def psnr(self) -> float | None:
        """Peak signal-to-noise ratio in dB, 10 · log10(255² / mean square); None where nothing differs."""
        return psnr_of(self.mean_square)


def psnr_of(mean_square: float) -> float | None:
    """The ratio in dB for a mean squared difference of 8-bit channels; None for 0."""
    return None if mean_square == 0 else float(10 * np.log10(255**2 / mean_square))


def difference(one: Pixels, other: Pixels) -> Difference:
    """Between two pictures of the same size, uint8 [H, W, 3]."""
    apart = np.abs(one.astype(np.int32) - other.astype(np.int32))
    return Difference(float(apart.mean()), int(apart.max()), float(np.square(apart).mean()))


def difference_map(one: Pixels, other: Pixels) -> Pixels:
    """Where they differ, uint8 [H, W, 3]: the largest of the channels' differences, `GAIN` times, from black over
    red to white."""
    apart = np.abs(one.astype(np.float32) - other.astype(np.float32)).max(axis=2)
    place = np.clip(apart * GAIN / 255, 0, 1) * (len(_RAMP) - 1)
    low = np.minimum(place.astype(int), len(_RAMP) - 2)
    part = (place - low)[..., None]
    colours = _RAMP[low] * (1 - part) + _RAMP[low + 1] * part
    return np.asarray(np.round(colours).astype(np.uint8))
