"""What a masked area starts from, and that nothing else is touched."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sdxl_desktop.core.edit import PrefillMode
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.imaging.prefill import extend_canvas, prefill_masked_area
from tests.unit.imaging.sample_images import blobs, disc, noise, scene


@pytest.mark.parametrize("way", PrefillMode)
@pytest.mark.parametrize("seed", range(4))
def test_outside_the_mask_nothing_changes(way: PrefillMode, seed: int) -> None:
    pixels, mask = noise(61, 47), blobs(61, 47, seed)
    pixels.setflags(write=False)
    made = prefill_masked_area(pixels, mask, way)
    assert np.array_equal(made[mask == 0], pixels[mask == 0])
    assert (way is PrefillMode.KEEP) == np.array_equal(made, pixels)
    assert np.array_equal(prefill_masked_area(pixels, np.zeros_like(mask), way), pixels)


def test_neutral_is_mid_grey() -> None:
    mask = disc(40, 40, 20, 20, 9)
    assert (prefill_masked_area(noise(40, 40), mask, PrefillMode.NEUTRAL)[mask > 0] == 128).all()


def test_blur_loses_the_detail_and_keeps_the_rough_colours() -> None:
    pixels, mask = scene(200, 160, 2), disc(200, 160, 100, 80, 60)
    made = prefill_masked_area(pixels, mask, PrefillMode.BLUR).astype(int)
    inside = disc(200, 160, 100, 80, 50) > 0
    detail = [np.abs(np.diff(p.astype(int), 2, axis=1))[inside[:, 2:]].mean() for p in (made, pixels)]
    assert detail[0] < detail[1] / 4
    assert np.abs(made[inside].mean(axis=0) - pixels[inside].mean(axis=0)).max() < 12


@pytest.mark.parametrize("radius", [3, 40, 80])
def test_surroundings_continue_a_gradient_and_forget_what_was_there(radius: int) -> None:
    y, x = np.mgrid[0:240, 0:320]
    gradient = np.stack([40 + x * 0.4, 60 + y * 0.5, 200 - x * 0.3], axis=-1).round().astype(np.uint8)
    mask = disc(320, 240, 160, 120, radius)
    covered = gradient.copy()
    covered[mask > 0] = noise(320, 240)[mask > 0]
    made = prefill_masked_area(covered, mask, PrefillMode.SURROUNDINGS)
    assert np.abs(made.astype(int) - gradient).max() <= max(4, radius // 3)
    assert np.abs(made.astype(int) - gradient).mean() < 2
    assert np.array_equal(made, prefill_masked_area(gradient, mask, PrefillMode.SURROUNDINGS))
    assert np.abs(np.diff(made.astype(int), axis=0)).max() <= 8, "a step in what should be smooth"


def test_without_surroundings_the_fill_is_grey() -> None:
    assert (
        prefill_masked_area(noise(9, 9), np.full((9, 9), 255, dtype=np.uint8), PrefillMode.SURROUNDINGS) == 128
    ).all()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(RequestError, match=r"20x30.*30x20"):
        prefill_masked_area(noise(30, 20), np.zeros((30, 20), dtype=np.uint8), PrefillMode.KEEP)


@pytest.mark.parametrize("sides", [(16, 0, 0, 0), (0, 9, 30, 0), (40, 40, 40, 40), (0, 0, 0, 0)])
def test_an_extended_picture_holds_the_old_one_and_masks_the_rest(sides: tuple[int, int, int, int]) -> None:
    pixels = np.full((50, 70, 3), (90, 120, 30), dtype=np.uint8)
    left, top, right, bottom = sides
    larger, mask = extend_canvas(pixels, *sides)
    assert larger.shape == (50 + top + bottom, 70 + left + right, 3)
    assert not mask[top : top + 50, left : left + 70].any()
    assert (mask == 255).sum() == mask.size - 50 * 70
    assert (larger == (90, 120, 30)).all(), "the border's colour is not continued"
    assert np.array_equal(extend_canvas(noise(70, 50), *sides)[0][top : top + 50, left : left + 70], noise(70, 50))


def test_a_picture_cannot_be_extended_inwards() -> None:
    with pytest.raises(RequestError, match="negative"):
        extend_canvas(noise(8, 8), 0, -1, 0, 0)


def test_a_large_hole_is_filled_while_nobody_waits() -> None:
    mask = np.zeros((1280, 1280), dtype=np.uint8)
    mask[128:-128, 128:-128] = 255
    pixels = noise(1280, 1280)
    start = time.process_time()
    prefill_masked_area(pixels, mask, PrefillMode.SURROUNDINGS)
    assert time.process_time() - start < 0.6  # measured: 0.13 s; the machine may be busy
