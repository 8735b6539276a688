"""The frame is exactly what the engine will draw, at a size that need not be compiled where one is near."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.core.edit import EditParameters, FitMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.engine.edit_inputs import EditInputs
from sdxl_desktop.imaging import boxes
from sdxl_desktop.session.document.frame import FramePolicy, frame_for, frame_of_edit, nearest_compiled_size

SQUARE, WIDE, TALL, SMALL = Size(1024, 1024), Size(1216, 832), Size(832, 1216), Size(512, 512)


def test_the_frame_is_the_box_that_the_engine_cuts_out() -> None:
    """A hundred masks with any margin and growth: what the line on the canvas shows is what is drawn."""
    random = np.random.default_rng(8)
    for _ in range(100):
        picture = Size(int(random.integers(40, 300)), int(random.integers(40, 300)))
        mask = np.zeros((picture.height, picture.width), np.uint8)
        x, y = int(random.integers(0, picture.width - 4)), int(random.integers(0, picture.height - 4))
        mask[y : y + int(random.integers(1, 90)), x : x + int(random.integers(1, 90))] = 255
        margin, grow = int(random.integers(0, 60)), int(random.integers(0, 30))
        asked = Size(64 * int(random.integers(2, 9)), 64 * int(random.integers(2, 9)))
        frame = frame_for(
            FramePolicy(requested_size=asked, only_masked=margin, grow=grow), picture, boxes.mask_bounds(mask)
        )
        edit = EditParameters(
            picture=Raster.from_pixels(np.zeros((*mask.shape, 3), np.uint8)),
            mask=Raster.from_pixels(mask),
            only_masked=margin,
            grow=grow,
        )
        assert frame.region == _region(EditInputs.prepare(edit, frame.drawing_size))
        assert frame == frame_of_edit(edit, asked, 8)


def _region(prepared: EditInputs) -> Rect:
    assert prepared.crop_box is not None
    return prepared.crop_box


@pytest.mark.parametrize("fit", list(FitMode))
@pytest.mark.parametrize("asked", [Size(512, 512), Size(640, 512), Size(256, 768)])
def test_without_a_mask_the_frame_is_what_the_fit_leaves_of_the_picture(fit: FitMode, asked: Size) -> None:
    picture = Size(320, 200)
    region = frame_for(FramePolicy(requested_size=asked, fit=fit, only_masked=16), picture, None).region
    if fit is FitMode.STRETCH:
        assert region == Rect(0, 0, 320, 200)
        return
    assert region.width / region.height == pytest.approx(asked.width / asked.height, rel=0.01)
    assert abs(2 * region.x + region.width - 320) <= 1, "in the middle"
    assert abs(2 * region.y + region.height - 200) <= 1
    if fit is FitMode.CROP:
        assert region.intersected(Rect(0, 0, 320, 200)) == region
        assert region.width == 320 or region.height == 200, "as much as there is"
    else:
        assert region.united(Rect(0, 0, 320, 200)) == region
        assert region.width == 320 or region.height == 200, "and no more than is needed"


def test_a_mask_is_followed_only_where_only_the_masked_area_is_drawn() -> None:
    masked = Rect(10, 10, 20, 20)
    assert frame_for(FramePolicy(requested_size=SMALL), SMALL, masked).shows_whole_picture(SMALL)
    assert not frame_for(FramePolicy(requested_size=SMALL, only_masked=8), SMALL, masked).shows_whole_picture(SMALL)


def test_the_compiled_size_nearest_in_shape_is_taken() -> None:
    compiled = (SQUARE, WIDE, TALL, SMALL)
    policy = FramePolicy(requested_size=SQUARE, only_masked=0, compiled_sizes=compiled)
    picture = Size(2000, 2000)
    assert frame_for(policy, picture, Rect(100, 100, 500, 480)).drawing_size == SQUARE
    wide = frame_for(policy, picture, Rect(100, 100, 700, 480))
    assert wide.drawing_size == WIDE
    assert wide.region.width / wide.region.height == pytest.approx(WIDE.width / WIDE.height, rel=0.01)
    assert frame_for(policy, picture, Rect(100, 100, 480, 700)).drawing_size == TALL


@pytest.mark.parametrize(
    ("shape", "compiled", "expected"),
    [
        (1.0, (), Size(1000, 1000)),
        (1.0, (SMALL,), Size(1000, 1000)),  # a quarter of the pixels
        (3.0, (SQUARE, WIDE), Size(1000, 1000)),  # nothing of that shape
        (1.1, (SQUARE,), SQUARE),
        (1.0, (Size(1000, 1000), SQUARE), Size(1000, 1000)),  # what was asked for is compiled
        (1.0, (Size(1020, 1020),), Size(1000, 1000)),  # compiled once, for another checkpoint's multiple
    ],
)
def test_what_is_far_off_or_impossible_is_not_taken(shape: float, compiled: tuple[Size, ...], expected: Size) -> None:
    assert nearest_compiled_size(shape, Size(1000, 1000), compiled, 8) == expected


def test_the_order_of_the_compiled_sizes_does_not_matter() -> None:
    sizes = (SQUARE, WIDE, TALL, Size(1152, 896), Size(896, 1152))
    for shape in np.linspace(0.5, 2.0, 40).tolist():
        assert nearest_compiled_size(shape, SQUARE, sizes, 8) == nearest_compiled_size(shape, SQUARE, sizes[::-1], 8)


def test_a_picture_is_never_drawn_at_another_size_than_was_asked_for() -> None:
    """Where the result is pasted back the size is free; where it becomes the picture it is the user's."""
    asked, near = Size(1000, 1000), (SQUARE,)
    assert frame_for(FramePolicy(requested_size=asked, compiled_sizes=near), SMALL, None).drawing_size == asked
    assert (
        frame_for(FramePolicy(requested_size=asked, compiled_sizes=near, keep_size=True), SMALL, None).drawing_size
        == SQUARE
    )


@pytest.mark.parametrize("values", [{"only_masked": -1}, {"only_masked": 5000}, {"grow": -2}])
def test_a_policy_that_cannot_be_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(RequestError):
        FramePolicy(requested_size=SQUARE, **values)  # type: ignore[arg-type]
