"""A picture meets another size by crop, pad or stretch, and what was drawn there comes back to its place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sdxl_desktop.core.edit import FitMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.imaging.boxes import crop_view
from sdxl_desktop.imaging.fit_transform import FitTransform
from tests.unit.imaging.sample_images import disc, noise, scene

SIZES = [
    (Size(300, 200), Size(128, 128)),
    (Size(200, 300), Size(256, 64)),
    (Size(97, 101), Size(128, 192)),
    (Size(1, 1), Size(64, 48)),
    (Size(1, 500), Size(64, 64)),
]


@pytest.mark.parametrize("fit", FitMode)
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_every_size_meets_every_other_and_comes_back(source: Size, target: Size, fit: FitMode) -> None:
    placement = FitTransform(source, target, fit)
    original = noise(source.width, source.height)
    fitted = placement.fit_picture(original)
    assert fitted.shape == (target.height, target.width, 3)
    assert placement.fit_mask(original[..., 0]).shape == fitted.shape[:2]
    assert placement.restore(fitted, original).shape == original.shape
    whole, drawn = Rect(0, 0, source.width, source.height), Rect(0, 0, target.width, target.height)
    assert placement.source_box.intersected(whole) == placement.source_box
    assert placement.target_box.intersected(drawn) == placement.target_box


@pytest.mark.parametrize("fit", FitMode)
def test_equal_sizes_change_no_bit_and_share_no_memory(fit: FitMode) -> None:
    placement = FitTransform(Size(72, 56), Size(72, 56), fit)
    original = noise(72, 56)
    original.setflags(write=False)
    for same in (placement.fit_picture(original), placement.restore(original, noise(72, 56, 1))):
        assert np.array_equal(same, original)
        same[0, 0] = 1
    assert np.array_equal(placement.fit_mask(original[..., 0]), original[..., 0])


@pytest.mark.parametrize(
    ("fit", "used", "place"),
    [
        (FitMode.CROP, Rect(50, 0, 200, 200), Rect(0, 0, 128, 128)),
        (FitMode.PAD, Rect(0, 0, 300, 200), Rect(0, 21, 128, 85)),
        (FitMode.STRETCH, Rect(0, 0, 300, 200), Rect(0, 0, 128, 128)),
    ],
)
def test_what_is_used_lies_in_the_middle(fit: FitMode, used: Rect, place: Rect) -> None:
    placement = FitTransform(Size(300, 200), Size(128, 128), fit)
    assert (placement.source_box, placement.target_box) == (used, place)


@pytest.mark.parametrize("fit", FitMode)
def test_a_shape_keeps_its_place_there_and_back(fit: FitMode) -> None:
    placement = FitTransform(Size(300, 200), Size(256, 256), fit)
    mask = disc(300, 200, 160, 90, 40)
    original = np.repeat(mask[..., None], 3, axis=2)
    there = placement.fit_mask(mask)
    drawn = placement.fit_picture(original)
    assert np.abs(there.astype(int) - drawn[..., 0]).mean() < 2
    back = placement.restore(drawn, original)
    assert np.abs(back.astype(int) - original).mean() < 2
    rows, columns = np.nonzero(there > 127)
    box, place = placement.source_box, placement.target_box
    assert abs(columns.mean() - (place.x + (160.5 - box.x) * place.width / box.width - 0.5)) < 0.6
    assert abs(rows.mean() - (place.y + (90.5 - box.y) * place.height / box.height - 0.5)) < 0.6


def test_cropping_keeps_what_was_cut_off() -> None:
    placement = FitTransform(Size(300, 200), Size(64, 64), FitMode.CROP)
    original = noise(300, 200)
    back = placement.restore(np.zeros((64, 64, 3), dtype=np.uint8), original)
    assert not crop_view(back, placement.source_box).any()
    crop_view(back, placement.source_box)[...] = crop_view(original, placement.source_box)
    assert np.array_equal(back, original)


def test_padding_continues_the_picture_and_is_not_masked() -> None:
    placement = FitTransform(Size(256, 128), Size(256, 256), FitMode.PAD)
    original = scene(256, 128)
    padded = placement.fit_picture(original).astype(int)
    assert np.array_equal(crop_view(padded, placement.target_box), original)
    assert np.abs(padded[63] - padded[64]).max() <= 4, "a seam between picture and padding"
    detail = np.abs(np.diff(padded, axis=1)).mean(axis=(1, 2))
    assert detail[0] < detail[64] / 2, "no blur far away"
    assert np.abs(padded[0].mean(axis=0) - original[0].mean(axis=0)).max() < 8, "another colour than the border's"
    mask = placement.fit_mask(np.full((128, 256), 255, dtype=np.uint8))
    assert (crop_view(mask, placement.target_box) == 255).all()
    assert mask.sum() == 255 * 256 * 128


@pytest.mark.parametrize("target", [Size(256, 192), Size(24, 18)])
def test_a_fitted_mask_stays_clear_outside_and_whole_inside(target: Size) -> None:
    mask = disc(64, 48, 32, 24, 12)
    fitted = FitTransform(Size(64, 48), target, FitMode.STRETCH).fit_mask(mask)
    scale = target.width / 64
    middle = (32.5 * scale - 0.5, 24.5 * scale - 0.5)
    reach = 1.5 * max(scale, 1)
    assert not fitted[disc(target.width, target.height, *middle, 12 * scale + reach) == 0].any()
    assert (fitted[disc(target.width, target.height, *middle, 12 * scale - reach) > 0] == 255).all()


def test_fine_detail_does_not_alias_when_it_is_made_smaller() -> None:
    stripes = np.zeros((64, 512, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = FitTransform(Size(512, 64), Size(56, 8), FitMode.STRETCH).fit_picture(stripes)
    assert np.abs(small[:, 4:-4].astype(int) - 127).max() <= 6


def test_a_picture_of_another_size_is_refused() -> None:
    placement = FitTransform(Size(30, 20), Size(8, 8), FitMode.CROP)
    wrongs: tuple[Callable[[], object], ...] = (
        lambda: placement.fit_picture(noise(20, 30)),
        lambda: placement.fit_mask(noise(30, 21)[..., 0]),
        lambda: placement.restore(noise(30, 20), noise(30, 20)),
        lambda: placement.restore(noise(8, 8), noise(8, 8)),
    )
    for wrong in wrongs:
        with pytest.raises(RequestError, match="and not"):
            wrong()
