"""What a comparison of two checkpoints found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.library.quantize.differences import psnr_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One checkpoint: `bytes` on the disk, seconds a denoising step, and the most memory of its own that its process
    took, in bytes: while it drew, and ever, loading and compiling included."""

    name: str
    title: str
    folder: str
    weights: str
    bytes: int
    seconds_per_step: float
    memory_drawing: int
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFound:
    """How far the two pictures of one prompt and seed are apart; channels in [0, 255]."""

    prompt: str
    seed: int
    psnr: float | None
    mean: float
    largest: int
    mean_square: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """`settings` in words; `sheets` has a picture for each prompt, `page` is the HTML file that shows everything."""

    first: Side
    second: Side
    settings: str
    request: Mapping[str, object]
    pairs: tuple[PairFound, ...]
    sheets: tuple[Path, ...] = ()
    page: Path | None = None

    @property
    def mean(self) -> float:
        """Mean absolute difference of a channel over all pairs."""
        return sum(pair.mean for pair in self.pairs) / len(self.pairs)

    @property
    def psnr(self) -> float | None:
        """Over all pairs, from their mean squared difference; None where all are identical."""
        return psnr_of(sum(pair.mean_square for pair in self.pairs) / len(self.pairs))

    def report(self) -> dict[str, Any]:
        """All of it, for JSON."""
        told = asdict(self)
        return {
            **told,
            "psnr": self.psnr,
            "mean": self.mean,
            "sheets": [str(sheet) for sheet in self.sheets],
            "page": str(self.page) if self.page else None,
        }
