"""What a person means to do with a masked area, in one word, and the values of an edit that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sdxl_desktop.core.edit import MAX_GROW, MAX_MASK_BLUR, PrefillMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array


class Intent(StrEnum):
    """A plain word for a whole set of values."""

    FILL = "fill"
    REPLACE = "replace"
    ADD = "add"
    REMOVE = "remove"
    REFINE = "refine"
    EXPAND = "expand"

    @property
    def label(self) -> str:
        return self.value.capitalize()

    @property
    def help(self) -> str:
        """One sentence on what it does and what the prompt should say."""
        return _HELP[self]

    @property
    def needs_mask(self) -> bool:
        """Whether it means nothing without a mask: a picture can be refined and expanded as a whole."""
        return self not in (Intent.REFINE, Intent.EXPAND)


_HELP = {
    Intent.FILL: "Draws the masked area anew so that it goes with what is around it. Describe the whole picture.",
    Intent.REPLACE: "Forgets what is masked and draws something else there. Say what it is to be.",
    Intent.ADD: "Draws something new into what is there, which shines through. Say what it is to be.",
    Intent.REMOVE: "Lets the surroundings grow over what is masked. Describe the background alone, or nothing.",
    Intent.REFINE: "Keeps shapes and colours and draws the details better. Describe what is there.",
    Intent.EXPAND: "Makes the picture larger and draws what lies beyond its edges. Describe the whole picture.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentPreset:
    """What an intent decides. `grow` is in cells, the pixels of one latent; `blur` is a share of the mask's `breadth`,
    since a stroke has less room to fade in than a large area, and at most `most_blur` cells.

    Growing by half a cell lets every cell be drawn that is mostly masked, and what is left of the others lies where the
    new has hardly begun to fade in. More makes seams: what is drawn then fits what is around the grown mask, of which
    nothing is kept. What replaces something fades over less than what fills: in a wide fade the old shows through.
    Measured on the starter (`tests/engine/test_seams.py`).
    """

    strength: float
    prefill: PrefillMode
    grow_cells: float = 0.5
    blur_ratio: float = 0.75
    max_blur_cells: float = 2.0
    soft: bool = False
    match_colour: bool = True


INTENT_PRESETS = {
    Intent.FILL: IntentPreset(strength=1.0, prefill=PrefillMode.SURROUNDINGS, max_blur_cells=6.0),
    Intent.REPLACE: IntentPreset(strength=1.0, prefill=PrefillMode.BLUR, blur_ratio=1.0),
    Intent.ADD: IntentPreset(strength=0.85, prefill=PrefillMode.KEEP),
    Intent.REMOVE: IntentPreset(strength=0.95, prefill=PrefillMode.SURROUNDINGS),
    Intent.REFINE: IntentPreset(strength=0.35, prefill=PrefillMode.KEEP, max_blur_cells=6.0, soft=True),
    Intent.EXPAND: IntentPreset(strength=1.0, prefill=PrefillMode.SURROUNDINGS),
}
"""The one table of what the intents mean. Remove stops short of strength 1, where nothing of a prefill would count."""

_LATENT_CELL_PIXELS = 8.0
"""Pixels of what is drawn that one of SDXL's latents stands for."""
_MIN_CELLS = 16
"""What is drawn smaller than this many cells has smaller ones: it comes from a VAE that shrinks less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentParameters:
    """The part of an `Edit` that an intent decides, in the terms of `Edit`."""

    strength: float
    prefill: PrefillMode
    grow: int
    mask_blur: float
    soft: bool
    match_colour: bool


@dataclass(frozen=True, slots=True)
class MaskMetrics:
    """What sizes depend on: the mask's `breadth` and its `box`, and the `picture` it lies in; all in its pixels."""

    mean_half_width: float
    box_size: Size
    picture_size: Size

    @classmethod
    def from_mask(cls, mask: UInt8Array) -> MaskMetrics:
        """Measure `mask`, uint8 [H, W].

        The breadth is area / edge length: half the width of a stroke, a quarter of a square's side, half a circle's
        radius; never more than the way from the edge to the middle. Along the picture's own edges there is no edge.
        """
        picture = Size(mask.shape[1], mask.shape[0])
        rows = np.flatnonzero(mask.any(axis=1))
        if not rows.size:
            return cls(math.sqrt(picture.pixel_count) / 2, picture, picture)
        columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
        around = slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)
        inside = mask[around] > 0
        edge = int(np.count_nonzero(inside[1:] != inside[:-1]) + np.count_nonzero(inside[:, 1:] != inside[:, :-1]))
        box = Size(int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
        breadth = int(np.count_nonzero(inside)) / edge if edge else math.sqrt(picture.pixel_count) / 2
        return cls(breadth, box, picture)

    def scale(self, generated_size: Size, margin: int | None) -> float:
        """How many of the picture's pixels become one of `drawn`; `margin`: only so much around the mask is drawn."""
        if margin is None:
            return math.sqrt(self.picture_size.pixel_count / generated_size.pixel_count)
        seen = [
            min(side + 2 * margin, most)
            for side, most in zip(_sides(self.box_size), _sides(self.picture_size), strict=True)
        ]
        return max(seen[0] / generated_size.width, seen[1] / generated_size.height)


def parameters_for_intent(
    intent: Intent, mask_metrics: MaskMetrics, generated_size: Size, margin: int | None = None
) -> IntentParameters:
    """What `intent` means for this mask when `drawn` pixels are drawn, of the whole picture or `margin` around it."""
    recipe = INTENT_PRESETS[intent]
    scale = mask_metrics.scale(generated_size, margin)
    cell = min(_LATENT_CELL_PIXELS, min(_sides(generated_size)) / _MIN_CELLS) * scale
    blur = min(recipe.blur_ratio * mask_metrics.mean_half_width, recipe.max_blur_cells * cell)
    return IntentParameters(
        strength=recipe.strength,
        prefill=recipe.prefill,
        grow=min(math.ceil(recipe.grow_cells * cell), MAX_GROW),
        mask_blur=min(round(2 * blur) / 2, MAX_MASK_BLUR),
        soft=recipe.soft,
        match_colour=recipe.match_colour,
    )


def _sides(size: Size) -> tuple[int, int]:
    return size.width, size.height
