"""Runs an engine on one worker; its events reach the main thread as one queued signal."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from sdxl_desktop.bridge.background import Worker
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import EngineEvent, RunCancelled, RunFailed
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import CancelToken, Engine, Pausing

_log = logging.getLogger(__name__)


class EngineThread(QObject):
    """A `RequestRunner` for the main thread: calls return at once and `event_received` is emitted there. The engine's
    blocking calls run one after the other."""

    event_received = Signal(object)
    warm_up_finished = Signal()
    devices_listed = Signal(object)
    devices_failed = Signal(object)
    _event_posted = Signal(object)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._cancel, self._pause = threading.Event(), threading.Event()
        self._warm_up_cancel = threading.Event()
        self._warm_up_key: tuple[Path, Execution, SpeedPreset] | None = None
        self._worker = Worker("engine", self)
        self._event_posted.connect(self._forward_event, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _forward_event(self, event: EngineEvent) -> None:
        self.event_received.emit(event)

    def _finish_warm_up(self, cancel: CancelToken) -> None:
        if cancel is self._warm_up_cancel:  # else it was cancelled for another one, which continues
            self._warm_up_key = None
            self.warm_up_finished.emit()

    def start(self, request: GenerationRequest, paused: PausedRun | None = None) -> None:
        """Generate `request`, from where it was `paused`; a warm-up for something else is cancelled, one for the same
        is awaited."""
        if self._warm_up_key not in (None, (request.checkpoint, request.execution, request.sampling.speed)):
            self._cancel_warm_up()
        self._cancel = cancel = threading.Event()
        self._pause = pause = threading.Event()

        def draw() -> None:
            if cancel.is_set():
                self._event_posted.emit(RunCancelled())
                return
            try:
                self._engine.generate(request, self._event_posted.emit, cancel, Pausing(pause, paused))
            except Exception as problem:  # the window must learn that the run has ended
                _log.exception("A run failed unexpectedly")
                self._event_posted.emit(RunFailed.unexpected(problem))

        self._worker.submit(
            draw, _nothing, lambda error: self._forward_event(RunFailed(error)), what="Drawing failed unexpectedly."
        )

    def pause(self) -> None:
        """Pause the current run after its step."""
        self._pause.set()

    def cancel(self) -> None:
        """Cancel the current run, and the warm-up it may be waiting for."""
        self._cancel_warm_up()
        self._cancel.set()

    def _cancel_warm_up(self) -> None:
        self._warm_up_cancel.set()
        self._warm_up_key = None

    def warm_up(self, checkpoint: Path, execution: Execution, speed: SpeedPreset) -> None:
        """Have the engine load and compile ahead of the next run."""
        if self._warm_up_key == (checkpoint, execution, speed):
            return
        self._cancel_warm_up()
        self._warm_up_cancel = cancel = threading.Event()
        self._warm_up_key = (checkpoint, execution, speed)

        def warm() -> None:
            if not cancel.is_set():
                self._engine.warm_up(checkpoint, execution, speed, self._event_posted.emit, cancel)

        def failed(error: SdxlDesktopError) -> None:  # warming up is optional: the next run reports the error
            _log.warning("Warming up failed: %s", error)
            self._finish_warm_up(cancel)

        self._worker.submit(
            warm, lambda _: self._finish_warm_up(cancel), failed, what="Warming up failed unexpectedly."
        )

    def list_devices(self) -> None:
        """Request the devices; the reply is `devices_listed` or `devices_failed`."""

        def found(devices: tuple[Device, ...]) -> None:
            _log.info("Devices: %s", ", ".join(f"{one.name} ({one.full_name})" for one in devices))
            self.devices_listed.emit(devices)

        self._worker.submit(
            self._engine.devices, found, self.devices_failed.emit, what="The devices could not be listed."
        )

    def close(self) -> None:
        """Stop everything and leave no thread or process behind. Safe to call twice."""
        self.cancel()
        self._engine.close()
        self._worker.close()


def _nothing(_: object) -> None:
    """Do nothing: events have reported everything."""
