"""A document of a small picture."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.document import Document


@pytest.fixture
def photograph() -> UInt8Array:
    """Noise over a gradient, 320 x 200: no two tiles are alike."""
    noise = np.random.default_rng(7).integers(0, 64, (200, 320, 3), dtype=np.uint8)
    return noise + np.arange(0, 160, 0.5, dtype=np.float32).astype(np.uint8)[None, :, None]


@pytest.fixture
def document(photograph: UInt8Array) -> Document:
    made = Document()
    made.set_picture(photograph, "photograph.jpg")
    return made


def mask_of(document: Document) -> UInt8Array:
    """A copy of the mask as it is now."""
    assert document.mask is not None
    return document.mask.copy()
