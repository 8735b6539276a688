"""Immutable pixels of a request, compared by content; a record keeps their description without the pixels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size

UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Raster:
    """A picture (uint8 [H, W, 3], sRGB) or a mask (uint8 [H, W], 255 where new pixels are wanted).

    Two are equal if size, content (`digest`) and `name` (the source file, if any) are equal. A raster read from a
    picture's record has no pixels: it only describes what was used.
    """

    size: Size
    digest: str
    name: str = ""
    pixels: UInt8Array | None = field(default=None, compare=False, repr=False)

    @classmethod
    def from_pixels(cls, pixels: UInt8Array, name: str = "") -> Raster:
        """Create a raster from a copy of `pixels`, uint8 [H, W, 3] or, for a mask, [H, W]."""
        own = np.array(pixels, dtype=np.uint8, order="C")
        own.setflags(write=False)
        digest = hashlib.blake2b(own.tobytes(), digest_size=12, person=f"{own.ndim}d".encode()).hexdigest()
        return cls(size=Size(own.shape[1], own.shape[0]), digest=digest, name=name, pixels=own)

    @property
    def array(self) -> UInt8Array:
        """Return the pixels, uint8 [H, W, 3] or [H, W]; raises RequestError if only their record is left."""
        if self.pixels is None:
            raise RequestError(
                f"The picture {self.name or 'that this was made from'} is not at hand.",
                why="A saved picture remembers which picture it was made from, not its pixels.",
                next_step="Open that picture again.",
            )
        return self.pixels

    def without_pixels(self) -> Raster:
        """Return a copy without pixels."""
        return Raster(self.size, self.digest, self.name)
