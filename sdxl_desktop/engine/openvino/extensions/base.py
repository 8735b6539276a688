"""The extension points of a denoising stage, and how several extensions act as one."""

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
    """What is known of a stage of one picture before it begins. `conditioning` are the encoded (positive, negative)
    prompts of its checkpoint; `refining` says whether the refiner works in it."""

    request: GenerationRequest
    loaded: LoadedCheckpoint
    conditioning: tuple[PromptConditioning, PromptConditioning]
    schedule: StageSchedule
    refining: bool = False


class Extension:
    """Changes the UNet calls of one stage of one picture. Each method is an extension point and by itself changes
    nothing.

    The methods are called in the order in which they stand here, and those of several extensions in the extensions'
    order. Of a call whose prediction is replayed from kept latents only `after_step` is called. A call may be computed
    again for its deep feature alone, so what `before_unet` to `after_prediction` do must depend on the call and not on
    how often they were called. Tensors that are handed over are not written to.
    """

    def plan(self, calls: tuple[UNetCall, ...]) -> tuple[UNetCall, ...]:
        """How the UNet is to be called in the stage, of which `calls` are what is planned so far: with more `rows`, for
        example. Called once, before the stage begins."""
        return calls

    def row_inputs(self, row: str) -> Mapping[str, torch.Tensor]:
        """The inputs [1, …], by name, of this row of the batch that stay the same at every call. Later extensions'
        replace earlier ones'; all rows must come to have the same names and shapes."""
        return {}

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        """Change what the UNet is given: add channels to "sample", tokens to "encoder_hidden_states", or inputs."""

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        """The outputs float32 [B, C, h, w] for `inputs`: those of `unet`, which may be called once, several times or
        not at all."""
        return unet(inputs)

    def after_prediction(self, prediction: Prediction, call: UNetCall) -> None:
        """Change rows of the prediction, or what they are combined to."""

    def after_step(self, latents: torch.Tensor, call: UNetCall) -> torch.Tensor:
        """The latents float32 [1, C, h, w] to go on with, of those that the scheduler made of the prediction."""
        return latents


class Extensions:
    """Several extensions, in order. Of each only the methods that it has of its own are called."""

    def __init__(self, extensions: Iterable[Extension]) -> None:
        self._all = tuple(extensions)
        self._before_unet = self._own("before_unet")
        self._call_unet = self._own("call_unet")
        self._after_prediction = self._own("after_prediction")
        self._after_step = self._own("after_step")

    def _own(self, name: str) -> list[Any]:
        return [getattr(each, name) for each in self._all if getattr(type(each), name) is not getattr(Extension, name)]

    def row_inputs(self, rows: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """The inputs [B, …], by name, of a batch of these rows that stay the same at every call."""
        each_row = [{name: value for each in self._all for name, value in each.row_inputs(row).items()} for row in rows]
        if len(each_row) == 1:
            return each_row[0]
        names = {name: None for inputs in each_row for name in inputs}
        return {name: torch.cat([inputs[name] for inputs in each_row]) for name in names}

    def before_unet(self, inputs: UNetInputs, call: UNetCall) -> None:
        for hook in self._before_unet:
            hook(inputs, call)

    def call_unet(self, inputs: UNetInputs, call: UNetCall, unet: CallUNet) -> torch.Tensor:
        """The first extension's answer; its `unet` is the next one's, and the last one's is `unet`."""
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
