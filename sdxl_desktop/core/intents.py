"""Intents: presets of edit parameters for what the user wants to do with a masked area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from sdxl_desktop.core.edit import MAX_GROW, MAX_MASK_BLUR, PrefillMode
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array


class Intent(StrEnum):
    """A name for a preset of edit parameters."""

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
        """One sentence on the effect and on what the prompt should say."""
        return _HELP[self]

    @property
    def needs_mask(self) -> bool:
        """Whether the intent requires a mask; a whole picture can be refined and expanded."""
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
    """The values of an intent. `grow_cells` is in latent cells (the pixels of one latent); `blur_ratio` is a share of
    the mask's `mean_half_width`, since a stroke has less room to blend than a large area, and is limited to
    `max_blur_cells`.

    Growing by half a cell regenerates every cell that is mostly masked; the rest of the other cells lies where the
    blend has hardly begun. A larger value makes seams: the new pixels then fit the surroundings of the grown mask, none
    of which are kept. Intents that replace something use a narrower blend than those that fill: in a wide blend the old
    content shows through. Measured with the starter checkpoint (`tests/engine/test_seams.py`).
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
"""The presets of the intents. Remove stays below strength 1, at which a prefill has no effect."""

_LATENT_CELL_PIXELS = 8.0
"""Generated pixels per latent in SDXL."""
_MIN_CELLS = 16
"""A generated picture with fewer cells on a side has smaller cells: its VAE has a smaller scale factor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentParameters:
    """The fields of `EditParameters` that an intent sets, with the same meanings."""

    strength: float
    prefill: PrefillMode
    grow: int
    mask_blur: float
    soft: bool
    match_colour: bool


@dataclass(frozen=True, slots=True)
class MaskMetrics:
    """The measurements that sizes depend on: the mask's `mean_half_width` and `box_size`, and the `picture_size`; all
    in the picture's pixels."""

    mean_half_width: float
    box_size: Size
    picture_size: Size

    @classmethod
    def from_mask(cls, mask: UInt8Array) -> MaskMetrics:
        """Measure `mask`, uint8 [H, W].

        The mean half width is area / edge length: half the width of a stroke, a quarter of a square's side, half a
        circle's radius; never more than the distance from the edge to the middle. The picture's borders do not count as
        edges.
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
        """Return the picture's pixels per generated pixel; with a `margin` only that much around the mask is used."""
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
    """Return the parameters of `intent` for this mask if the whole picture, or `margin` around the mask, is generated
    at `generated_size`."""
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
