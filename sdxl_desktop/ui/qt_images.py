"""Conversion of pixels to Qt images."""

from __future__ import annotations

import numpy as np
from PIL import Image
from PySide6.QtGui import QImage

from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.geometry import Size


def to_image(pixels: Pixels) -> QImage:
    """Return a QImage that owns a copy of `pixels` (uint8 [H, W, 3])."""
    height, width, _ = pixels.shape
    contiguous = np.ascontiguousarray(pixels)
    return QImage(contiguous.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def upscale_preview(pixels: Pixels, size: Size) -> QImage:
    """Scale a preview, uint8 [H, W, 3], to the final size with bicubic interpolation, without visible blocks."""
    smooth = Image.fromarray(pixels).resize((size.width, size.height), Image.Resampling.BICUBIC)
    return to_image(np.asarray(smooth, dtype=np.uint8))
