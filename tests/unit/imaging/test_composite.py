"""New pixels go where the alpha says and nowhere else, and in the colours of their surroundings."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.imaging import mask_operations
from sdxl_desktop.imaging.composite import composite_over, match_colour
from tests.unit.imaging.sample_images import disc, noise, scene


def test_pasting_rounds_every_combination_to_the_nearest_level() -> None:
    old, new = (np.repeat(v.astype(np.uint8)[..., None], 3, axis=2) for v in np.mgrid[0:256, 0:256])
    for alpha in range(256):
        exact = (old.astype(float) * (255 - alpha) + new.astype(float) * alpha) / 255
        pasted = composite_over(old, new, np.full((256, 256), alpha, dtype=np.uint8))
        assert np.abs(pasted - exact).max() <= 0.5


@pytest.mark.parametrize("seed", range(4))
def test_outside_the_alpha_no_pixel_changes_and_inside_all_are_new(seed: int) -> None:
    old, new = noise(80, 60, 1), noise(80, 60, 2)
    old.setflags(write=False)
    alpha = mask_operations.inner_fade_alpha(disc(80, 60, 20 * seed, 30, 22), 6)
    pasted = composite_over(old, new, alpha)
    assert np.array_equal(pasted[alpha == 0], old[alpha == 0])
    assert np.array_equal(pasted[alpha == 255], new[alpha == 255])
    assert not np.array_equal(pasted, old)
    assert np.array_equal(composite_over(old, new, np.zeros_like(alpha)), old)


@pytest.mark.parametrize("wrong", [(31, 20), (30, 21)])
def test_different_sizes_are_refused(wrong: tuple[int, int]) -> None:
    mask = disc(30, 20, 15, 10, 5)
    for call in (composite_over, match_colour):
        with pytest.raises(RequestError, match="not of one size"):
            call(noise(30, 20), noise(*wrong), mask)


def _tinted(pixels: np.ndarray, tint: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip(pixels + tint, 0, 255).round(), np.uint8)


@pytest.mark.parametrize("centre", [(128, 96), (10, 90)])
def test_a_tint_that_drawing_added_is_taken_off_and_the_content_stays(centre: tuple[int, int]) -> None:
    reference = (scene(256, 192, 3) // 2 + 60).astype(np.uint8)
    mask = disc(256, 192, *centre, 50)
    truth = reference.copy()
    truth[mask > 0] = (scene(256, 192, 4) // 2 + 60)[mask > 0]  # the new content, as it should come out
    slope = np.linspace(0, 1, 256)[None, :, None] * np.array([8.0, -6.0, 4.0]) + np.array([-12.0, 5.0, 9.0])
    drawn = _tinted(truth, slope + np.random.default_rng(0).normal(0, 4, truth.shape))
    matched = match_colour(drawn, reference, mask)
    inside = mask_operations.shrink_mask(mask, 8) > 0
    before = np.abs((drawn.astype(float) - truth)[inside].mean(axis=0)).max()
    after = np.abs((matched.astype(float) - truth)[inside].mean(axis=0)).max()
    assert before > 6
    assert after < 1.5
    assert np.array_equal(matched[mask == 0], drawn[mask == 0])


def test_what_differs_in_content_at_the_border_does_not_bleed_in() -> None:
    reference = np.full((128, 128, 3), 100, dtype=np.uint8)
    drawn = reference.copy()
    drawn[:, 100:] = 250  # a new object that reaches out of the mask
    matched = match_colour(drawn, reference, disc(128, 128, 64, 64, 40))
    assert np.array_equal(matched, drawn)


def test_nothing_changes_where_nothing_can_be_learnt() -> None:
    reference, drawn, mask = noise(64, 64, 1), noise(64, 64, 1), disc(64, 64, 32, 32, 20)
    drawn[mask > 0] = 7
    assert np.array_equal(match_colour(drawn, reference, mask), drawn)
    assert np.array_equal(match_colour(drawn, noise(64, 64, 2), np.zeros_like(mask)), drawn)
    assert np.array_equal(match_colour(drawn, noise(64, 64, 2), np.full_like(mask, 255)), drawn)
