"""Classifier-free guidance: also calls the UNet with the negative prompt, and amplifies the difference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from sdxl_desktop.engine.openvino.extensions.base import Extension, StageContext
from sdxl_desktop.engine.openvino.unet_call import NEGATIVE, POSITIVE, Prediction, UNetCall


class ClassifierFreeGuidance(Extension):
    """Ho & Salimans, "Classifier-Free Diffusion Guidance", arXiv 2207.12598, in diffusers' order of operations."""

    def __init__(self, scale: float) -> None:
        self._scale = np.float32(scale)

    def is_guided(self, call: UNetCall) -> bool:
        """Whether this call has a negative row; other kinds of guidance may omit it."""
        return True

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        return tuple(replace(call, rows=(NEGATIVE, *call.rows)) if self.is_guided(call) else call for call in calls)

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        if NEGATIVE not in prediction.rows:
            return
        # for so few numbers NumPy takes a tenth of torch's time, with bit-identical results
        negative, positive = (prediction.rows[row].numpy() for row in (NEGATIVE, POSITIVE))
        prediction.combined = torch.from_numpy(negative + self._scale * (positive - negative))


def for_stage(context: StageContext) -> ClassifierFreeGuidance | None:
    scale = context.request.sampling.guidance_scale
    return ClassifierFreeGuidance(scale) if context.loaded.does_classifier_free_guidance(scale) else None
