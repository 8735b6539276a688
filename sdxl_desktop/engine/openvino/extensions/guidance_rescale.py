"""Takes back the excess of contrast that strong guidance gives: diffusers' `guidance_rescale`."""

from __future__ import annotations

import torch

from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.unet_call import POSITIVE, Prediction, UNetCall


class GuidanceRescale(Extension):
    """Comes after whatever guides; a prediction that is not guided stays as it is."""

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
    """`guided` [B, C, h, w] mixed, by `share` in [0, 1], with itself at the deviation of `positive`, the prediction
    with the prompt.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, section 3.4; the order
    of operations is diffusers' (`rescale_noise_cfg`), to the last bit, without the seconds that importing its pipelines
    takes.
    """
    axes = list(range(1, noise_cfg.ndim))
    deviations = positive.std(dim=axes, keepdim=True) / noise_cfg.std(dim=axes, keepdim=True)
    return guidance_rescale * (noise_cfg * deviations) + (1 - guidance_rescale) * noise_cfg
