"""One worker drives an engine; its events reach the main thread as one queued signal."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot

from sdxl_desktop.bridge.background import Worker
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Cancelled, Event, Failed
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.protocol import CancelToken, Engine

_log = logging.getLogger(__name__)


class EngineThread(QObject):
    """The main thread's end: a `Runner` whose calls return at once and whose `happened` arrives here. The engine's
    blocking calls are made one after the other."""

    happened = Signal(object)
    warmed = Signal()
    devices_found = Signal(object)
    devices_failed = Signal(object)
    _told = Signal(object)

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._cancel = threading.Event()
        self._warm_cancel = threading.Event()
        self._warming: tuple[Path, Execution, Speed] | None = None
        self._worker = Worker("engine", self)
        self._told.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @Slot(object)
    def _deliver(self, event: Event) -> None:
        self.happened.emit(event)

    def _forget_warming(self, cancel: CancelToken) -> None:
        if cancel is self._warm_cancel:  # else it was given up for another, which goes on
            self._warming = None
            self.warmed.emit()

    def start(self, request: GenerationRequest) -> None:
        """Draw `request`; a warm-up for something else is given up, one for the same is waited for."""
        if self._warming not in (None, (request.checkpoint, request.execution, request.sampling.speed)):
            self._give_up_warming()
        self._cancel = cancel = threading.Event()

        def draw() -> None:
            if cancel.is_set():
                self._told.emit(Cancelled())
                return
            try:
                self._engine.generate(request, self._told.emit, cancel)
            except Exception as problem:  # the window must learn that the run is over
                _log.exception("A run failed unexpectedly")
                self._told.emit(Failed.unexpected(problem))

        self._worker.do(draw, _nothing, lambda error: self._deliver(Failed(error)), what="Drawing failed unexpectedly.")

    def cancel(self) -> None:
        """Stop the run in progress, and the warm-up it may be waiting for."""
        self._give_up_warming()
        self._cancel.set()

    def _give_up_warming(self) -> None:
        self._warm_cancel.set()
        self._warming = None

    def warm(self, checkpoint: Path, execution: Execution, speed: Speed) -> None:
        """Have the engine load and compile ahead of the next run."""
        if self._warming == (checkpoint, execution, speed):
            return
        self._give_up_warming()
        self._warm_cancel = cancel = threading.Event()
        self._warming = (checkpoint, execution, speed)

        def warm() -> None:
            if not cancel.is_set():
                self._engine.warm(checkpoint, execution, speed, self._told.emit, cancel)

        def failed(error: SdxlDesktopError) -> None:  # warming is a courtesy: the run that follows tells what is wrong
            _log.warning("Warming up failed: %s", error)
            self._forget_warming(cancel)

        self._worker.do(warm, lambda _: self._forget_warming(cancel), failed, what="Warming up failed unexpectedly.")

    def find_devices(self) -> None:
        """Ask for the devices; `devices_found` or `devices_failed` answers."""

        def found(devices: tuple[Device, ...]) -> None:
            _log.info("Devices: %s", ", ".join(f"{one.name} ({one.full_name})" for one in devices))
            self.devices_found.emit(devices)

        self._worker.do(self._engine.devices, found, self.devices_failed.emit, what="The devices could not be listed.")

    def close(self) -> None:
        """Stop everything and leave no thread or process behind. Safe to call twice."""
        self.cancel()
        self._engine.close()
        self._worker.close()


def _nothing(_: object) -> None:
    """Events have told all of it."""
