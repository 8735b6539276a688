"""Encodes pictures to latents: the VAE's posterior and samples from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.core.raster import UInt8Array


def image_to_tensor(pixels: Pixels) -> torch.Tensor:
    """Return float32 [1, 3, H, W] in [-1, 1]."""
    scaled = pixels.astype(np.float32) / 255.0
    return 2.0 * torch.from_numpy(np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])) - 1.0


def mask_to_binary_tensor(mask: UInt8Array) -> torch.Tensor:
    """Return float32 [1, 1, H, W], 1 where the mask is at least one half."""
    return torch.from_numpy((mask.astype(np.float32) / 255.0 >= 0.5).astype(np.float32))[None, None]


def mask_to_soft_tensor(mask: UInt8Array) -> torch.Tensor:
    """Return float32 [1, 1, H, W] in [0, 1]."""
    return torch.from_numpy(mask.astype(np.float32) / 255.0)[None, None]


class VaePosterior:
    """The VAE's posterior of one picture, from which latents float32 [1, C, h, w] are sampled."""

    def __init__(self, pipe: Any, picture: torch.Tensor) -> None:
        """Raises CheckpointError if the checkpoint has no encoder."""
        if pipe.vae_encoder is None:
            raise CheckpointError(
                "This checkpoint cannot edit pictures.",
                why="It has no VAE encoder.",
                next_step="Choose another checkpoint, or add its vae_encoder folder.",
            )
        self._config = pipe.vae_encoder.config
        self._encoder_outputs = pipe.vae.encode(picture)

    def sample(self, generator: torch.Generator) -> torch.Tensor:
        """Return scaled latents, float32 [1, C, h, w]. As in diffusers, they are sampled, not the mean."""
        exported_with_sampling = "latent_parameters" not in self._encoder_outputs
        latents = self._encoder_outputs["latent_sample"] if exported_with_sampling else self._sample_gaussian(generator)
        mean, deviation = (getattr(self._config, name, None) for name in ("latents_mean", "latents_std"))
        if mean is not None and deviation is not None:
            shape = (1, latents.shape[1], 1, 1)
            latents = (latents - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)
        scaled: torch.Tensor = latents * self._config.scaling_factor
        return scaled

    def _sample_gaussian(self, generator: torch.Generator) -> torch.Tensor:
        """Sample float32 [1, C, h, w] from the encoder's normal distribution (Kingma & Welling, arXiv 1312.6114)."""
        mean, log_variance = torch.chunk(self._encoder_outputs["latent_parameters"], 2, dim=1)
        deviation = torch.exp(0.5 * torch.clamp(log_variance, -30.0, 20.0))
        return mean + deviation * torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
