"""Lets a run be stopped in the middle of an inference, and shows what passed through a part."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Any

import numpy as np
from openvino.utils.data_helpers import OVDict

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.engine.protocol import CancelToken

POLL_MILLISECONDS = 20


class Interrupted(Exception):
    """The person asked to stop; carries nothing and is caught once, by the engine."""


class Interrupt:
    """The cancel token of the run in progress, shared by all parts of a checkpoint."""

    def __init__(self) -> None:
        self.token: CancelToken = threading.Event()

    def check(self) -> None:
        """Raise Interrupted if the person asked to stop."""
        if self.token.is_set():
            raise Interrupted


class InterruptibleRequest:
    """Stands where optimum-intel keeps a compiled model: called with inputs, answers with outputs by name or index.

    While the device works it polls the interrupt and stops the inference between two layers (on devices that
    cannot, the stop comes when the inference ends). `last_outputs` are the last call's, copied.
    """

    def __init__(self, compiled: Any, interrupt: Interrupt) -> None:
        self.compiled = compiled
        self._request = compiled.create_infer_request()
        self._ports = compiled.outputs
        self._interrupt = interrupt
        self.last_outputs: OVDict | None = None

    def __call__(self, inputs: dict[str, Any], share_inputs: bool = True) -> OVDict:
        self._interrupt.check()
        try:
            self._run(inputs, share_inputs)
        except RuntimeError as problem:
            raise EngineError(
                "The device failed while it was drawing.",
                why=str(problem).strip().splitlines()[-1].rstrip(".") + ".",
                next_step="A smaller picture needs less memory; or choose another device or precision in the settings.",
            ) from problem
        self._interrupt.check()
        answers = zip(self._ports, self._request.output_tensors, strict=True)
        self.last_outputs = OVDict({port: np.array(tensor.data) for port, tensor in answers})
        return self.last_outputs

    def _run(self, inputs: dict[str, Any], share_inputs: bool) -> None:
        self._request.start_async(inputs, share_inputs=share_inputs)
        while not self._request.wait_for(POLL_MILLISECONDS):
            if self._interrupt.token.is_set():
                self._request.cancel()
                with suppress(RuntimeError):  # OpenVINO's own word that the request was cancelled
                    self._request.wait()
                raise Interrupted
