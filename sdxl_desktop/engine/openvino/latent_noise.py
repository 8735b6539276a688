"""The noise a picture begins from: a seed's, or turned from one seed's towards another's."""

from __future__ import annotations

import torch

from sdxl_desktop.core.request import Sampling

Shape = tuple[int, int, int, int]
_NEARLY_PARALLEL = 0.9995


def seeded_generator(seed: int) -> torch.Generator:
    """A CPU generator, as diffusers' examples use it: the same seed gives the same noise everywhere."""
    return torch.Generator("cpu").manual_seed(seed)


def initial_noise(shape: Shape, generator: torch.Generator, sampling: Sampling) -> torch.Tensor:
    """Standard normal noise, float32 [*shape], from `source`, turned towards the variation seed's where that is
    wanted."""
    noise = torch.randn(shape, generator=generator)
    if sampling.variation_strength == 0:
        return noise
    return slerp(
        noise, torch.randn(shape, generator=seeded_generator(sampling.variation_seed)), sampling.variation_strength
    )


def slerp(one: torch.Tensor, other: torch.Tensor, fraction: float) -> torch.Tensor:
    """The tensor `share` of the way from `one` to `other`, float32 [B, C, h, w] all three, along the great circle,
    which keeps noise as strong as noise should be (Shoemake, "Animating Rotation with Quaternion Curves", 1985)."""
    flat, aim = one.flatten().double(), other.flatten().double()
    cosine = torch.dot(flat, aim) / (flat.norm() * aim.norm())
    if abs(float(cosine)) > _NEARLY_PARALLEL:
        return torch.lerp(one, other, fraction)
    angle = torch.arccos(cosine)
    mixed = (torch.sin((1 - fraction) * angle) * flat + torch.sin(fraction * angle) * aim) / torch.sin(angle)
    return mixed.to(one.dtype).view_as(one)
