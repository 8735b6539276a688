"""Keeps the picture outside the mask while the rest is denoised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional

from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule


class LatentBlend(Protocol):
    """Blends the original picture into the latents after each UNet call."""

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor: ...


def binary_latent_mask(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the binary mask float32 [1, 1, H, W] on the latents' grid, [1, 1, h, w]: every cell that it touches.

    diffusers samples only one corner of each cell, and so misses thin strokes and, on two sides, the edge of any shape.
    """
    return functional.adaptive_max_pool2d(mask, (height, width))


@dataclass(frozen=True, slots=True, eq=False)
class BinaryMaskBlend:
    """Restores the picture's latents, with the noise level of the step, where `mask` [1, 1, h, w] is 0.

    `clean` are the picture's scaled latents and `noise` the noise added to them, both float32 [1, C, h, w] (Lugmayr et
    al., "RePaint", arXiv 2201.09865, without its resampling; diffusers does the same with 4-channel UNets).
    """

    mask: torch.Tensor
    image_latents: torch.Tensor
    noise: torch.Tensor

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor:
        """Return the latents after UNet call `call`. `last` is True if no noise is to remain in them."""
        kept = self.image_latents
        following = call + 1
        if following < len(schedule.timesteps):
            kept = schedule.scheduler.add_noise(kept, self.noise, schedule.timesteps[following : following + 1])
        elif not last:
            kept = schedule.scheduler.add_noise(kept, self.noise, _next_timestep(schedule))
        return (1 - self.mask) * kept + self.mask * latents


@dataclass(frozen=True, slots=True, eq=False)
class SoftMaskBlend:
    """Limits the change at each position to `mask`, float32 [1, 1, h, w] in [0, 1].

    A position keeps the original, with the noise level of the step, until only its share of the noise schedule remains;
    from then on it is denoised (Levin & Fried, "Differential Diffusion", arXiv 2306.00950, §3).
    """

    mask: torch.Tensor
    image_latents: torch.Tensor
    noise: torch.Tensor

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor:
        """Return the latents after UNet call `call`. `last` is True if no noise is to remain in them."""
        following = schedule.timesteps[call + 1 : call + 2]
        if len(following) == 0 and not last:
            following = _next_timestep(schedule)
        if len(following) == 0:
            return torch.where(self.mask > 0, latents, self.image_latents)
        kept = schedule.scheduler.add_noise(self.image_latents, self.noise, following)
        left = schedule.remaining_fraction(float(following[0]))
        return torch.where(self.mask >= left, latents, kept)


def soft_latent_mask(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the mask float32 [1, 1, H, W] in [0, 1], averaged over the cells of the latents' grid [1, 1, h, w]."""
    return functional.adaptive_avg_pool2d(mask, (height, width))


def _next_timestep(schedule: StageSchedule) -> torch.Tensor:
    """Return the timestep after the last one of this stage, where the next stage continues."""
    everything = schedule.scheduler.timesteps
    place = int((everything == schedule.timesteps[-1]).nonzero()[-1])
    following: torch.Tensor = everything[min(place + 1, len(everything) - 1)][None]
    return following
