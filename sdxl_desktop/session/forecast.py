"""What the next run will take of time and memory, in words, and what would help where that is more than there is."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.engine.footprint import Footprint

_LARGE_UNET = 4 << 30
"""Bytes that a full-size UNet takes in memory with 8-bit weights; with more it has 16 or 32 bits, or few have it."""
_STEP = 64
_SMALLEST = 256


@dataclass(frozen=True, slots=True)
class Forecast:
    """`seconds` and `peak` bytes of the engine's process, None where nobody can know; `measured` is false while the
    peak is only an estimate from the sizes of the checkpoint's files, which are in `footprint`."""

    size: Size
    seconds: float | None = None
    peak: int | None = None
    measured: bool = False
    footprint: Footprint | None = None

    def shortage(self, free: int) -> int:
        """Bytes that are missing when `free` bytes may be taken; 0 when it fits."""
        return 0 if self.peak is None else max(0, self.peak - free)

    def help(self, free: int) -> tuple[str, ...]:
        """What would make it fit into `free` bytes, the nearest first; empty when it fits or nothing is known to."""
        if not self.shortage(free):
            return ()
        offers = []
        if (smaller := self._fitting(free)) is not None:
            offers.append(f"draw {smaller.width} × {smaller.height} and enlarge it afterwards")
        if self.footprint is not None and self.footprint.unet > 2 * _LARGE_UNET:
            offers.append("import the checkpoint again in 8 bits")
        return (*offers, "close other programs")

    def _fitting(self, free: int) -> Size | None:
        """The largest size of the same proportions that would fit; None when not even a small one does."""
        if self.footprint is None or self.peak is None:
            return None
        beside = self.peak - self.footprint.peak(self.size)
        longer = max(self.size.width, self.size.height)
        for side in range((longer - 1) // _STEP * _STEP, _SMALLEST - 1, -_STEP):
            scaled = Size(*(max(_STEP, round(s * side / longer / _STEP) * _STEP) for s in self._sides))
            if self.footprint.peak(scaled) + beside <= free:
                return scaled
        return None

    @property
    def _sides(self) -> tuple[int, int]:
        return self.size.width, self.size.height
