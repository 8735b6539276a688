"""Inpainting in both variants: UNets with extra channels for mask and picture, and blending the picture back after each
call."""

from __future__ import annotations

import torch

from sdxl_desktop.engine.openvino.extensions.base import Extension
from sdxl_desktop.engine.openvino.latent_blending import LatentBlend
from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule
from sdxl_desktop.engine.openvino.unet_call import UNetCall, UNetInputs


class ExtraChannels(Extension):
    """Adds channels to the latents, the same for every call and row."""

    def __init__(self, channels: torch.Tensor) -> None:
        """`channels` float32 [1, K, h, w]: for inpainting the mask, and the latents of the masked picture."""
        self._channels = channels

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        sample = inputs["sample"]
        inputs["sample"] = torch.cat([sample, self._channels.expand(len(sample), -1, -1, -1)], dim=1)


class InpaintingBlend(Extension):
    """Restores the unmasked part of the picture after every call."""

    def __init__(self, blend: LatentBlend, schedule: StageSchedule, *, last: bool) -> None:
        """`last` is False if another stage continues with the noisy latents."""
        self._blend = blend
        self._schedule = schedule
        self._last = last

    def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
        return self._blend(latents, self._schedule, call.number, last=self._last)
