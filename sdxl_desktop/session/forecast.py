"""The expected time and memory of the next run, in words, and suggestions if memory is short."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.engine.memory_footprint import MemoryFootprint

_LARGE_UNET_BYTES = 4 << 30
"""Memory of a full-size UNet with 8-bit weights; a larger one has 16- or 32-bit weights, or few 8-bit ones."""
_SIZE_STEP = 64
_MIN_SIDE = 256


@dataclass(frozen=True, slots=True)
class RunForecast:
    """`seconds` and `peak_memory` in bytes of the engine's process, None if unknown; `measured` is false if the peak is
    only estimated from the sizes of the checkpoint's files, which are in `footprint`."""

    size: Size
    seconds: float | None = None
    peak_memory: int | None = None
    measured: bool = False
    footprint: MemoryFootprint | None = None

    def shortage(self, free: int) -> int:
        """Return the bytes missing if `free` bytes are available; 0 if it fits."""
        return 0 if self.peak_memory is None else max(0, self.peak_memory - free)

    def suggestions(self, free: int) -> tuple[str, ...]:
        """Return ways to fit into `free` bytes, the nearest first; empty if it fits or nothing is known to help."""
        if not self.shortage(free):
            return ()
        offers = []
        if (smaller := self._largest_fitting_size(free)) is not None:
            offers.append(f"draw {smaller.width} × {smaller.height} and enlarge it afterwards")
        if self.footprint is not None and self.footprint.unet > 2 * _LARGE_UNET_BYTES:
            offers.append("import the checkpoint again in 8 bits")
        return (*offers, "close other programs")

    def _largest_fitting_size(self, free: int) -> Size | None:
        """Return the largest size of the same proportions that would fit; None if even a small one does not."""
        if self.footprint is None or self.peak_memory is None:
            return None
        other_bytes = self.peak_memory - self.footprint.peak(self.size)
        longer = max(self.size.width, self.size.height)
        for side in range((longer - 1) // _SIZE_STEP * _SIZE_STEP, _MIN_SIDE - 1, -_SIZE_STEP):
            scaled = Size(*(max(_SIZE_STEP, round(s * side / longer / _SIZE_STEP) * _SIZE_STEP) for s in self._sides))
            if self.footprint.peak(scaled) + other_bytes <= free:
                return scaled
        return None

    @property
    def _sides(self) -> tuple[int, int]:
        return self.size.width, self.size.height
