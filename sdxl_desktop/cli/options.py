"""What was typed, and how it becomes one valid `GenerationRequest`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import cast

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import (
    MAX_SEED,
    Execution,
    GenerationRequest,
    MicroConditioning,
    Precision,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `generate` as typed; None means "not given"."""

    prompt: str
    negative: str = ""
    prompt_2: str = ""
    negative_2: str = ""
    size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    guidance_rescale: float | None = None
    scheduler: str | None = None
    seed: int | None = None
    count: int = 1
    original_size: str | None = None
    target_size: str | None = None
    crop: str | None = None
    negative_original_size: str | None = None
    negative_target_size: str | None = None
    negative_crop: str | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None


def build_request(options: Options, checkpoint: Checkpoint, usual: Execution) -> GenerationRequest:
    """The request; what was not given comes from the checkpoint's recommendation, or is `usual`, or is drawn by lot.

    Raises RequestError for the first value that cannot be.
    """
    sampling = _sampling(options, checkpoint)
    checkpoint.check_size(sampling.size)
    return GenerationRequest(
        checkpoint=checkpoint.folder,
        prompts=Prompts(
            prompt=options.prompt,
            negative_prompt=options.negative,
            prompt_2=options.prompt_2,
            negative_prompt_2=options.negative_2,
        ),
        sampling=sampling,
        micro_conditioning=_micro_conditioning(options),
        execution=Execution(
            device=usual.device if options.device is None else options.device,
            threads=usual.threads if options.threads is None else options.threads,
            precision=usual.precision if options.precision is None else cast(Precision, options.precision),
            preview=False,
        ),
    )


def _sampling(options: Options, checkpoint: Checkpoint) -> Sampling:
    best = checkpoint.recommended
    return Sampling(
        size=best.size if options.size is None else Size.parse(options.size),
        steps=best.steps if options.steps is None else options.steps,
        guidance_scale=best.guidance_scale if options.guidance is None else options.guidance,
        guidance_rescale=options.guidance_rescale or 0.0,
        scheduler=best.scheduler if options.scheduler is None else SchedulerName.parse(options.scheduler),
        seed=secrets.randbelow(MAX_SEED + 1) if options.seed is None else options.seed,
        count=options.count,
    )


def _micro_conditioning(options: Options) -> MicroConditioning:
    return MicroConditioning(
        original_size=_size(options.original_size),
        crop_top_left=_point(options.crop),
        target_size=_size(options.target_size),
        negative_original_size=_size(options.negative_original_size),
        negative_crop_top_left=_point(options.negative_crop),
        negative_target_size=_size(options.negative_target_size),
    )


def _size(text: str | None) -> Size | None:
    return None if text is None else Size.parse(text)


def _point(text: str | None) -> Point | None:
    return None if text is None else Point.parse(text)
