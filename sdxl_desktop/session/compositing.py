"""How an inpainted area is blended into its picture, and what can blend it again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from sdxl_desktop.core.edit import MAX_MASK_BLUR, EditParameters
from sdxl_desktop.core.intents import MaskMetrics
from sdxl_desktop.session.result_files import Result

_MIN_MAX_FEATHER = 8.0


@dataclass(frozen=True, slots=True)
class BlendSettings:
    """How new pixels are blended into a picture: a fade of `feather` pixels inside the mask's edge, and colour
    matching.

    These are `mask_blur` and `match_colour` of `EditParameters`, the two values that do not affect denoising.
    """

    feather: float
    match_colour: bool

    @classmethod
    def from_edit(cls, edit: EditParameters) -> BlendSettings:
        return cls(edit.mask_blur, edit.match_colour)

    def applied_to(self, edit: EditParameters) -> EditParameters:
        return replace(edit, mask_blur=self.feather, match_colour=self.match_colour)


def blend_settings_of(result: Result) -> BlendSettings | None:
    """Return the current blend of `result`; None if it has none or lacks the data to blend again."""
    edit = result.request.edit
    if edit is None or edit.mask is None or result.picture.generated_pixels is None:
        return None
    at_hand = edit.picture.pixels is not None and edit.mask.pixels is not None
    return BlendSettings.from_edit(edit) if at_hand else None


def max_feather(result: Result) -> float:
    """Return the widest useful feather in pixels for `result`: beyond it no new pixel keeps full weight."""
    edit = result.request.edit
    if blend_settings_of(result) is None or edit is None or edit.mask is None:
        return 0.0
    return min(max(_MIN_MAX_FEATHER, 2 * MaskMetrics.from_mask(edit.mask.array).mean_half_width), MAX_MASK_BLUR)


def same_drawing(one: Result, other: Result) -> bool:
    """Whether both were composited from the same generated picture, perhaps with different blends."""
    drawn = one.picture.generated_pixels
    return one.picture.pixels is other.picture.pixels or (drawn is not None and drawn is other.picture.generated_pixels)


class Compositor(Protocol):
    """Composites one generated picture with any blend settings."""

    def is_for(self, result: Result) -> bool:
        """Whether this composites the generated picture of `result`."""
        ...

    def blended(self, result: Result, blend: BlendSettings) -> Result:
        """Return `result` blended with `blend`, with its request updated."""
        ...
