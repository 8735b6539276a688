"""Step caching as an extension: plans full calls, stores their deep features and predicts the other calls from them."""

from __future__ import annotations

import torch

from sdxl_desktop.core.speed import StepCaching
from sdxl_desktop.engine.openvino.extensions.base import CallUNet, Extension, StageContext
from sdxl_desktop.engine.openvino.step_caching.call_schedule import call_schedule
from sdxl_desktop.engine.openvino.step_caching.feature_cache import FeatureCache
from sdxl_desktop.engine.openvino.unet_call import UNetCall, UNetInputs


class StepCache(Extension):
    """Runs its `plan` last, because the features a call can use depend on its rows."""

    def __init__(self, caching: StepCaching, features: FeatureCache) -> None:
        self._caching = caching
        self._features = features

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        return call_schedule(calls, self._caching)

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        if call.blend:
            return self._features.predict(inputs, call.blend)
        outputs = unet(inputs)
        self._features.store(call.number, inputs.rows, call.required_features)
        return outputs


def for_stage(context: StageContext) -> StepCache | None:
    loaded, caching = context.loaded, context.request.sampling.speed.plan.step_caching
    if caching is None or loaded.shallow_unet is None:
        return None
    return StepCache(caching, FeatureCache(loaded.pipe.unet.request, loaded.shallow_unet))
