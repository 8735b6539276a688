"""What is filled meets what is around it: seams by intent on the starter, beside plain inpainting with its weights.

Our engine's plain settings are plain diffusers' inpainting: the parity suite holds the two equal to the last level. It
is measured as diffusers draws it (`raw`: the decoded picture, which changes every pixel) and as it is usually
composited (`pasted`: with a hard edge).

Gradient energy is the mean squared difference of two neighbouring pixels on either side of a contour of the mask,
summed over the channels. `edge` is that across the mask's border, `fade` that across every contour within the first
four pixels inside, where new fades into old; the surroundings are the contours next to these on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, OutputOptions, Prompts, Sampling
from tests.engine.conftest import generate

COMPOSITIONS = 40
SIDE = 64
FADE_WIDTH = 4
SURROUNDING_CONTOURS = (-8, -7, -6, -5, -4, -3, FADE_WIDTH + 2, FADE_WIDTH + 3, FADE_WIDTH + 4)
"""Contours of the surroundings: pixels inside the mask's border, negative outside."""
THINGS = ("heart", "apple", "star", "fish", "sun", "cat", "dog", "flower", "tree", "car")
COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink", "white")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Composition:
    """A prompt, another prompt for a region, and that region: a box or an ellipse."""

    prompt: str
    other_prompt: str
    mask: Any
    seed: int


def compositions() -> Iterator[Composition]:
    lots = np.random.default_rng(0)
    down, across = np.mgrid[0:SIDE, 0:SIDE]
    for number in range(COMPOSITIONS):
        colour, ground = lots.choice(len(COLOURS), 2, replace=False)
        thing, other = lots.choice(len(THINGS), 2, replace=False)
        wide, high = lots.integers(20, 37, 2)
        x, y = lots.integers(4, SIDE - 4 - wide), lots.integers(4, SIDE - 4 - high)
        box = (across >= x) & (across < x + wide) & (down >= y) & (down < y + high)
        ellipse = ((across - x + 0.5) / wide - 0.5) ** 2 + ((down - y + 0.5) / high - 0.5) ** 2 <= 0.25
        yield Composition(
            f"a {COLOURS[colour]} {THINGS[thing]} on a {COLOURS[ground]} background",
            f"a {COLOURS[(colour + 3) % len(COLOURS)]} {THINGS[other]} on a {COLOURS[ground]} background",
            np.where(box if number % 2 else ellipse, 255, 0).astype(np.uint8),
            100 + number,
        )


def run(engine: Any, words: str, seed: int, edit: EditParameters | None = None) -> Any:
    request = GenerationRequest(
        checkpoint=resources_folder() / "checkpoints" / "starter",
        prompts=Prompts(prompt=words),
        sampling=Sampling(size=Size(SIDE, SIDE), steps=20, guidance_scale=3.0, seed=seed),
        edit=edit,
        output=OutputOptions(watermark=False),
    )
    return generate(engine, request).picture


def gradient_energies(pixels: Any, mask: Any) -> tuple[float, float, float]:
    """(edge, fade, surroundings)"""
    inside = mask > 0
    depth = ndimage.distance_transform_cdt(inside, "chessboard") - ndimage.distance_transform_cdt(~inside, "chessboard")
    values = pixels.astype(float)
    steps = [(np.diff(values, axis=axis) ** 2).sum(axis=2) for axis in (0, 1)]

    def across(contours: Any) -> float:
        total = pairs = 0.0
        for contour in contours:
            for axis, step in enumerate(steps):
                crossed = np.diff((depth > contour).astype(np.int8), axis=axis) != 0
                total, pairs = total + step[crossed].sum(), pairs + crossed.sum()
        return total / pairs

    return across([0]), across(range(FADE_WIDTH)), across(SURROUNDING_CONTOURS)


Table = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def measured(engine: Any) -> Table:
    """The mean energies of every way, over all compositions, and how many pixels changed outside the masks."""
    found: dict[str, list[tuple[float, ...]]] = {}

    def note(name: str, made: Any, before: Any, mask: Any) -> None:
        outside = (made != before).any(axis=2) & (mask == 0)
        found.setdefault(name, []).append((*gradient_energies(made, mask), float(outside.sum())))

    for each in compositions():
        before = run(engine, each.prompt, each.seed).pixels
        plain = EditParameters(
            picture=Raster.from_pixels(before), mask=Raster.from_pixels(each.mask), strength=1.0, keep_size=True
        )
        for intent, words in ((Intent.FILL, each.prompt), (Intent.REPLACE, each.other_prompt)):
            meant = parameters_for_intent(intent, MaskMetrics.from_mask(each.mask), Size(SIDE, SIDE))
            ours = replace(
                plain,
                strength=meant.strength,
                prefill=meant.prefill,
                grow=meant.grow,
                mask_blur=meant.mask_blur,
                soft=meant.soft,
                match_colour=meant.match_colour,
            )
            note(f"{intent}: ours", run(engine, words, each.seed + 400, ours).pixels, before, each.mask)
            theirs = run(engine, words, each.seed + 400, plain)
            note(f"{intent}: pasted", theirs.pixels, before, each.mask)
            note(f"{intent}: raw", theirs.drawn, before, each.mask)
        note("original", before, before, each.mask)
    names = ("edge", "fade", "surroundings", "changed outside")
    table = {
        name: dict(zip(names, np.mean(rows, axis=0).round(1).tolist(), strict=True)) for name, rows in found.items()
    }
    print(json.dumps(table, indent=1))
    return table


@pytest.mark.parametrize("intent", [Intent.FILL, Intent.REPLACE])
def test_the_masks_border_is_no_rougher_than_its_surroundings(measured: Table, intent: Intent) -> None:
    ours = measured[f"{intent}: ours"]
    assert ours["edge"] <= 1.1 * ours["surroundings"]


def test_where_the_same_is_drawn_again_the_whole_fade_is_as_rough_as_the_picture_was_there(measured: Table) -> None:
    """And no smoother: a blur would be seen too. Where something else is drawn there is a way between the two."""
    assert 0.8 * measured["original"]["fade"] <= measured["fill: ours"]["fade"] <= 1.1 * measured["original"]["fade"]


@pytest.mark.parametrize("intent", [Intent.FILL, Intent.REPLACE])
def test_there_is_less_of_a_seam_than_with_plain_inpainting(measured: Table, intent: Intent) -> None:
    ours, pasted, raw = (measured[f"{intent}: {way}"] for way in ("ours", "pasted", "raw"))
    assert ours["edge"] < raw["edge"] < pasted["edge"]
    assert ours["fade"] < pasted["fade"]


def test_outside_the_mask_no_pixel_changes(measured: Table) -> None:
    for intent in (Intent.FILL, Intent.REPLACE):
        assert measured[f"{intent}: ours"]["changed outside"] == 0
        assert measured[f"{intent}: raw"]["changed outside"] > 0, "plain diffusers changes them all"
