"""The result of comparing two checkpoints, and the difference of two images as numbers and as an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sdxl_desktop.core.events import Pixels

DIFFERENCE_GAIN = 4
"""Factor by which displayed differences are amplified."""
_RAMP = np.array([[0, 0, 0], [70, 20, 110], [200, 50, 60], [250, 170, 40], [255, 255, 220]], np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCheckpoint:
    """One checkpoint: `bytes` on disk, seconds per denoising step, and the peak memory of its process in bytes: during
    generation (`memory_drawing`), and overall, including loading and compiling (`memory`)."""

    name: str
    title: str
    folder: str
    weights: str
    bytes: int
    seconds_per_step: float
    memory_drawing: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDifference:
    """The difference of two images with the same prompt and seed; channels in [0, 255]."""

    prompt: str
    seed: int
    psnr: float | None
    mean: float
    largest: int
    mean_square: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointComparison:
    """`settings` is readable text; `sheets` has an image per prompt, `page` is the HTML file with everything."""

    first: ComparedCheckpoint
    second: ComparedCheckpoint
    settings: str
    request: Mapping[str, object]
    pairs: tuple[PairDifference, ...]
    sheets: tuple[Path, ...] = ()
    page: Path | None = None

    @property
    def mean(self) -> float:
        """Mean absolute channel difference over all pairs."""
        return sum(pair.mean for pair in self.pairs) / len(self.pairs)

    @property
    def psnr(self) -> float | None:
        """PSNR over all pairs, from their mean squared difference; None if all are identical."""
        return psnr_from_mse(sum(pair.mean_square for pair in self.pairs) / len(self.pairs))

    def to_json(self) -> dict[str, Any]:
        """Return all of it for JSON."""
        fields = asdict(self)
        return {
            **fields,
            "psnr": self.psnr,
            "mean": self.mean,
            "sheets": [str(sheet) for sheet in self.sheets],
            "page": str(self.page) if self.page else None,
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """`mean` and `largest` absolute channel difference, in [0, 255], and the mean squared difference."""

    mean: float
    largest: int
    mean_square: float

    @property
    def psnr(self) -> float | None:
        """Peak signal-to-noise ratio in dB, 10 · log10(255² / mean square); None for identical images."""
        return psnr_from_mse(self.mean_square)


def psnr_from_mse(mse: float) -> float | None:
    """Return the PSNR in dB for a mean squared difference of 8-bit channels; None for 0."""
    return None if mse == 0 else float(10 * np.log10(255**2 / mse))


def difference(one: Pixels, other: Pixels) -> Difference:
    """Compare two images of the same size, uint8 [H, W, 3]."""
    apart = np.abs(one.astype(np.int32) - other.astype(np.int32))
    return Difference(float(apart.mean()), int(apart.max()), float(np.square(apart).mean()))


def difference_map(one: Pixels, other: Pixels) -> Pixels:
    """Return a difference image, uint8 [H, W, 3]: the largest channel difference, times `DIFFERENCE_GAIN`, from black
    over red to white."""
    apart = np.abs(one.astype(np.float32) - other.astype(np.float32)).max(axis=2)
    place = np.clip(apart * DIFFERENCE_GAIN / 255, 0, 1) * (len(_RAMP) - 1)
    low = np.minimum(place.astype(int), len(_RAMP) - 2)
    part = (place - low)[..., None]
    colours = _RAMP[low] * (1 - part) + _RAMP[low + 1] * part
    return np.asarray(np.round(colours).astype(np.uint8))
