"""An edited picture is fitted to the drawn size and back, and pixels outside the mask never change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.edit import EditParameters, FitMode, PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.engine.edit_inputs import EditInputs

DRAWN = Size(256, 256)


def noise(height: int, width: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)


def box_mask(height: int, width: int) -> Any:
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def edit(height: int = 300, width: int = 400, *, masked: bool = True, **options: Any) -> EditParameters:
    mask = Raster.from_pixels(box_mask(height, width)) if masked else None
    return EditParameters(picture=Raster.from_pixels(noise(height, width)), mask=mask, **options)


@pytest.mark.parametrize("marked", [False, True], ids=["plain", "marked"])
@pytest.mark.parametrize(
    "options",
    [
        {"keep_size": True},
        {"keep_size": True, "fit": FitMode.PAD},
        {"keep_size": True, "fit": FitMode.STRETCH, "mask_blur": 9.0},
        {"only_masked": 24},
        {"only_masked": 0, "mask_blur": 4.0, "match_colour": True},
        {"only_masked": 32, "grow": 12, "prefill": PrefillMode.SURROUNDINGS, "soft": True, "match_colour": True},
    ],
    ids=str,
)
def test_every_pixel_outside_the_mask_is_kept(options: dict[str, Any], marked: bool) -> None:
    asked = edit(**options)
    ground = EditInputs.prepare(asked, DRAWN)
    made = ground.compose_result(noise(256, 256, seed=5), add_watermark=marked)
    assert asked.mask is not None
    outside = asked.mask.array == 0
    assert made.shape == asked.picture.array.shape
    assert np.array_equal(made[outside], asked.picture.array[outside])
    assert not np.array_equal(made[~outside], asked.picture.array[~outside])


def test_without_pasting_back_the_result_has_the_drawn_size_and_still_keeps_what_is_outside() -> None:
    asked = edit(256, 256)
    made = EditInputs.prepare(asked, DRAWN).compose_result(noise(256, 256, seed=5), add_watermark=False)
    assert asked.mask is not None
    outside = asked.mask.array == 0
    assert np.array_equal(made[outside], asked.picture.array[outside])
    assert np.array_equal(made[~outside], noise(256, 256, seed=5)[~outside])


def test_without_a_mask_the_whole_picture_is_new() -> None:
    drawn = noise(256, 256, seed=5)
    assert np.array_equal(
        EditInputs.prepare(edit(masked=False), DRAWN).compose_result(drawn, add_watermark=False), drawn
    )
    back = EditInputs.prepare(edit(masked=False, keep_size=True, fit=FitMode.STRETCH), DRAWN).compose_result(
        drawn, add_watermark=False
    )
    assert back.shape == (300, 400, 3)


def test_only_the_surroundings_of_the_mask_are_drawn() -> None:
    ground = EditInputs.prepare(edit(only_masked=16), DRAWN)
    assert ground.changed_region is not None
    assert (ground.changed_region.width, ground.changed_region.height) == (
        ground.changed_region.width,
        ground.changed_region.width,
    )  # the drawn shape
    assert ground.changed_region.width < 200
    assert ground.mask is not None
    assert (ground.mask >= 128).mean() > 0.3


def test_denoising_sees_a_grown_mask_over_a_prefilled_picture() -> None:
    plain = EditInputs.prepare(edit(256, 256), DRAWN)
    grown = EditInputs.prepare(edit(256, 256, grow=16, prefill=PrefillMode.NEUTRAL), DRAWN)
    assert plain.mask is not None
    assert grown.mask is not None
    assert (grown.mask > 0).sum() > (plain.mask > 0).sum()
    assert (grown.picture[grown.mask > 0] == 128).all()
    assert np.array_equal(grown.picture[grown.mask == 0], plain.picture[grown.mask == 0])


@pytest.mark.parametrize("keep_size", [True, False])
def test_a_mask_beside_the_middle_is_cropped_to(keep_size: bool) -> None:
    mask = np.zeros((100, 400), np.uint8)
    mask[:, :8] = 255
    asked = EditParameters(
        picture=Raster.from_pixels(noise(100, 400)),
        mask=Raster.from_pixels(mask),
        fit=FitMode.CROP,
        keep_size=keep_size,
    )
    ground = EditInputs.prepare(asked, DRAWN)
    assert ground.crop_box == Rect(0, 0, 100, 100)
    made = ground.compose_result(noise(256, 256, seed=5), add_watermark=False)
    assert made.shape == ((100, 400, 3) if keep_size else (256, 256, 3))
    assert not np.array_equal(made[:, 0], noise(100, 400)[:, 0] if keep_size else ground.picture[:, 0])


def test_a_weak_mask_counts_only_when_it_is_soft() -> None:
    weak = Raster.from_pixels(box_mask(256, 256) // 4)
    with pytest.raises(RequestError):
        EditInputs.prepare(EditParameters(picture=Raster.from_pixels(noise(256, 256)), mask=weak), DRAWN)
    EditInputs.prepare(EditParameters(picture=Raster.from_pixels(noise(256, 256)), mask=weak, soft=True), DRAWN)


@pytest.mark.parametrize("fit", list(FitMode))
@pytest.mark.parametrize("only_masked", [None, 40])
def test_a_thin_stroke_stays_when_the_picture_is_made_smaller(fit: FitMode, only_masked: int | None) -> None:
    """A line of two pixels in a large picture is a fraction of a pixel of what is drawn, and is drawn all the same."""
    mask = np.zeros((1536, 2048), np.uint8)
    mask[500:900, 900:1300] = 255
    mask[520:880, 700:702] = 255
    edit = EditParameters(
        picture=Raster.from_pixels(np.zeros((1536, 2048, 3), np.uint8)),
        mask=Raster.from_pixels(mask),
        fit=fit,
        only_masked=only_masked,
    )
    drawn = EditInputs.prepare(edit, Size(256, 192)).mask
    assert drawn is not None
    columns = np.flatnonzero((drawn >= 128).any(axis=0))
    assert (np.diff(columns) > 1).sum() == 1, "the stroke, and apart from it the box"
    stroke = drawn[:, columns[0]] >= 128
    assert stroke.sum() > 0.8 * (drawn[:, columns[-2]] >= 128).sum()
