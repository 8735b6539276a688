"""Editing a picture: image-to-image, and inpainting if there is a mask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import format_number
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.scalars import EDIT, NumberRow, Option, check_limits, scalar

MAX_MASK_BLUR = 256
MAX_MARGIN = 4096
MAX_GROW = 256


class FitMode(StrEnum):
    """How a picture with another aspect ratio is fitted to the generated size."""

    CROP = "crop"
    PAD = "pad"
    STRETCH = "stretch"

    @property
    def label(self) -> str:
        return {"crop": "Crop", "pad": "Pad", "stretch": "Stretch"}[self.value]


class PrefillMode(StrEnum):
    """What the masked area contains when denoising starts; it shows in the result if the strength is below 1."""

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
class Editing:
    """The settings that are common to all edited pictures.

    `strength` in (0, 1] is the share of the denoising that is run: 1 keeps only what the mask protects. `fit` is how a
    picture with another aspect ratio is fitted to the generated size. All others apply only with a mask: `mask_blur` is
    the width in pixels, inside the mask's edge, over which the new pixels blend into the old ones. `grow` denoises that
    many more pixels around the mask than are kept, which gives the model context at the edge; `prefill` is the initial
    content of the masked area; `soft` uses the mask's values as strengths (Levin & Fried, "Differential Diffusion",
    arXiv 2306.00950); `match_colour` removes the colour shift that generation adds from the new pixels.
    """

    strength: float = scalar(
        0.6,
        row=NumberRow(
            "Strength",
            "Strength",
            "How much of the picture is drawn anew. Low values keep its shapes and colours; at 1 nothing of it is "
            "kept.",
            1,
            step=0.01,
            decimals=2,
            low=0.01,
            high=1,
        ),
        option=Option(
            "--strength",
            "S",
            "How much of it is drawn anew, above 0 to 1. Default: 0.6, with a mask 1, or as the intent says.",
            "real",
            EDIT,
        ),
    )
    fit: FitMode = scalar(
        FitMode.CROP,
        option=Option(
            "--fit", "crop|pad|stretch", "How it meets a size of another shape.", group=EDIT, default=FitMode.CROP.value
        ),
    )
    mask_blur: float = scalar(
        0.0,
        "The mask blur",
        (0.0, MAX_MASK_BLUR),
        row=NumberRow(
            "Mask blur",
            "Mask blur in pixels",
            "Over how many pixels, inside the mask's edge, the new fades into the old.",
            64,
            step=0.5,
            decimals=1,
        ),
        option=Option(
            "--mask-blur", "PX", "How softly new pixels end inside the mask's edge. Default: 0.", "real", EDIT
        ),
    )
    grow: int = scalar(
        0,
        "The growth of the mask",
        (0, MAX_GROW),
        row=NumberRow(
            "Grow mask",
            "Growth of the mask in pixels",
            "Draws this many more pixels around the mask than are kept, so that the new pixels fit their surroundings.",
            64,
        ),
        option=Option("--grow", "PX", "Draw this far around the mask too; it is not kept. Default: 0.", "whole", EDIT),
    )
    prefill: PrefillMode = scalar(
        PrefillMode.KEEP,
        option=Option(
            "--prefill", "|".join(PrefillMode), "What the masked area starts from. Default: keep.", group=EDIT
        ),
    )
    soft: bool = scalar(
        False,
        key="soft_mask",
        option=Option(
            "--soft-mask/--hard-mask",
            None,
            "Take the mask's greys for strengths, or for all or nothing. Default: hard.",
            "switch",
            EDIT,
        ),
    )
    match_colour: bool = scalar(
        False,
        key="match_colours",
        option=Option(
            "--match-colours/--no-match-colours",
            None,
            "Give the new the colours of the old along the mask's edge. Default: no.",
            "switch",
            EDIT,
        ),
    )

    def __post_init__(self) -> None:
        check_strength(self.strength)
        check_limits(self)


def check_strength(strength: float) -> None:
    """Raise RequestError unless `strength` is in (0, 1]."""
    if not 0.0 < strength <= 1.0:
        raise RequestError(
            f"The strength is {format_number(strength)}.",
            next_step="It must be more than 0 (nothing changes) and at most 1 (everything is drawn anew).",
        )


MARGIN = NumberRow(
    "Margin", "Margin in pixels", "How many pixels around the mask are drawn too, so that the new fits the old.", 256
)
"""The row of `only_masked`, which is None if the whole picture is generated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EditParameters(Editing):
    """What is edited, and how much.

    With a `mask` only its pixels change: every pixel where the mask is 0 is kept exactly. `only_masked` generates only
    the mask's surroundings, this many pixels wide, at the full generated size, and pastes them back. `keep_size` pastes
    the result back into the picture at its own size; otherwise the result has the generated size. `origin` says how the
    picture was made, if its file says so: saving the result replaces that file's record.
    """

    picture: Raster
    mask: Raster | None = None
    only_masked: int | None = scalar(
        None,
        "The margin around the mask",
        (0, MAX_MARGIN),
        row=MARGIN,
        option=Option(
            "--only-masked",
            "PX",
            "Draw only the mask's surroundings, this wide, at the full size.",
            "whole",
            EDIT,
        ),
    )
    keep_size: bool = scalar(
        False,
        key="paste_back",
        option=Option(
            "--paste-back/--no-paste-back",
            None,
            "Put the result back into the picture at its own size. Default: with a mask.",
            "switch",
            EDIT,
        ),
    )

    origin: str = ""

    def __post_init__(self) -> None:
        Editing.__post_init__(self)
        if self.only_masked is not None and self.mask is None:
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
class EditSource:
    """The content of the canvas: a picture, with or without a mask, or nothing. It determines the kind of run.
    `origin` says how the picture was made, if that is known."""

    picture: Raster | None = None
    mask: Raster | None = None
    origin: str = ""
