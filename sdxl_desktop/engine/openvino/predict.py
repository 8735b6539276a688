"""Calls the UNet of a stage: prepares its inputs, runs it, and combines its outputs, as extensions define."""

from __future__ import annotations

from collections.abc import Collection

import torch

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.openvino.extensions.base import Extensions
from sdxl_desktop.engine.openvino.model_part import ModelPart
from sdxl_desktop.engine.openvino.unet_call import Prediction, UNetCall, UNetInputs


class NoisePredictor:
    """The compiled `unet` of one checkpoint in one stage of one picture, with the extensions that change its calls."""

    def __init__(self, unet: ModelPart, extensions: Extensions) -> None:
        self._unet = unet
        self._extensions = extensions
        self._row_inputs: dict[tuple[str, ...], dict[str, torch.Tensor]] = {}
        self._accepted: set[str] = set()

    def __call__(self, scaled: torch.Tensor, timestep: torch.Tensor, call: UNetCall) -> torch.Tensor:
        """Return the prediction float32 [1, C, h, w] for latents [1, C, h, w] scaled by the scheduler.

        Raises EngineError if the inputs do not match those of the UNet's graph: a missing one would keep its value from
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
        if rows not in self._row_inputs:  # created once: requests skip inputs that are the same objects
            self._row_inputs[rows] = self._extensions.row_inputs(rows)
        sample = torch.cat([scaled] * len(rows)) if len(rows) > 1 else scaled
        return UNetInputs(rows, {"sample": sample, "timestep": timestep, **self._row_inputs[rows]})

    def _outputs(self, inputs: UNetInputs) -> torch.Tensor:
        """Return the full UNet's output, float32 [B, C, h, w]."""
        return self._unet(**inputs)[0]


def check_inputs(unet: ModelPart, inputs: Collection[str]) -> None:
    """Raise EngineError unless `inputs` names all inputs of the compiled `unet`, each by one of its names."""
    ports = [set(port.names) for port in unet.request.compiled.inputs]
    unknown = sorted(name for name in inputs if not any(name in names for names in ports))
    missing = sorted(min(names) for names in ports if names.isdisjoint(inputs))
    if not unknown and not missing:
        return
    reasons = [f"It has no input {', '.join(unknown)}."] if unknown else []
    reasons += [f"Nothing provides its input {', '.join(missing)}."] if missing else []
    raise EngineError(
        f"The UNet of {unet.folder.parent.name} cannot be conditioned in this way.",
        why=" ".join(reasons),
        next_step="Choose a checkpoint that was converted for it, or draw without it.",
    )
