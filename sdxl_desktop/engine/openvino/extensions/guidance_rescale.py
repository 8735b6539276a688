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
            prediction.combined = rescaled(prediction.combined, prediction.rows[POSITIVE], self._share)


def for_stage(context: StageContext) -> GuidanceRescale | None:
    share = context.request.sampling.guidance_rescale
    return GuidanceRescale(share) if share > 0 else None


def rescaled(guided: torch.Tensor, positive: torch.Tensor, share: float) -> torch.Tensor:
    """`guided` [B, C, h, w] mixed, by `share` in [0, 1], with itself at the deviation of `positive`, the prediction
    with the prompt.

    Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891, section 3.4; the order
    of operations is diffusers' (`rescale_noise_cfg`), to the last bit, without the seconds that importing its pipelines
    takes.
    """
    axes = list(range(1, guided.ndim))
    deviations = positive.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
    return share * (guided * deviations) + (1 - share) * guided
