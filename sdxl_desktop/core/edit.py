"""Drawing on the ground of a picture: image-to-image, and inpainting where there is a mask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.checks import within
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.numbers import in_words
from sdxl_desktop.core.raster import Raster

MAX_MASK_BLUR = 256
MAX_MARGIN = 4096
MAX_GROW = 256


class Fit(StrEnum):
    """How a picture of another shape meets the size that is drawn."""

    CROP = "crop"
    PAD = "pad"
    STRETCH = "stretch"

    @property
    def label(self) -> str:
        return {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}[self.value]


class Prefill(StrEnum):
    """What lies under the mask when drawing starts; with a strength below 1 it shows in the result."""

    KEEP = "keep"
    NEUTRAL = "neutral"
    BLUR = "blur"
    SURROUNDINGS = "surroundings"

    @property
    def label(self) -> str:
        return {
            "keep": "What is there",
            "neutral": "Grey",
            "blur": "Blurred",
            "surroundings": "Surroundings",
        }[self.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """What is changed, and how much.

    `strength` in (0, 1] is the share of the denoising that is done: 1 keeps nothing of the picture but what the mask
    protects. With a `mask` only its pixels change: every pixel where the mask is 0 is kept exactly. `mask_blur` is the
    width in pixels over which the new pixels fade into the old ones, inside the mask's edge. `only_masked` draws just
    the mask's surroundings, this many pixels wide, at the full drawing size, and pastes them back. `keep_size` pastes
    the result back into the picture at its own size; otherwise the result has the size that was drawn.

    `grow` lets the denoising work on so many more pixels around the mask than are kept of it, so that what is drawn
    knows where it leads; `prefill` is what the masked area starts from; `soft` takes the mask's values for strengths
    (Levin & Fried, "Differential Diffusion", arXiv 2306.00950); `match_colour` takes the tint that drawing adds off
    the new pixels. All four count with a mask only.
    """

    picture: Raster
    mask: Raster | None = None
    strength: float = 0.6
    fit: Fit = Fit.CROP
    mask_blur: float = 0.0
    only_masked: int | None = None
    keep_size: bool = False
    grow: int = 0
    prefill: Prefill = Prefill.KEEP
    soft: bool = False
    match_colour: bool = False

    def __post_init__(self) -> None:
        if not 0.0 < self.strength <= 1.0:
            raise RequestError(
                f"The strength is {in_words(self.strength)}.",
                next_step="It must be more than 0 (nothing changes) and at most 1 (everything is drawn anew).",
            )
        within("The mask blur", self.mask_blur, 0.0, MAX_MASK_BLUR)
        within("The growth of the mask", self.grow, 0, MAX_GROW)
        if self.only_masked is not None:
            within("The margin around the mask", self.only_masked, 0, MAX_MARGIN)
            if self.mask is None:
                raise RequestError(
                    "Only the masked area was to be drawn, but there is no mask.",
                    next_step="Paint a mask, or draw the whole picture.",
                )
        if self.mask is not None:
            self._check_mask(self.mask)

    def _check_mask(self, mask: Raster) -> None:
        if mask.size != self.picture.size:
            raise RequestError(
                f"The mask is {mask.size} and the picture {self.picture.size}.",
                next_step="Give a mask of exactly the picture's size.",
            )
        if mask.pixels is not None and not mask.pixels.any():
            raise RequestError(
                "The mask is empty, so nothing would change.",
                next_step="Paint the area that is to be drawn anew (white in a mask file), or remove the mask.",
            )


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies on the canvas: a picture, perhaps with a mask, or nothing. It implies what a run does."""

    picture: Raster | None = None
    mask: Raster | None = None
