"""The extension points of a denoising stage, and the combination of several extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.openvino.loaded_checkpoint import LoadedCheckpoint
from sdxl_desktop.engine.openvino.prompt_encoder import PromptConditioning
from sdxl_desktop.engine.openvino.stage_schedule import StageSchedule
from sdxl_desktop.engine.openvino.unet_call import Prediction, UNetCall, UNetInputs

CallUNet = Callable[[UNetInputs], torch.Tensor]
"""Computes the outputs float32 [B, C, h, w] for inputs of B rows."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StageContext:
    """The context of a stage of one picture before it begins. `conditioning` holds the encoded (positive, negative)
    prompts for its checkpoint; `refining` is whether the refiner runs in it."""

    request: GenerationRequest
    loaded: LoadedCheckpoint
    conditioning: tuple[PromptConditioning, PromptConditioning]
    schedule: StageSchedule
    refining: bool = False


class Extension:
    """Changes the UNet calls of one stage of one picture. Each method is an extension point; by default it changes
    nothing.

    The methods are called in the order of their definition, and several extensions in the order of their list. For a
    call whose prediction is replayed, only `after_step` is called. A call may be repeated only for its deep feature, so
    `before_unet` to `after_prediction` must depend on the call and not on how often they were called. Tensors passed in
    must not be modified in place.
    """

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        """Return the planned UNet calls of the stage, given those planned so far: with more `rows`, for example. Called
        once, before the stage begins."""
        return calls

    def row_inputs(self, row: str) -> Mapping[str, torch.Tensor]:
        """Return the constant inputs [1, …], by name, for this row of the batch. Later extensions replace inputs of
        earlier ones; all rows must end up with the same names and shapes."""
        return {}

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        """Change the UNet's inputs: add channels to "sample", tokens to "encoder_hidden_states", or further inputs."""

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        """Return the outputs float32 [B, C, h, w] for `inputs`. `unet` computes them, and may be called once, several
        times or not at all."""
        return unet(inputs)

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        """Change rows of the prediction, or how they are combined."""

    def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
        """Return the latents float32 [1, C, h, w] to continue with, given those that the scheduler computed."""
        return latents


class Extensions:
    """Several extensions, in order. Only methods that an extension overrides are called."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self._all = tuple(extensions)
        self._before_unet = self._own("before_unet")
        self._call_unet = self._own("call_unet")
        self._after_prediction = self._own("after_prediction")
        self._after_step = self._own("after_step")

    def _own(self, name: str) -> list[Any]:
        return [getattr(each, name) for each in self._all if getattr(type(each), name) is not getattr(Extension, name)]

    def row_inputs(self, rows: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """Return the constant inputs [B, …], by name, for a batch of these rows."""
        each_row = [{name: value for each in self._all for name, value in each.row_inputs(row).items()} for row in rows]
        if len(each_row) == 1:
            return each_row[0]
        names = {name: None for inputs in each_row for name in inputs}
        return {name: torch.cat([inputs[name] for inputs in each_row]) for name in names}

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        for hook in self._before_unet:
            hook(inputs, call)

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        """Return the first extension's outputs; its `unet` calls the next extension, and the last one's is `unet`."""
        for hook in reversed(self._call_unet):
            unet = partial(hook, call=call, unet=unet)
        return unet(inputs)

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        for hook in self._after_prediction:
            hook(prediction, call)

    def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
        for hook in self._after_step:
            latents = hook(latents, call)
        return latents
