"""One word stands for values that suit the mask, whatever the picture's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.edit import MAX_GROW, MAX_MASK_BLUR, EditParameters, PrefillMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import INTENT_PRESETS, Intent, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.raster import Raster


def box(side: int, x: int, y: int, width: int, height: int) -> Any:
    mask = np.zeros((side, side), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


SQUARE = MaskMetrics.from_mask(box(1024, 300, 300, 400, 400))


def test_every_intent_has_a_name_a_help_and_values() -> None:
    assert set(INTENT_PRESETS) == set(Intent)
    for intent in Intent:
        assert intent.label.isalpha()
        assert intent.help.endswith(".")


@pytest.mark.parametrize("intent", Intent, ids=str)
@pytest.mark.parametrize("side", [1, 64, 3000])
def test_what_an_intent_means_is_always_a_valid_edit(intent: Intent, side: int) -> None:
    for mask in (np.full((side, side), 255, np.uint8), box(side, 0, 0, 1, 1), box(side, 0, 0, side, 1)):
        picture = Raster.from_pixels(np.zeros((side, side, 3), np.uint8)) if side <= 64 else None
        for drawn in (Size(64, 64), Size(1024, 1024)):
            for margin in (None, 0, 4096):
                meant = parameters_for_intent(intent, MaskMetrics.from_mask(mask), drawn, margin)
                assert 0 <= meant.grow <= MAX_GROW
                assert 0 <= meant.mask_blur <= MAX_MASK_BLUR
                if picture is not None:
                    EditParameters(
                        picture=picture, mask=Raster.from_pixels(mask), grow=meant.grow, mask_blur=meant.mask_blur
                    )


def test_the_breadth_is_never_more_than_the_way_from_the_edge_to_the_middle() -> None:
    """A fade as wide as the breadth leaves something new whole, in a stroke as in a large area."""
    assert MaskMetrics.from_mask(box(200, 20, 20, 100, 100)).mean_half_width == 25
    assert MaskMetrics.from_mask(box(200, 20, 20, 160, 10)).mean_half_width == pytest.approx(5, rel=0.1)
    down, across = np.mgrid[0:200, 0:200]
    stroke = np.where(np.abs(across - down) <= 5, 255, 0).astype(np.uint8)
    assert MaskMetrics.from_mask(stroke).mean_half_width < 5
    disc = np.where((across - 100) ** 2 + (down - 100) ** 2 <= 60**2, 255, 0).astype(np.uint8)
    assert 15 < MaskMetrics.from_mask(disc).mean_half_width < 60


def test_the_pictures_own_edge_is_none_of_the_masks() -> None:
    assert MaskMetrics.from_mask(box(100, 80, 0, 20, 100)).mean_half_width == 20, (
        "one edge of 100 pixels, 2000 pixels inside"
    )
    assert MaskMetrics.from_mask(np.full((100, 100), 255, np.uint8)).mean_half_width == 50


def test_blur_goes_with_the_mask_and_growth_with_what_is_drawn() -> None:
    large = parameters_for_intent(Intent.FILL, MaskMetrics.from_mask(box(1024, 300, 300, 200, 200)), Size(1024, 1024))
    small = parameters_for_intent(Intent.FILL, MaskMetrics.from_mask(box(1024, 300, 300, 40, 40)), Size(1024, 1024))
    assert large.mask_blur > 3 * small.mask_blur
    assert large.grow == small.grow == 4, "half a latent's cell"
    tiny = parameters_for_intent(Intent.FILL, MaskMetrics.from_mask(box(64, 16, 16, 32, 32)), Size(64, 64))
    assert tiny.grow == 2, "what is drawn at 64 pixels has cells of 4"
    assert tiny.mask_blur <= 8


def test_a_picture_that_is_drawn_smaller_grows_by_more_of_its_pixels() -> None:
    masked = MaskMetrics.from_mask(box(4096, 1000, 1000, 512, 512))
    assert parameters_for_intent(Intent.REPLACE, masked, Size(1024, 1024)).grow == 16
    assert parameters_for_intent(Intent.REPLACE, masked, Size(1024, 1024), margin=256).grow == 4, (
        "what is drawn is 1024 wide there"
    )


def test_the_values_are_those_of_the_words() -> None:
    def of(intent: Intent) -> tuple[float, PrefillMode, bool]:
        meant = parameters_for_intent(intent, SQUARE, Size(1024, 1024))
        return meant.strength, meant.prefill, meant.soft

    assert of(Intent.FILL) == of(Intent.EXPAND) == (1.0, PrefillMode.SURROUNDINGS, False)
    assert of(Intent.REPLACE)[0] == 1.0
    assert of(Intent.REPLACE)[1] is not PrefillMode.KEEP
    assert of(Intent.ADD) == (0.85, PrefillMode.KEEP, False)
    assert of(Intent.REMOVE)[0] >= 0.9
    assert of(Intent.REMOVE)[1] is PrefillMode.SURROUNDINGS
    assert of(Intent.REFINE) == (0.35, PrefillMode.KEEP, True)
