"""Masks grow, shrink, soften and fade by the pixels that are asked for, and crop exactly as diffusers crops."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Rect, Size
from sdxl_desktop.imaging import boxes, mask_operations
from tests.unit.imaging.sample_images import blobs, disc

EMPTY = np.zeros((20, 30), dtype=np.uint8)


def test_bounds_are_the_smallest_box() -> None:
    mask = EMPTY.copy()
    mask[3, 7] = 1
    assert boxes.mask_bounds(mask) == Rect(7, 3, 1, 1)
    mask[19, 29] = 255
    assert boxes.mask_bounds(mask) == Rect(7, 3, 23, 17)
    assert boxes.mask_bounds(EMPTY) is None


@pytest.mark.parametrize("px", [0, 1, 3, 8, 200])
@pytest.mark.parametrize("seed", range(4))
def test_growing_and_shrinking_reach_exactly_so_many_pixels(px: int, seed: int) -> None:
    mask = np.where(blobs(70, 50, seed) > 0, np.uint8(255), np.uint8(0))
    outside = ndimage.distance_transform_edt(mask == 0)
    inside = ndimage.distance_transform_edt(mask > 0)
    assert np.array_equal(mask_operations.grow_mask(mask, px) > 0, outside <= px)
    assert np.array_equal(mask_operations.shrink_mask(mask, px) > 0, inside > px)


@pytest.mark.parametrize("seed", range(4))
def test_growing_takes_the_highest_value_around_and_shrinking_mirrors_it(seed: int) -> None:
    mask = np.random.default_rng(seed).integers(0, 256, (25, 31)).astype(np.uint8)
    footprint = disc(9, 9, 4, 4, 4) > 0
    assert np.array_equal(
        mask_operations.grow_mask(mask, 4), ndimage.grey_dilation(mask, footprint=footprint, mode="constant")
    )
    assert np.array_equal(
        mask_operations.shrink_mask(mask, 4), boxes.invert_mask(mask_operations.grow_mask(boxes.invert_mask(mask), 4))
    )


@pytest.mark.parametrize("change", [mask_operations.grow_mask, mask_operations.shrink_mask])
def test_a_negative_distance_is_refused_with_the_way_out(change: object) -> None:
    with pytest.raises(RequestError, match="instead"):
        change(disc(20, 20, 10, 10, 5), -1)  # type: ignore[operator]


def test_feathering_keeps_the_edge_in_its_place_and_reaches_both_sides() -> None:
    mask = np.zeros((40, 200), dtype=np.uint8)
    mask[:, 100:] = 255
    row = mask_operations.feather_mask(mask, 10)[20].astype(int)
    assert (np.diff(row) >= 0).all()
    assert abs(row[99] + row[100] - 255) <= 4
    assert row[99 - 15] <= 2
    assert row[100 + 15] >= 253
    assert 20 <= row[99 - 5] <= 80
    assert row[-1] == 255, "the picture's own edge is not softened"


def test_holes_are_filled_and_bays_are_not() -> None:
    ring = np.where((disc(60, 60, 30, 30, 20) > 0) & (disc(60, 60, 30, 30, 10) == 0), np.uint8(200), np.uint8(0))
    filled = mask_operations.fill_holes(ring)
    assert (filled[disc(60, 60, 30, 30, 9) > 0] >= 192).all()
    assert np.array_equal(filled[ring > 0], ring[ring > 0])
    assert np.array_equal(filled == 0, disc(60, 60, 30, 30, 20) == 0)
    ring[30:, 29:32] = 0  # a way out
    assert np.array_equal(mask_operations.fill_holes(ring), ring)


def test_inverting_twice_changes_nothing() -> None:
    mask = blobs(40, 30, 1)
    assert np.array_equal(boxes.invert_mask(boxes.invert_mask(mask)), mask)
    assert int(boxes.invert_mask(mask).max()) == 255 - int(mask.min())


@pytest.mark.parametrize("width", [0, 1, 4, 16, 300])
@pytest.mark.parametrize("seed", range(6))
def test_a_fade_never_leaves_the_mask_and_is_whole_well_inside(width: int, seed: int) -> None:
    mask = blobs(90, 60, seed)
    alpha = mask_operations.inner_fade_alpha(mask, width)
    distance = ndimage.distance_transform_edt(mask > 0) if (mask == 0).any() else np.full(mask.shape, np.inf)
    assert (alpha[mask == 0] == 0).all()
    assert (alpha[distance >= np.sqrt(2) * (width + 1)] == 255).all()
    if width >= 4:
        assert (alpha[(mask > 0) & (distance <= (width + 1) / 2)] < 140).all()


def test_a_fade_rises_smoothly_over_the_given_width_but_not_from_the_pictures_edge() -> None:
    mask = np.zeros((30, 100), dtype=np.uint8)
    mask[:, 20:] = 1
    alpha = mask_operations.inner_fade_alpha(mask, 16)
    assert (alpha == alpha[0]).all()
    ramp = alpha[0, 19:37].astype(int)
    assert (np.diff(ramp) > 0).all()
    assert np.diff(ramp).max() <= 24
    assert max(np.diff(ramp)[0], np.diff(ramp)[-1]) <= 5, "a kink at an end of the ramp"
    assert ramp[0] == 0
    assert ramp[-1] == 255
    assert (alpha[0, 36:] == 255).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda m: mask_operations.grow_mask(m, 3),
        lambda m: mask_operations.shrink_mask(m, 3),
        lambda m: mask_operations.feather_mask(m, 3),
    ],
)
def test_nothing_writes_to_its_argument_and_an_empty_mask_stays_empty(change: object) -> None:
    mask = disc(30, 20, 15, 10, 6)
    mask.setflags(write=False)
    assert change(mask).shape == mask.shape  # type: ignore[operator]
    assert not change(EMPTY).any()  # type: ignore[operator]
    assert not mask_operations.inner_fade_alpha(EMPTY, 5).any()
    assert not mask_operations.fill_holes(EMPTY).any()


def test_the_crop_region_is_diffusers_crop_region() -> None:
    from diffusers.image_processor import VaeImageProcessor  # heavy, and only here

    rng = np.random.default_rng(7)
    shapes = set()
    for seed in range(400):
        width, height = (int(v) for v in rng.integers(8, 120, 2))
        target = Size(*(8 * int(v) for v in rng.integers(1, 160, 2)))
        margin = int(rng.choice([0, 1, 7, 32, 500]))
        mask = blobs(width, height, seed)
        if not mask.any():
            continue
        ours = boxes.crop_region(mask, target, margin, Size(width, height))
        theirs = VaeImageProcessor.get_crop_region(Image.fromarray(mask), target.width, target.height, pad=margin)
        assert (ours.x, ours.y, ours.right, ours.bottom) == theirs
        shapes.add((ours.width == width, ours.height == height))
    assert len(shapes) == 4, "the masks did not reach every branch"


def test_a_crop_region_needs_a_mask_of_the_pictures_size() -> None:
    with pytest.raises(RequestError, match="empty"):
        boxes.crop_region(EMPTY, Size(64, 64), 8, Size(30, 20))
    with pytest.raises(RequestError, match=r"30x20.*31x20"):
        boxes.crop_region(EMPTY, Size(64, 64), 8, Size(31, 20))


def test_a_stroke_on_a_large_picture_costs_little() -> None:
    mask = disc(2048, 2048, 1024, 1024, 300)
    start = time.process_time()
    mask_operations.inner_fade_alpha(mask_operations.grow_mask(mask, 16), 16)
    mask_operations.feather_mask(mask, 16)
    mask_operations.fill_holes(mask)
    assert time.process_time() - start < 0.5  # measured: 0.05 s
