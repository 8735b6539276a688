"""A generation request: one frozen `GenerationRequest`, validated on creation, made of the parts that the panels edit.

The parts have modules of their own; this module also exports those in `__all__`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, get_args

from sdxl_desktop.core.additions import Additions, file_name_only
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.execution import AUTOMATIC_DEVICE, Execution, Precision, PrecisionOverride
from sdxl_desktop.core.latents import ResumePoint
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.prompt_source import PromptSource
from sdxl_desktop.core.prompts import MAX_AESTHETIC_SCORE, MAX_CLIP_SKIP, MicroConditioning, Prompts
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.sampling import (
    MAX_COUNT,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MAX_TIMESTEP,
    SIZE_MULTIPLE,
    Sampling,
)
from sdxl_desktop.core.scalars import ADVANCED, Option, scalar

__all__ = [
    "AUTOMATIC_DEVICE",
    "MAX_AESTHETIC_SCORE",
    "MAX_CLIP_SKIP",
    "MAX_COUNT",
    "MAX_GUIDANCE",
    "MAX_SEED",
    "MAX_SIDE",
    "MAX_STEPS",
    "MAX_TIMESTEP",
    "SIZE_MULTIPLE",
    "Execution",
    "GenerationMode",
    "GenerationRequest",
    "KeepLatents",
    "MicroConditioning",
    "OutputOptions",
    "Precision",
    "PrecisionOverride",
    "Prompts",
    "Sampling",
]

KeepLatents = Literal["none", "final", "steps"]


class GenerationMode(StrEnum):
    """The kind of run, derived from its inputs."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINT = "inpaint"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """`watermark`: add an invisible watermark that marks the picture as machine-made. `declare_source`: say in the
    file's XMP that it is, by IPTC's digital source type. `keep_latents`: return the latents with each picture: none,
    the final ones, or every step (see `SavedLatents`)."""

    watermark: bool = scalar(
        True,
        option=Option(
            "--watermark/--no-watermark",
            None,
            "Mark the pixels invisibly as machine-made. Default: as in your settings.",
            "switch",
            ADVANCED,
        ),
    )
    declare_source: bool = scalar(
        True,
        option=Option(
            "--declare-source/--no-declare-source",
            None,
            "Say in the file that it is machine-made (IPTC). Default: as in your settings.",
            "switch",
            ADVANCED,
        ),
    )
    keep_latents: KeepLatents = "none"

    def __post_init__(self) -> None:
        if self.keep_latents not in get_args(KeepLatents):
            raise RequestError(
                f"Latents cannot be kept as {self.keep_latents!r}.",
                next_step="Choose one of: " + ", ".join(get_args(KeepLatents)) + ".",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One run of the engine: a checkpoint folder and everything that determines its pictures.

    `prompts` is the final text, which the text encoders read. `picture_prompts` holds that of each picture where they
    differ, else it is empty; `prompt_source` what was typed, if the text was made from styles, variants or wildcards.
    `typed_prompts` are what was typed if only tags of LoRAs were taken out of it.
    """

    checkpoint: Path
    prompts: Prompts = Prompts()
    typed_prompts: Prompts | None = None
    prompt_source: PromptSource | None = None
    picture_prompts: tuple[Prompts, ...] = ()
    sampling: Sampling = Sampling()
    micro_conditioning: MicroConditioning = MicroConditioning()
    edit: EditParameters | None = None
    refine: RefinerParameters | None = None
    additions: Additions = Additions()
    start: ResumePoint | None = None
    output: OutputOptions = OutputOptions()
    execution: Execution = field(default_factory=Execution)

    def __post_init__(self) -> None:
        if self.picture_prompts and len(self.picture_prompts) != self.sampling.count:
            raise RequestError(
                f"There are prompts for {len(self.picture_prompts)} pictures, but {self.sampling.count} are asked for.",
                next_step="Give one prompt for all pictures, or one for each.",
            )
        if self.start is not None and self.start.step is not None:
            self._check_replay(self.start)
        if self.start is not None and self.sampling.count != 1:
            raise RequestError("Kept latents make one picture, not several.", next_step="Ask for a single picture.")

    def _check_replay(self, start: ResumePoint) -> None:
        for what, kept, asked in (
            ("seed", start.latents.seed, self.sampling.seed),
            ("scheduler", start.latents.scheduler.label, self.sampling.scheduler.label),
            ("number of steps", start.latents.steps, self.sampling.steps),
            (
                "list of timesteps",
                _format_timesteps(start.latents.timesteps),
                _format_timesteps(self.sampling.timesteps),
            ),
            ("noise schedule", _format_noise(start.latents.noise), _format_noise(self.sampling.noise)),
        ):
            if kept is not None and kept != asked:
                raise RequestError(
                    f"The {what} is {asked}, but the kept latents were made with {kept}.",
                    next_step=f"To go on from a step, leave the {what} at {kept}.",
                )

    @property
    def mode(self) -> GenerationMode:
        if self.edit is None:
            return GenerationMode.TEXT_TO_IMAGE
        return GenerationMode.IMAGE_TO_IMAGE if self.edit.mask is None else GenerationMode.INPAINT

    @property
    def all_prompts(self) -> Prompts:
        """The texts of the prompts of all pictures together, to look for words in."""
        each = tuple(dict.fromkeys(self.picture_prompts)) or (self.prompts,)
        return Prompts(
            prompt=" ".join(one.prompt for one in each),
            negative_prompt=" ".join(one.negative_prompt for one in each),
            prompt_2=" ".join(one.prompt_2 for one in each),
            negative_prompt_2=" ".join(one.negative_prompt_2 for one in each),
        )

    def prompts_of(self, index: int) -> Prompts:
        """Return the prompts of the picture `index`, from 0."""
        return self.picture_prompts[index] if self.picture_prompts else self.prompts

    def of_picture(self, index: int) -> GenerationRequest:
        """Return the request with the prompts of the picture `index`, from 0, for all its pictures."""
        if not self.picture_prompts:
            return self
        return replace(self, prompts=self.picture_prompts[index], picture_prompts=())

    def with_pictures(self, first: int, sampling: Sampling) -> GenerationRequest:
        """Return the request for `sampling.count` pictures with `sampling`, of which the first is the picture `first`
        of this one."""
        prompts = self.picture_prompts[first : first + sampling.count]
        if len(prompts) != sampling.count:
            return replace(self.of_picture(min(first, self.sampling.count - 1)), sampling=sampling)
        return replace(self, sampling=sampling, prompts=prompts[0], picture_prompts=prompts)

    def without_pixels(self) -> GenerationRequest:
        """Return a copy without pixels and latents."""
        edit = self.edit
        if edit is not None:
            mask = None if edit.mask is None else edit.mask.without_pixels()
            edit = replace(edit, picture=edit.picture.without_pixels(), mask=mask)
        return replace(self, edit=edit, start=None)

    def for_metadata(self) -> GenerationRequest:
        """Return a copy without pixels and latents, with names of files and folders instead of paths, for a picture's
        record. A path reveals where a user keeps things, and means nothing on another machine."""
        refine = self.refine
        if refine is not None:
            refine = replace(refine, checkpoint=file_name_only(refine.checkpoint))
        return replace(
            self.without_pixels(),
            checkpoint=file_name_only(self.checkpoint),
            refine=refine,
            additions=self.additions.without_folders(),
        )


def _format_timesteps(timesteps: tuple[int, ...] | None) -> str | None:
    return None if timesteps is None else ", ".join(map(str, timesteps)) or "the scheduler's"


def _format_noise(noise: NoiseScheduleOverride | None) -> str | None:
    return None if noise is None else noise.description or "the checkpoint's"
