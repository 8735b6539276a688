"""From latents to pixels, and the check that what came out is a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.openvino.preview import Floats

BLACK = 1
"""A picture whose brightest value (of 255) is at most this came from a failed decode, not from a dark prompt."""


def decode(pipe: Any, latents: torch.Tensor) -> Floats:
    """float32 [H, W, 3], about [-1, 1] where all went well, from scaled latents float32 [1, C, h, w]."""
    vae = pipe.vae
    mean, deviation = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
    unscaled = latents / vae.config.scaling_factor
    if mean is not None and deviation is not None:
        shape = (1, latents.shape[1], 1, 1)
        unscaled = unscaled * torch.tensor(deviation).view(shape) + torch.tensor(mean).view(shape)
    image: Floats = np.asarray(vae.decode(unscaled, return_dict=False)[0], dtype=np.float32)[0].transpose(1, 2, 0)
    return image


def to_pixels(image: Floats) -> Pixels | None:
    """uint8 [H, W, 3] from values in [-1, 1]; None when they are no picture: not all finite, or all black."""
    if not np.isfinite(image).all():
        return None
    pixels: Pixels = (np.clip(image / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8)
    return None if pixels.max() <= BLACK else pixels


def decode_safely(
    pipe: Any, latents: torch.Tensor, use_f32_decoder: Callable[[], bool]
) -> tuple[Pixels, tuple[str, ...]]:
    """(pixels, notes). A failed decode is repeated from the same latents with the decoder in 32 bits.

    `use_f32_decoder` puts that decoder in place and says whether it differs from the one that failed. Raises
    EngineError, with the reason, when no picture can be had.
    """
    if not torch.isfinite(latents).all():
        raise EngineError(
            "The numbers ran away while denoising, so there is no picture.",
            why="The latents hold values that are not numbers; reduced precision or extreme guidance can do that.",
            next_step="Choose 32-bit precision in the settings, a lower guidance scale, or another scheduler.",
        )
    pixels = to_pixels(decode(pipe, latents))
    if pixels is not None:
        return pixels, ()
    if use_f32_decoder():
        pixels = to_pixels(decode(pipe, latents))
        if pixels is not None:
            return pixels, ("The first decode came out black, so the picture was decoded again in 32-bit.",)
    raise EngineError(
        "The picture came out black.",
        why="The checkpoint's VAE gave no usable pixels, in 32-bit either.",
        next_step="Choose a checkpoint with another VAE, or export this one again in 32-bit.",
    )
