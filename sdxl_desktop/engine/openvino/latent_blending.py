"""Keeps what the mask does not cover while the rest is denoised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch.nn import functional

from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule


class LatentBlend(Protocol):
    """Says what stays of a picture after each UNet call."""

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor: ...


def binary_latent_mask(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The binary mask float32 [1, 1, H, W] on the latents' grid [1, 1, h, w]: every cell that it touches.

    diffusers looks at each cell's corner alone, and so leaves out thin strokes and, at two sides, the edge of anything.
    """
    return functional.adaptive_max_pool2d(mask, (height, width))


@dataclass(frozen=True, slots=True, eq=False)
class BinaryMaskBlend:
    """Puts the picture's latents, made as noisy as the step, back where `mask` [1, 1, h, w] is 0.

    `clean` are the picture's scaled latents and `noise` the noise they are given, both float32 [1, C, h, w]
    (Lugmayr et al., "RePaint", arXiv 2201.09865, without its resampling; what diffusers does with 4-channel UNets).
    """

    mask: torch.Tensor
    image_latents: torch.Tensor
    noise: torch.Tensor

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor:
        """Latents after UNet call `call`; `last` when no noise is to be left in them."""
        kept = self.image_latents
        following = call + 1
        if following < len(schedule.timesteps):
            kept = schedule.scheduler.add_noise(kept, self.noise, schedule.timesteps[following : following + 1])
        elif not last:
            kept = schedule.scheduler.add_noise(kept, self.noise, _next_timestep(schedule))
        return (1 - self.mask) * kept + self.mask * latents


@dataclass(frozen=True, slots=True, eq=False)
class SoftMaskBlend:
    """Lets each place change as much as `mask`, float32 [1, 1, h, w] in [0, 1], says there.

    A place is kept as it was, made as noisy as the step, until its share of the noise schedule is left, and denoised
    from then on (Levin & Fried, "Differential Diffusion", arXiv 2306.00950, §3).
    """

    mask: torch.Tensor
    image_latents: torch.Tensor
    noise: torch.Tensor

    def __call__(self, latents: torch.Tensor, schedule: StageSchedule, call: int, *, last: bool) -> torch.Tensor:
        """Latents after UNet call `call`; `last` when no noise is to be left in them."""
        following = schedule.timesteps[call + 1 : call + 2]
        if len(following) == 0 and not last:
            following = _next_timestep(schedule)
        if len(following) == 0:
            return torch.where(self.mask > 0, latents, self.image_latents)
        kept = schedule.scheduler.add_noise(self.image_latents, self.noise, following)
        left = schedule.remaining_fraction(float(following[0]))
        return torch.where(self.mask >= left, latents, kept)


def soft_latent_mask(mask: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The mask float32 [1, 1, H, W] in [0, 1], averaged over the cells of the latents' grid [1, 1, h, w]."""
    return functional.adaptive_avg_pool2d(mask, (height, width))


def _next_timestep(schedule: StageSchedule) -> torch.Tensor:
    """The timestep after the last that this stage visits, where the next stage takes over."""
    everything = schedule.scheduler.timesteps
    place = int((everything == schedule.timesteps[-1]).nonzero()[-1])
    following: torch.Tensor = everything[min(place + 1, len(everything) - 1)][None]
    return following
