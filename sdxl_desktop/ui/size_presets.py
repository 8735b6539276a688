"""The picture sizes SDXL was trained on, scaled to a checkpoint's native size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Size

_TRAINED_AREA = 1024 * 1024
_TRAINED_SIZES = (
    ("Square", Size(1024, 1024)),
    ("Gentle", Size(1152, 896)),
    ("Photo", Size(1216, 832)),
    ("Wide", Size(1344, 768)),
    ("Panorama", Size(1536, 640)),
)
"""The common training buckets (Podell et al., arXiv 2307.01952, appendix I)."""


@dataclass(frozen=True, slots=True)
class SizePreset:
    """A preset: its name and its size in pixels."""

    title: str
    size: Size

    @property
    def label(self) -> str:
        return f"{self.title} · {self.size.width} × {self.size.height}"


def size_presets_for(checkpoint: Checkpoint) -> tuple[SizePreset, ...]:
    """Return the square, the landscapes and their portraits, each with about the checkpoint's native area, without
    duplicates."""
    scale = math.sqrt(checkpoint.recommended.size.pixel_count / _TRAINED_AREA)
    landscapes = [(title, _scale_size(size, scale, checkpoint.size_multiple)) for title, size in _TRAINED_SIZES]
    both = landscapes + [(f"{title}, upright", size.swapped()) for title, size in landscapes]
    first_with: dict[Size, SizePreset] = {}
    for title, size in both:
        first_with.setdefault(size, SizePreset(title, size))
    return tuple(first_with.values())


def _scale_size(size: Size, scale: float, multiple: int) -> Size:
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale))).rounded_to_multiple(multiple)
