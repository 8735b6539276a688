"""Decodes latents to pixels, and checks that the result is a valid picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from sdxl_desktop.engine.openvino.latent_preview import Floats
from sdxl_desktop.engine.openvino.tiling.inference import CancelCheck, never_cancel
from sdxl_desktop.engine.openvino.tiling.tiled_decoder import TiledDecoder

MAX_BLACK_LEVEL = 1
"""A picture whose maximum (of 255) is at most this comes from a failed decode, not from a dark prompt."""
MAX_LATENT_VALUE = 1000.0

_DECODED_WHOLE_NOTE = (
    "The picture was decoded in one piece, although that takes more memory than was available: this checkpoint's VAE "
    "cannot be decoded in strips."
)
_tiled_decoders: WeakKeyDictionary[InterruptibleInferRequest, TiledDecoder | None] = WeakKeyDictionary()
"""By the request that decodes without strips; an entry is removed together with its checkpoint."""


def decode(pipe: Any, latents: torch.Tensor, budget: int | None = None, check: CancelCheck = never_cancel) -> Floats:
    """Decode scaled latents float32 [1, C, h, w]. Return float32 [H, W, 3], about [-1, 1] if nothing went wrong.

    With a `budget` of bytes, pictures that need more are decoded in strips if the VAE supports it. `check` may raise to
    cancel that.
    """
    return _decode(pipe, latents, budget, check)[0]


def _decode(pipe: Any, latents: torch.Tensor, budget: int | None, check: CancelCheck) -> tuple[Floats, tuple[str, ...]]:
    """As `decode`, but return (image, notes)."""
    vae = pipe.vae
    mean, deviation = (getattr(vae.config, name, None) for name in ("latents_mean", "latents_std"))
    unscaled = latents / vae.config.scaling_factor
    if mean is not None and deviation is not None:
        shape = (1, latents.shape[1], 1, 1)
        unscaled = unscaled * torch.tensor(deviation).view(shape) + torch.tensor(mean).view(shape)
    notes: tuple[str, ...] = ()
    if budget is not None:
        image, notes = _decode_in_strips(vae, unscaled.numpy(), budget, check)
        if image is not None:
            return image.transpose(1, 2, 0), notes
    whole: Floats = np.asarray(vae.decode(unscaled, return_dict=False)[0], dtype=np.float32)[0].transpose(1, 2, 0)
    return whole, notes


def _decode_in_strips(
    vae: Any, latents: Floats, budget: int, check: CancelCheck
) -> tuple[Floats | None, tuple[str, ...]]:
    """Return (float32 [3, H, W], notes); the image is None if it should be decoded without strips."""
    tiled = _tiled_decoder(vae.decoder)
    height, width = latents.shape[2:]
    if tiled is None or tiled.fits_whole(height, width, budget):
        return None, ()
    if not tiled.matches_whole_decode(check):
        return None, (_DECODED_WHOLE_NOTE,)
    image = tiled.decode(latents, tiled.plan(height, width, budget), check)
    return (image if np.isfinite(image).all() else None), ()


def _tiled_decoder(part: Any) -> TiledDecoder | None:
    """Return the tiled decoder for a compiled VAE decoder; None if there cannot be one."""
    request = part.request
    if not isinstance(request, InterruptibleInferRequest):
        return None
    if request not in _tiled_decoders:
        _tiled_decoders[request] = TiledDecoder.for_compiled_decoder(request.compiled, part.model, devices.core)
    return _tiled_decoders[request]


def to_pixels(image: Floats) -> Pixels | None:
    """Convert values in [-1, 1] to uint8 [H, W, 3]; None if the picture is invalid: not all finite, or all black."""
    if not np.isfinite(image).all():
        return None
    pixels: Pixels = (np.clip(image / 2 + 0.5, 0, 1) * 255).round().astype(np.uint8)
    return None if pixels.max() <= MAX_BLACK_LEVEL else pixels


def has_diverged(latents: torch.Tensor) -> bool:
    """Whether scaled latents, float32 [B, C, h, w], are not finite or beyond `MAX_LATENT_VALUE`; valid ones are within
    a few tens."""
    return not bool(torch.isfinite(latents).all()) or float(latents.abs().max()) > MAX_LATENT_VALUE


def decode_with_fallback(
    pipe: Any,
    latents: torch.Tensor,
    use_f32_decoder: Callable[[], bool],
    budget: int | None = None,
    check: CancelCheck = never_cancel,
) -> tuple[Pixels, tuple[str, ...]]:
    """Decode scaled latents, float32 [1, C, h, w]. Return (pixels uint8 [H, W, 3], notes). After a failed decode they
    are decoded again in 32 bits.

    `use_f32_decoder` activates that decoder and returns whether it differs from the failed one; `budget` and `check`
    are as for `decode`. Raises EngineError, with the reason, if no valid picture is obtained.
    """
    if not torch.isfinite(latents).all():
        raise EngineError(
            "The latents diverged during denoising, so there is no picture.",
            why="The latents hold values that are not numbers; reduced precision or extreme guidance can do that.",
            next_step="Choose 32-bit precision in the settings, a lower guidance scale, or another scheduler.",
        )
    image, notes = _decode(pipe, latents, budget, check)
    if (pixels := to_pixels(image)) is not None:
        return pixels, notes
    if use_f32_decoder():
        image, notes = _decode(pipe, latents, budget, check)
        if (pixels := to_pixels(image)) is not None:
            return pixels, (*notes, "The first decode came out black, so the picture was decoded again in 32-bit.")
    raise EngineError(
        "The picture came out black.",
        why="The checkpoint's VAE gave no usable pixels, in 32-bit either.",
        next_step="Choose a checkpoint with another VAE, or export this one again in 32-bit.",
    )
