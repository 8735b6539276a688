"""One QThread drives an engine; its events reach the main thread as one queued signal."""

from __future__ import annotations

import threading
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QThread, Signal, Slot

from sdxl_desktop.bridge.nets import told
from sdxl_desktop.core.events import Cancelled, Event, Failed
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.protocol import CancelToken, Engine


class _Worker(QObject):
    """Lives in the thread and makes the engine's blocking calls, one after the other."""

    happened = Signal(object)
    devices_found = Signal(object)
    devices_failed = Signal(object)
    warmed = Signal(object)
    """The cancel of the warm-up that is over."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine

    @Slot(object, object)
    def generate(self, request: GenerationRequest, cancel: CancelToken) -> None:
        if cancel.is_set():
            self.happened.emit(Cancelled())
            return
        try:
            self._engine.generate(request, self.happened.emit, cancel)
        except Exception as problem:  # the last net under a run: the window must learn that it is over
            self.happened.emit(Failed.unexpected(problem))

    @Slot(object, object, object, object)
    def warm(self, checkpoint: Path, execution: Execution, speed: Speed, cancel: CancelToken) -> None:
        try:
            if not cancel.is_set():
                self._engine.warm(checkpoint, execution, speed, self.happened.emit, cancel)
        except Exception:  # warming is a courtesy: the run that follows tells what is wrong
            pass
        self.warmed.emit(cancel)

    @Slot()
    def find_devices(self) -> None:
        try:
            self.devices_found.emit(self._engine.devices())
        except Exception as problem:  # the last net under a question: what is raised in a thread nobody tells
            self.devices_failed.emit(told(problem))


class EngineThread(QObject):
    """The main thread's end: a `Runner` whose calls return at once and whose `happened` arrives here."""

    happened = Signal(object)
    warmed = Signal()
    devices_found = Signal(object)
    devices_failed = Signal(object)
    _generate = Signal(object, object)
    _warm = Signal(object, object, object, object)
    _find_devices = Signal()

    def __init__(self, engine: Engine, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._engine = engine
        self._cancel = threading.Event()
        self._warm_cancel = threading.Event()
        self._warming: tuple[Path, Execution, Speed] | None = None
        self._thread = QThread(self)
        self._worker = _Worker(engine)
        self._worker.moveToThread(self._thread)
        self._connect()
        self._thread.start()

    def _connect(self) -> None:
        queued = Qt.ConnectionType.QueuedConnection
        self._generate.connect(self._worker.generate, queued)
        self._warm.connect(self._worker.warm, queued)
        self._find_devices.connect(self._worker.find_devices, queued)
        self._worker.happened.connect(self._deliver, queued)
        self._worker.devices_found.connect(self.devices_found, queued)
        self._worker.devices_failed.connect(self.devices_failed, queued)
        self._worker.warmed.connect(self._forget_warming, queued)

    @Slot(object)
    def _deliver(self, event: Event) -> None:
        self.happened.emit(event)

    @Slot(object)
    def _forget_warming(self, cancel: CancelToken) -> None:
        if cancel is self._warm_cancel:  # else it was given up for another, which goes on
            self._warming = None
            self.warmed.emit()

    def start(self, request: GenerationRequest) -> None:
        """Draw `request`; a warm-up for something else is given up, one for the same is waited for."""
        if self._warming not in (None, (request.checkpoint, request.execution, request.sampling.speed)):
            self._give_up_warming()
        self._cancel = threading.Event()
        self._generate.emit(request, self._cancel)

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
        self._warm_cancel = threading.Event()
        self._warming = (checkpoint, execution, speed)
        self._warm.emit(checkpoint, execution, speed, self._warm_cancel)

    def find_devices(self) -> None:
        """Ask for the devices; `devices_found` or `devices_failed` answers."""
        self._find_devices.emit()

    def close(self) -> None:
        """Stop everything and leave no thread or process behind. Safe to call twice."""
        self.cancel()
        self._engine.close()
        self._thread.quit()
        self._thread.wait()
