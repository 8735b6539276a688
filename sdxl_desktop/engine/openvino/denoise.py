"""The denoising of one picture: optimum-intel's SDXL loop, watched step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.openvino import schedulers
from sdxl_desktop.engine.openvino.loaded import LoadedCheckpoint
from sdxl_desktop.engine.openvino.preview import Floats, denoised
from sdxl_desktop.engine.openvino.prompts import Conditioning

SMOOTHED_OVER = 8


@dataclass
class Pace:
    """Seconds an iteration takes, as a mean of the last few, the first one (which warms up) left out if it can be."""

    started: float = field(default_factory=time.perf_counter)
    seconds: list[float] = field(default_factory=list)

    def tick(self) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self.started)
        self.started = now

    def mean(self) -> float:
        recent = self.seconds[1:][-SMOOTHED_OVER:] or self.seconds
        return sum(recent) / len(recent)


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration is done: `step` of `total` as the person counts them, `fraction` of the work, `seconds` a step.

    `estimate` gives the latents float32 [C, h, w] that the step believes in, when they are wanted.
    """

    step: int
    total: int
    fraction: float
    seconds: float
    estimate: Callable[[], Floats]


def denoise(
    loaded: LoadedCheckpoint,
    request: GenerationRequest,
    seed: int,
    conditioning: tuple[Conditioning, Conditioning],
    on_step: Callable[[Step], None],
) -> torch.Tensor:
    """Scaled latents float32 [1, C, H/f, W/f] for one picture.

    A seed is the seed of a CPU generator, as in diffusers. Second-order schedulers visit the UNet more than once
    a step; `Step` counts steps. Raises RequestError when the scheduler cannot do what is asked.
    """
    pipe, sampling = loaded.pipe, request.sampling
    pipe.scheduler = schedulers.build(sampling.scheduler, loaded.scheduler_config, seed=seed, steps=sampling.steps)
    alphas = np.asarray(pipe.scheduler.alphas_cumprod, dtype=np.float32)
    pace = Pace()

    def after(_: Any, iteration: int, __: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        pace.tick()
        iterations = len(pipe.scheduler.timesteps)
        unet = pipe.unet.request
        inputs, noise = unet.last_inputs, unet.last_outputs[0]
        on_step(
            Step(
                step=math.ceil((iteration + 1) * sampling.steps / iterations),
                total=sampling.steps,
                fraction=(iteration + 1) / iterations,
                seconds=pace.mean() * iterations / sampling.steps,
                estimate=lambda: denoised(
                    inputs,
                    noise,
                    guidance_scale=sampling.guidance_scale,
                    alphas_cumprod=alphas,
                    prediction_type=pipe.scheduler.config.prediction_type,
                ),
            )
        )
        return tensors

    positive, negative = conditioning
    latents: torch.Tensor = pipe(
        prompt_embeds=positive.embeddings,
        pooled_prompt_embeds=positive.pooled,
        negative_prompt_embeds=negative.embeddings,
        negative_pooled_prompt_embeds=negative.pooled,
        width=sampling.size.width,
        height=sampling.size.height,
        num_inference_steps=sampling.steps,
        guidance_scale=sampling.guidance_scale,
        guidance_rescale=sampling.guidance_rescale,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="latent",
        callback_on_step_end=after,
        **micro_arguments(request),
    ).images
    return latents


def micro_arguments(request: GenerationRequest) -> dict[str, tuple[int, int]]:
    """SDXL's six size and crop arguments as diffusers wants them, (height, width) and (top, left).

    diffusers drops the negative ones unless both negative sizes are given, so all are always written out.
    """
    size, micro = request.sampling.size, request.micro_conditioning
    original, crop, target = micro.positive_ids(size)
    negative_original, negative_crop, negative_target = micro.negative_ids(size)
    return {
        "original_size": _rows_first(original),
        "crops_coords_top_left": _rows_first(crop),
        "target_size": _rows_first(target),
        "negative_original_size": _rows_first(negative_original),
        "negative_crops_coords_top_left": _rows_first(negative_crop),
        "negative_target_size": _rows_first(negative_target),
    }


def _rows_first(value: Size | Point) -> tuple[int, int]:
    return (value.height, value.width) if isinstance(value, Size) else (value.y, value.x)
