"""The mask's bounding box is exact after every change, and cheap during a stroke."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sdxl_desktop.core.geometry import Rect
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.mask_bounds import MaskBounds


def box_of(mask: UInt8Array) -> Rect | None:
    """Seen pixel by pixel."""
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return None
    x, y = int(columns.min()), int(rows.min())
    return Rect(x, y, int(columns.max()) - x + 1, int(rows.max()) - y + 1)


def test_the_box_is_exact_after_everything_that_changes_a_mask() -> None:
    document, extent = Document(), MaskBounds()
    document.subscribe(lambda change: extent.mark_changed(change.rect))
    document.set_picture(np.zeros((700, 900, 3), np.uint8))
    random = np.random.default_rng(4)

    def agrees() -> bool:
        assert document.mask is not None
        return extent.compute(document.mask) == box_of(document.mask)

    assert agrees()
    for number in range(30):
        stroke = document.begin_stroke(Brush(size=30, hardness=0.5, erase=number % 3 == 2))
        for x, y in random.uniform(-50, 950, (4, 2)).tolist():
            stroke.move_to(x, y)
            assert agrees(), "in the middle of a stroke"
        stroke.end()
        if number % 7 == 6:
            document.undo()
            document.undo()
        assert agrees()
    document.fill_shape(mask_shapes.rectangle(255, 255, 257, 257))
    document.clear_mask()
    assert agrees()
    document.fill_shape(mask_shapes.rectangle(511, 300, 513, 301))
    assert agrees()
    document.extend(8, 16, 0, 0)
    assert agrees()
    document.set_picture(np.zeros((40, 30, 3), np.uint8))
    assert agrees()


def test_without_a_mask_there_is_no_box_and_one_that_comes_is_seen_whole() -> None:
    extent = MaskBounds()
    assert extent.compute(None) is None
    mask = np.zeros((300, 300), np.uint8)
    mask[290, 299] = 1
    assert extent.compute(mask) == Rect(299, 290, 1, 1)


@pytest.mark.parametrize("side", [4096])
def test_a_stroke_on_a_large_picture_is_followed_in_a_millisecond(side: int) -> None:
    mask, extent = np.zeros((side, side), np.uint8), MaskBounds()
    extent.compute(mask)
    spent = []
    for at in range(1000, 1600, 20):
        mask[at : at + 200, at : at + 200] = 255
        began = time.process_time()
        extent.mark_changed(Rect(at, at, 200, 200))
        assert extent.compute(mask) is not None
        spent.append(time.process_time() - began)
    assert np.median(spent) < 0.001
