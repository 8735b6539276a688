"""Inpainting by base and refiner as an ensemble, in torch: networks and schedulers are diffusers', the loop is not.

diffusers' inpainting pipeline, given the base's noisy latents as its picture, takes them for clean ones and makes them
noisier still outside the mask. What is meant is that, at every step, the latents outside the mask are the original
picture's with the noise of that step. So that is written down here, independently of the engine.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.request import GenerationRequest
from tests.engine.parity import pipeline_arguments
from tests.engine.parity.diffusers_calls import Floats, PipelineKind
from tests.engine.parity.reference_schedulers import reference_scheduler
from tests.typed import not_none


@dataclass
class InpaintState:
    """What stays where `mask` is 0: `clean` latents of the picture, and the `noise` they are given."""

    mask: torch.Tensor
    image_latents: torch.Tensor
    noise: torch.Tensor

    def extra_channels(self, latents: torch.Tensor, scheduler: Any, timestep: torch.Tensor | None) -> torch.Tensor:
        """`latents` inside the mask, the picture with the noise of `timestep` (None: without noise) outside."""
        kept = self.image_latents
        if timestep is not None:
            kept = scheduler.add_noise(self.image_latents, self.noise, timestep[None])
        return torch.where(self.mask > 0.5, latents, kept)


def run_inpaint_ensemble(request: GenerationRequest, pipelines: Any) -> Floats:
    """float32 [H, W, 3] in [0, 1], for a checkpoint whose UNet has four input channels."""
    edit, refine, sampling = request.edit, request.refine, request.sampling
    assert edit is not None
    assert refine is not None
    base = pipelines.pipeline(PipelineKind.INPAINT, request.checkpoint)
    refiner = pipelines.pipeline(PipelineKind.INPAINT, refine.checkpoint)
    generator = torch.Generator("cpu").manual_seed(sampling.seed)
    cutoff = round(1000 - 1000 * refine.handoff)

    scheduler = reference_scheduler(sampling.scheduler, base.scheduler.config, sampling.seed)
    scheduler.set_timesteps(sampling.steps)
    first = (sampling.steps - int(sampling.steps * edit.strength)) * scheduler.order
    scheduler.set_begin_index(first) if hasattr(scheduler, "set_begin_index") else None
    everything = scheduler.timesteps[first:]
    visited = [timestep for timestep in everything if timestep >= cutoff]
    latents, kept = _begin(request, base, scheduler, everything[:1], generator)
    for n, timestep in enumerate(visited):
        latents = _step(request, base, scheduler, latents, timestep, generator)
        latents = kept.extra_channels(latents, scheduler, everything[n + 1])

    scheduler = reference_scheduler(sampling.scheduler, refiner.scheduler.config, sampling.seed)
    scheduler.set_timesteps(refine.steps or sampling.steps)
    count = int((scheduler.timesteps < cutoff).sum())
    if scheduler.order == 2 and count % 2 == 0:  # not between the two UNet calls of a step
        count += 1
    everything = scheduler.timesteps[len(scheduler.timesteps) - count :]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(len(scheduler.timesteps) - count)
    generator = torch.Generator("cpu").manual_seed(sampling.seed)
    for n, timestep in enumerate(everything):
        latents = _step(request, refiner, scheduler, latents, timestep, generator)
        latents = kept.extra_channels(latents, scheduler, everything[n + 1] if n + 1 < len(everything) else None)
    image = refiner.vae.decode(latents / refiner.vae.config.scaling_factor).sample[0]
    drawn: Floats = (image / 2 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy()
    return drawn


def _begin(
    request: GenerationRequest, pipe: Any, scheduler: Any, timestep: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, InpaintState]:
    assert request.edit is not None
    picture = (
        torch.tensor(np.asarray(pipeline_arguments.edit_image(request)), dtype=torch.float32).permute(2, 0, 1)[None]
        / 127.5
        - 1
    )
    mask = torch.tensor(np.asarray(pipeline_arguments.mask_image(request)) >= 128, dtype=torch.float32)[None, None]
    clean = pipe.vae.encode(picture).latent_dist.sample(generator) * pipe.vae.config.scaling_factor
    noise = torch.randn(clean.shape, generator=generator)
    pipe.vae.encode(picture * (1 - mask)).latent_dist.sample(generator)  # required by diffusers, but unused
    small = torch.nn.functional.max_pool2d(mask, 8)
    latents = noise * scheduler.init_noise_sigma
    if request.edit.strength < 1:
        latents = scheduler.add_noise(clean, noise, timestep)
    return latents, InpaintState(small, clean, noise)


def _step(
    request: GenerationRequest,
    pipe: Any,
    scheduler: Any,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    positive, negative, pooled, negative_pooled = pipe.encode_prompt(**pipeline_arguments.prompt_arguments(request))
    micro, size = request.micro_conditioning, request.sampling.size
    original = not_none(pipeline_arguments.height_first(micro.original_size or size))
    crop = pipeline_arguments.height_first(micro.crop_top_left) or (0, 0)
    scored = pipe.config.requires_aesthetics_score
    ends: list[tuple[float, ...]] = [(micro.aesthetic_score,), (micro.negative_aesthetic_score,)]
    if not scored:
        ends = [not_none(pipeline_arguments.height_first(micro.target_size or size))] * 2
    crops = (crop, (0, 0) if scored else crop)
    ids = [torch.tensor([[*original, *at, *end]], dtype=torch.float32) for at, end in zip(crops, ends, strict=True)]
    seen = scheduler.scale_model_input(latents, timestep)
    message = [
        pipe.unet(seen, timestep, words_, added_cond_kwargs={"text_embeds": pooled_, "time_ids": ids_}).sample
        for words_, pooled_, ids_ in ((negative, negative_pooled, ids[1]), (positive, pooled, ids[0]))
    ]
    guided = message[0] + request.sampling.guidance_scale * (message[1] - message[0])
    wants_noise = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": generator} if wants_noise else {}
    stepped: torch.Tensor = scheduler.step(guided, timestep, latents, **options).prev_sample
    return stepped
