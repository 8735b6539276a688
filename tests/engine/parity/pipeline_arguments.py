"""Translates a request into the arguments of diffusers' SDXL pipelines."""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest, MicroConditioning
from sdxl_desktop.core.schedulers import SchedulerName

NEGATIVE_SIZE_FIELDS = ("negative_original_size", "negative_crop_top_left", "negative_target_size")


def common_arguments(request: GenerationRequest, seed: int) -> dict[str, Any]:
    """What every pipeline takes. A fresh generator, because every stage has one."""
    sampling = request.sampling
    return {
        **prompt_arguments(request),
        "num_inference_steps": sampling.steps,
        "timesteps": list(sampling.timesteps) or None,
        "guidance_scale": sampling.guidance_scale,
        "guidance_rescale": sampling.guidance_rescale,
        "generator": torch.Generator("cpu").manual_seed(seed),
        **({"eta": 0.3} if sampling.scheduler is SchedulerName.TCD else {}),  # the pipelines' default is 0
    }


def prompt_arguments(request: GenerationRequest) -> dict[str, Any]:
    message = request.prompts
    negated = bool(message.negative_prompt or message.negative_prompt_2)
    return {
        "prompt": message.prompt,
        "prompt_2": message.prompt_2 or None,
        "negative_prompt": message.negative_prompt if negated else None,
        "negative_prompt_2": message.negative_prompt_2 or None,
        "clip_skip": message.clip_skip or None,
    }


def positive_size_arguments(micro: MicroConditioning) -> dict[str, Any]:
    given = {
        "original_size": height_first(micro.original_size),
        "crops_coords_top_left": height_first(micro.crop_top_left),
        "target_size": height_first(micro.target_size),
    }
    return {name: value for name, value in given.items() if value is not None}


def negative_size_arguments(micro: MicroConditioning, size: Size) -> dict[str, Any]:
    """All three negatives as soon as one is given: diffusers' text-to-image ignores them unless both sizes are."""
    if not has_negative_sizes(micro):
        return {}
    return {
        "negative_original_size": height_first(micro.negative_original_size or micro.original_size or size),
        "negative_crops_coords_top_left": height_first(micro.negative_crop_top_left or Point(0, 0)),
        "negative_target_size": height_first(micro.negative_target_size or micro.target_size or size),
    }


def has_negative_sizes(micro: MicroConditioning) -> bool:
    return any(getattr(micro, name) is not None for name in NEGATIVE_SIZE_FIELDS)


def aesthetic_score_arguments(micro: MicroConditioning) -> dict[str, Any]:
    return {
        "aesthetic_score": micro.aesthetic_score,
        "negative_aesthetic_score": micro.negative_aesthetic_score,
    }


def edit_image(request: GenerationRequest) -> Image.Image:
    assert request.edit is not None
    return Image.fromarray(request.edit.picture.array)


def mask_image(request: GenerationRequest) -> Image.Image:
    assert request.edit is not None
    assert request.edit.mask is not None
    return Image.fromarray(request.edit.mask.array)


def is_multiple_of(request: GenerationRequest, factor: int = 8) -> bool:
    """Whether each cell of the latents is masked wholly or not at all."""
    assert request.edit is not None
    assert request.edit.mask is not None
    if request.edit.only_masked is not None:
        return False
    white = request.edit.mask.array >= 128
    height, width = white.shape
    cells = white.reshape(height // factor, factor, width // factor, factor)
    return bool((cells.all(axis=(1, 3)) == cells.any(axis=(1, 3))).all())


def height_first(value: Size | Point | None) -> tuple[int, int] | None:
    """diffusers' order is (height, width) and (top, left)."""
    if value is None:
        return None
    return (value.height, value.width) if isinstance(value, Size) else (value.y, value.x)
