"""The initial noise of a picture: a seed's, or interpolated from one seed's towards another's."""

from __future__ import annotations

import torch

from sdxl_desktop.core.request import Sampling

Shape = tuple[int, int, int, int]
_NEARLY_PARALLEL = 0.9995


def seeded_generator(seed: int) -> torch.Generator:
    """Return a CPU generator, as in diffusers' examples: the same seed gives the same noise everywhere."""
    return torch.Generator("cpu").manual_seed(seed)


def initial_noise(shape: Shape, generator: torch.Generator, sampling: Sampling) -> torch.Tensor:
    """Return standard normal noise, float32 [*shape], from `generator`, interpolated towards the variation seed's if
    requested."""
    noise = torch.randn(shape, generator=generator)
    if sampling.variation_strength == 0:
        return noise
    return slerp(
        noise, torch.randn(shape, generator=seeded_generator(sampling.variation_seed)), sampling.variation_strength
    )


def slerp(one: torch.Tensor, other: torch.Tensor, fraction: float) -> torch.Tensor:
    """Return the spherical interpolation from `one` to `other` by `fraction`, all float32 [B, C, h, w]. It preserves
    the strength of the noise (Shoemake, "Animating Rotation with Quaternion Curves", 1985)."""
    flat, aim = one.flatten().double(), other.flatten().double()
    cosine = torch.dot(flat, aim) / (flat.norm() * aim.norm())
    if abs(float(cosine)) > _NEARLY_PARALLEL:
        return torch.lerp(one, other, fraction)
    angle = torch.arccos(cosine)
    mixed = (torch.sin((1 - fraction) * angle) * flat + torch.sin(fraction * angle) * aim) / torch.sin(angle)
    return mixed.to(one.dtype).view_as(one)
