"""One word stands for values that suit the mask, whatever the picture's size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdxl_desktop.core.edit import MAX_GROW, MAX_MASK_BLUR, Edit, Prefill
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import RECIPES, Intent, Masked, filling
from sdxl_desktop.core.raster import Raster


def box(side: int, x: int, y: int, width: int, height: int) -> Any:
    mask = np.zeros((side, side), np.uint8)
    mask[y : y + height, x : x + width] = 255
    return mask


SQUARE = Masked.of(box(1024, 300, 300, 400, 400))


def test_every_intent_has_a_name_a_help_and_values() -> None:
    assert set(RECIPES) == set(Intent)
    for intent in Intent:
        assert intent.label.isalpha()
        assert intent.help.endswith(".")


@pytest.mark.parametrize("intent", Intent, ids=str)
@pytest.mark.parametrize("side", [1, 64, 3000])
def test_what_an_intent_means_is_always_a_valid_edit(intent: Intent, side: int) -> None:
    for mask in (np.full((side, side), 255, np.uint8), box(side, 0, 0, 1, 1), box(side, 0, 0, side, 1)):
        picture = Raster.of(np.zeros((side, side, 3), np.uint8)) if side <= 64 else None
        for drawn in (Size(64, 64), Size(1024, 1024)):
            for margin in (None, 0, 4096):
                meant = filling(intent, Masked.of(mask), drawn, margin)
                assert 0 <= meant.grow <= MAX_GROW
                assert 0 <= meant.mask_blur <= MAX_MASK_BLUR
                if picture is not None:
                    Edit(picture=picture, mask=Raster.of(mask), grow=meant.grow, mask_blur=meant.mask_blur)


def test_the_breadth_is_never_more_than_the_way_from_the_edge_to_the_middle() -> None:
    """A fade as wide as the breadth leaves something new whole, in a stroke as in a large area."""
    assert Masked.of(box(200, 20, 20, 100, 100)).breadth == 25
    assert Masked.of(box(200, 20, 20, 160, 10)).breadth == pytest.approx(5, rel=0.1)
    down, across = np.mgrid[0:200, 0:200]
    stroke = np.where(np.abs(across - down) <= 5, 255, 0).astype(np.uint8)
    assert Masked.of(stroke).breadth < 5
    disc = np.where((across - 100) ** 2 + (down - 100) ** 2 <= 60**2, 255, 0).astype(np.uint8)
    assert 15 < Masked.of(disc).breadth < 60


def test_the_pictures_own_edge_is_none_of_the_masks() -> None:
    assert Masked.of(box(100, 80, 0, 20, 100)).breadth == 20, "one edge of 100 pixels, 2000 pixels inside"
    assert Masked.of(np.full((100, 100), 255, np.uint8)).breadth == 50


def test_blur_goes_with_the_mask_and_growth_with_what_is_drawn() -> None:
    large = filling(Intent.FILL, Masked.of(box(1024, 300, 300, 200, 200)), Size(1024, 1024))
    small = filling(Intent.FILL, Masked.of(box(1024, 300, 300, 40, 40)), Size(1024, 1024))
    assert large.mask_blur > 3 * small.mask_blur
    assert large.grow == small.grow == 4, "half a latent's cell"
    tiny = filling(Intent.FILL, Masked.of(box(64, 16, 16, 32, 32)), Size(64, 64))
    assert tiny.grow == 2, "what is drawn at 64 pixels has cells of 4"
    assert tiny.mask_blur <= 8


def test_a_picture_that_is_drawn_smaller_grows_by_more_of_its_pixels() -> None:
    masked = Masked.of(box(4096, 1000, 1000, 512, 512))
    assert filling(Intent.REPLACE, masked, Size(1024, 1024)).grow == 16
    assert filling(Intent.REPLACE, masked, Size(1024, 1024), margin=256).grow == 4, "what is drawn is 1024 wide there"


def test_the_values_are_those_of_the_words() -> None:
    def of(intent: Intent) -> tuple[float, Prefill, bool]:
        meant = filling(intent, SQUARE, Size(1024, 1024))
        return meant.strength, meant.prefill, meant.soft

    assert of(Intent.FILL) == of(Intent.EXPAND) == (1.0, Prefill.SURROUNDINGS, False)
    assert of(Intent.REPLACE)[0] == 1.0
    assert of(Intent.REPLACE)[1] is not Prefill.KEEP
    assert of(Intent.ADD) == (0.85, Prefill.KEEP, False)
    assert of(Intent.REMOVE)[0] >= 0.9
    assert of(Intent.REMOVE)[1] is Prefill.SURROUNDINGS
    assert of(Intent.REFINE) == (0.35, Prefill.KEEP, True)
