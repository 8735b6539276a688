"""Reduces the excess contrast of strong guidance: diffusers' `guidance_rescale`."""

from __future__ import annotations

import torch

from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.unet_call import POSITIVE, Prediction, UNetCall


class GuidanceRescale(Extension):
    """Runs after guidance extensions; an unguided prediction stays unchanged."""

    def __init__(self, share: float) -> None:
        """`share` in (0, 1]."""
        self._share = share

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        if prediction.combined is not None:
            prediction.combined = rescale_noise_cfg(prediction.combined, prediction.rows[POSITIVE], self._share)


def for_stage(context: StageContext) -> GuidanceRescale | None:
    share = context.request.sampling.guidance_rescale
    return GuidanceRescale(share) if share > 0 else None


def rescale_noise_cfg(noise_cfg: torch.Tensor, positive: torch.Tensor, guidance_rescale: float) -> torch.Tensor:
    """Return `noise_cfg` [B, C, h, w], mixed by `guidance_rescale` in [0, 1] with itself rescaled to the standard
    deviation of `positive`, the prediction with the prompt.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, section 3.4. The order
    of operations is that of diffusers' `rescale_noise_cfg`, with bit-identical results; importing its pipelines would
    take seconds.
    """
    axes = list(range(1, noise_cfg.ndim))
    deviations = positive.std(dim=axes, keepdim=True) / noise_cfg.std(dim=axes, keepdim=True)
    return guidance_rescale * (noise_cfg * deviations) + (1 - guidance_rescale) * noise_cfg
