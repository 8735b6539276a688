"""The prompts, and SDXL's size and crop conditioning."""

from __future__ import annotations

from dataclasses import dataclass

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.scalars import ADDITIONS, MICRO, REFINER, NumberRow, Option, check_limits, scalar
from sdxl_desktop.core.untrusted_text import replace_unencodable

MAX_CLIP_SKIP = 11
MAX_AESTHETIC_SCORE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    """The prompts. An empty `prompt_2` or `negative_prompt_2` means "the same as the first encoder's".

    `clip_skip` skips this many more of the text encoders' last layers than SDXL does.
    """

    prompt: str = scalar("")
    negative_prompt: str = scalar(
        "", option=Option("--negative", "TEXT", "What to steer away from.", "text", default="")
    )
    prompt_2: str = scalar(
        "", option=Option("--prompt-2", "TEXT", "Words for the second text encoder alone.", "text", default="")
    )
    negative_prompt_2: str = scalar(
        "", option=Option("--negative-2", "TEXT", "The same, for the negative prompt.", "text", default="")
    )
    clip_skip: int = scalar(
        0,
        "Clip skip",
        (0, MAX_CLIP_SKIP),
        row=NumberRow(
            "Clip skip",
            "Clip skip",
            "Leaves out this many of the text encoders' last layers. 0 is what SDXL was trained with; "
            "some checkpoints ask for 1 or 2, which reads the words more loosely.",
            MAX_CLIP_SKIP,
        ),
        option=Option("--clip-skip", "N", "Leave out the text encoders' last layers.", "whole", ADDITIONS, default=0),
    )

    def __post_init__(self) -> None:
        check_limits(self)
        for words in (self.prompt, self.negative_prompt, self.prompt_2, self.negative_prompt_2):
            if replace_unencodable(words) != words:
                raise RequestError(
                    "The prompt holds bytes that are no text.", next_step="Write it in UTF-8, or type it anew."
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroConditioning:
    """SDXL's size and crop conditioning, in pixels (Podell et al., arXiv 2307.01952, §2.2).

    `None` means the default: sizes are the picture's own size and the crop is (0, 0). The three negative values
    condition the unconditional half; if none of them is given, that half is conditioned like the positive one; if any
    is given, the others take their defaults (sizes: the positive's; crop: (0, 0)).

    The aesthetic scores, in [0, 10], condition refiners, which use them instead of the target size. A refiner's
    unconditional half has the crop (0, 0) unless one is given, as in diffusers.
    """

    original_size: Size | None = scalar(
        None,
        option=Option("--original-size", "WxH", "Micro-conditioning: size of the imagined original.", group=MICRO),
    )
    target_size: Size | None = scalar(
        None, option=Option("--target-size", "WxH", "Micro-conditioning: size of the imagined result.", group=MICRO)
    )
    crop_top_left: Point | None = scalar(
        None,
        option=Option("--crop", "X,Y", "Micro-conditioning: top left corner of the imagined crop.", group=MICRO),
    )
    negative_original_size: Size | None = scalar(
        None, option=Option("--negative-original-size", "WxH", "The original size to steer away from.", group=MICRO)
    )
    negative_target_size: Size | None = scalar(
        None, option=Option("--negative-target-size", "WxH", "The target size to steer away from.", group=MICRO)
    )
    negative_crop_top_left: Point | None = scalar(
        None, option=Option("--negative-crop", "X,Y", "The crop to steer away from.", group=MICRO)
    )
    aesthetic_score: float = scalar(
        6.0,
        "The aesthetic score",
        (0.0, MAX_AESTHETIC_SCORE),
        row=NumberRow(
            "Score",
            "Aesthetic score",
            "Refiners were trained with a score of how much people liked each picture, from 0 to 10. "
            "This is the score the picture should have.",
            MAX_AESTHETIC_SCORE,
            step=0.1,
            decimals=1,
        ),
        option=Option(
            "--aesthetic-score", "A", "The aesthetic score that the refiner is given, 0 to 10.", "real", REFINER
        ),
    )
    negative_aesthetic_score: float = scalar(
        2.5,
        "The negative aesthetic score",
        (0.0, MAX_AESTHETIC_SCORE),
        row=NumberRow(
            "Away from",
            "Negative aesthetic score",
            "The score that the picture is steered away from.",
            MAX_AESTHETIC_SCORE,
            step=0.1,
            decimals=1,
        ),
        option=Option("--negative-aesthetic-score", "A", "The score to steer away from.", "real", REFINER),
    )

    def __post_init__(self) -> None:
        check_limits(self)

    def positive_time_ids(self, size: Size) -> tuple[Size, Point, Size]:
        """Return (original size, crop top left, target size) for a picture of `size`."""
        return self.original_size or size, self.crop_top_left or Point(0, 0), self.target_size or size

    def negative_time_ids(self, size: Size, *, refiner: bool = False) -> tuple[Size, Point, Size]:
        """Return the same three for the unconditional half."""
        original, crop, target = self.positive_time_ids(size)
        given = (self.negative_original_size, self.negative_crop_top_left, self.negative_target_size)
        if not any(value is not None for value in given):
            return original, Point(0, 0) if refiner else crop, target
        return (
            self.negative_original_size or original,
            self.negative_crop_top_left or Point(0, 0),
            self.negative_target_size or target,
        )
