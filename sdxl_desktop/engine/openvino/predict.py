"""Calls the UNet of a stage: puts its inputs together, asks it, and combines what it answers, as extensions say."""

from __future__ import annotations

from collections.abc import Collection

import torch

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino.extensions.base import Extensions
from sdxl_desktop.engine.openvino.model_part import ModelPart
from sdxl_desktop.engine.openvino.unet_call import Prediction, UNetCall, UNetInputs


class NoisePredictor:
    """The `unet` of one checkpoint, compiled, in one stage of one picture, with what changes its calls there."""

    def __init__(self, unet: ModelPart, extensions: Extensions) -> None:
        self._unet = unet
        self._extensions = extensions
        self._row_inputs: dict[tuple[str, ...], dict[str, torch.Tensor]] = {}
        self._accepted: set[str] = set()

    def __call__(self, scaled: torch.Tensor, timestep: torch.Tensor, call: UNetCall) -> torch.Tensor:
        """The prediction float32 [1, C, h, w] for latents [1, C, h, w] as the scheduler scaled them.

        Raises EngineError where the inputs are not those of the UNet's graph: one that is not given would be taken from
        the call before.
        """
        inputs = self._unet_inputs(scaled, timestep, call.rows)
        self._extensions.before_unet(inputs, call)
        if inputs.keys() != self._accepted:
            check_inputs(self._unet, inputs)
            self._accepted = set(inputs)
        prediction = Prediction(call.rows, self._extensions.call_unet(inputs, call, self._outputs))
        self._extensions.after_prediction(prediction, call)
        return prediction.result

    def _unet_inputs(self, scaled: torch.Tensor, timestep: torch.Tensor, rows: tuple[str, ...]) -> UNetInputs:
        if rows not in self._row_inputs:  # made once: requests do not even look at tensors that are the same objects
            self._row_inputs[rows] = self._extensions.row_inputs(rows)
        sample = torch.cat([scaled] * len(rows)) if len(rows) > 1 else scaled
        return UNetInputs(rows, {"sample": sample, "timestep": timestep, **self._row_inputs[rows]})

    def _outputs(self, inputs: UNetInputs) -> torch.Tensor:
        """What the whole UNet answers, float32 [B, C, h, w]."""
        return self._unet(**inputs)[0]


def check_inputs(unet: ModelPart, inputs: Collection[str]) -> None:
    """Raise EngineError where these names are not those of all inputs of the compiled `unet`, each by one of its
    names."""
    ports = [set(port.names) for port in unet.request.compiled.inputs]
    unknown = sorted(name for name in inputs if not any(name in names for names in ports))
    missing = sorted(min(names) for names in ports if names.isdisjoint(inputs))
    if not unknown and not missing:
        return
    said = [f"It has no input {', '.join(unknown)}."] if unknown else []
    said += [f"Nothing gives its input {', '.join(missing)}."] if missing else []
    raise EngineError(
        f"The UNet of {unet.folder.parent.name} cannot be conditioned in this way.",
        why=" ".join(said),
        next_step="Choose a checkpoint that was converted for it, or draw without it.",
    )
