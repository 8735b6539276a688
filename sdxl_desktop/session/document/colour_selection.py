"""Select by colour: the pixels similar to a given one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sdxl_desktop.core.raster import UInt8Array


def similar_pixels(picture: UInt8Array, x: int, y: int, tolerance: int, *, contiguous: bool) -> npt.NDArray[np.bool_]:
    """Return which pixels of `picture` (uint8 [H, W, 3]) differ from pixel (x, y) by at most `tolerance` in [0, 255] in
    every channel: bool [H, W]. `contiguous`: only those 4-connected to it."""
    colour = picture[y, x].astype(np.int16)
    low = np.clip(colour - tolerance, 0, 255).astype(np.uint8)
    high = np.clip(colour + tolerance, 0, 255).astype(np.uint8)
    alike: npt.NDArray[np.bool_] = np.ones(picture.shape[:2], dtype=bool)
    for channel in range(picture.shape[2]):
        values = picture[:, :, channel]
        alike &= (values >= low[channel]) & (values <= high[channel])
    return _connected_pixels(alike, x, y) if contiguous else alike


def _connected_pixels(alike: npt.NDArray[np.bool_], x: int, y: int) -> npt.NDArray[np.bool_]:
    from scipy import ndimage  # takes 0.2 s to import, so only on first use

    regions, _ = ndimage.label(alike)
    found: npt.NDArray[np.bool_] = regions == regions[y, x]
    return found
