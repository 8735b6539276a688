"""Infer requests that can be cancelled during an inference, and whose outputs remain available."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
from openvino.utils.data_helpers import OVDict

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.openvino_errors import OPENVINO_ERRORS, openvino_message
from sdxl_desktop.core.out_of_memory import is_out_of_memory, out_of_memory_error
from sdxl_desktop.engine.engine_protocol import CancelToken

POLL_MILLISECONDS = 50
_UNWRITTEN_PATTERN = np.frombuffer(b"\xa5\x5a\xc3\x3c", np.uint8)
"""Written to both ends of an output before an inference. A result matches at both ends only by rare chance."""


class Interrupted(Exception):
    """The user cancelled the run; caught once, by the engine."""


class Interrupt:
    """The cancel token of the current run, shared by all parts of a checkpoint."""

    def __init__(self) -> None:
        self.token: CancelToken = threading.Event()

    def check(self) -> None:
        """Raise Interrupted if the user cancelled."""
        if self.token.is_set():
            raise Interrupted


class _CancelWatcher:
    """Cancels running inferences when the user cancels. While there are any, its thread polls every
    `POLL_MILLISECONDS`; otherwise it sleeps."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[Any, Interrupt]] = {}
        self._has_running = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, request: Any, interrupt: Interrupt) -> Iterator[None]:
        """Watch `request` while the body runs it."""
        if self._thread is None or not self._thread.is_alive():  # a forked process does not have its parent's threads
            self._thread = threading.Thread(target=self._watch, name="stopper", daemon=True)
            self._thread.start()
        self._running[id(request)] = request, interrupt
        self._has_running.set()
        try:
            yield
        finally:
            del self._running[id(request)]

    def _watch(self) -> None:
        while self._has_running.wait():
            time.sleep(POLL_MILLISECONDS / 1000)
            for request, interrupt in tuple(self._running.values()):
                if interrupt.token.is_set():
                    request.cancel()
            self._has_running.clear()
            if self._running:  # including those started since
                self._has_running.set()


_cancel_watcher = _CancelWatcher()


@dataclass(frozen=True, slots=True)
class _InputSpec:
    """The dtype of an input, and whether it is more than a scalar."""

    dtype: Any
    has_dimensions: bool

    @classmethod
    def from_port(cls, port: Any) -> _InputSpec:
        return cls(port.get_element_type().to_dtype(), port.get_partial_shape().rank != 0)

    def to_array(self, value: Any) -> npt.NDArray[Any]:
        """Convert `value` to an array for this input; schedulers give a scalar timestep, but the part may expect one
        per row."""
        array = np.asarray(value, self.dtype, order="C")
        return array[None] if self.has_dimensions and array.ndim == 0 else array


class InterruptibleInferRequest:
    """A compiled part: called with inputs by name, returns outputs by name, port or index.

    During an inference the interrupt is polled and stops it between two layers (on devices without support, when the
    inference ends). `last_outputs` are copies of the last call's outputs. Inputs are not copied if they have the part's
    dtype, and inputs that are the same objects as in the previous call are skipped, so they must not be modified
    afterwards.
    """

    def __init__(self, compiled: Any, interrupt: Interrupt) -> None:
        self.compiled = compiled
        self._request = compiled.create_infer_request()
        self._ports = compiled.outputs
        self._input_specs = {name: _InputSpec.from_port(port) for port in compiled.inputs for name in port.names}
        self._current_inputs: dict[str, tuple[Any, Any]] = {}
        self._interrupt = interrupt
        self.last_outputs: OVDict | None = None

    def __call__(self, inputs: Mapping[str, Any]) -> OVDict:
        self._interrupt.check()
        try:
            for name, value in inputs.items():
                self._set_input(name, value)
            self._fill_unwritten_pattern()
            self._run()
            self._check_outputs()
        except (*OPENVINO_ERRORS, MemoryError) as problem:
            if is_out_of_memory(problem):
                raise out_of_memory_error("the device was drawing") from problem
            raise EngineError(
                "The device failed while it was drawing.",
                why=openvino_message(problem).rstrip(".") + ".",
                next_step="A smaller picture needs less memory; or choose another device or precision in the settings.",
            ) from problem
        self._interrupt.check()
        tensor = self._request.get_output_tensor  # `output_tensors` takes as long as everything else here
        self.last_outputs = OVDict({port: np.array(tensor(at).data) for at, port in enumerate(self._ports)})
        return self.last_outputs

    def _set_input(self, name: str, value: Any) -> None:
        """Set an input, and keep the owner of its memory alive."""
        if name not in self._current_inputs or self._current_inputs[name][0] is not value:
            array = self._input_specs[name].to_array(value)
            self._request.set_tensor(name, ov.Tensor(array, shared_memory=True))
            self._current_inputs[name] = value, array

    def _fill_unwritten_pattern(self) -> None:
        for output in self._output_bytes():
            output[: _UNWRITTEN_PATTERN.size] = output[-_UNWRITTEN_PATTERN.size :] = _UNWRITTEN_PATTERN

    def _check_outputs(self) -> None:
        """Raise MemoryError if an output was not written: with one thread, OpenVINO's CPU plugin silently ends an
        inference that runs out of memory, and the outputs are those of the previous call."""
        for output in self._output_bytes():
            if (output[: _UNWRITTEN_PATTERN.size] == _UNWRITTEN_PATTERN).all() and (
                output[-_UNWRITTEN_PATTERN.size :] == _UNWRITTEN_PATTERN
            ).all():
                raise MemoryError

    def _output_bytes(self) -> Iterator[npt.NDArray[np.uint8]]:
        """Yield the bytes of each non-empty output; one of unknown size is empty before the first call."""
        for at in range(len(self._ports)):
            data = self._request.get_output_tensor(at).data
            if data.nbytes >= 2 * _UNWRITTEN_PATTERN.size:
                yield data.reshape(-1).view(np.uint8)

    def _run(self) -> None:
        try:
            with _cancel_watcher.watching(self._request, self._interrupt):
                self._request.infer()  # in this thread: another one's overhead would equal a small part's inference
        except RuntimeError:
            if self._interrupt.token.is_set():  # OpenVINO reports that the request was cancelled
                raise Interrupted from None
            raise
