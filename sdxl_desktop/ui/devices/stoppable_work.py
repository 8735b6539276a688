"""A dialog's long-running work in its own thread, which waits for a worker process; it can be stopped any time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from sdxl_desktop.core.errors import SdxlDesktopError, wrap_error
from sdxl_desktop.core.events import Progress
from sdxl_desktop.engine.engine_protocol import Emit

_STOP_SECONDS = 2.0


class StoppableWork(QObject):
    """Runs one task at a time. A stopped task emits nothing more."""

    progressed = Signal(object)
    """A `Progress`."""
    done = Signal(object)
    """The work's return value."""
    failed = Signal(object)
    """The SdxlDesktopError that ended the work."""
    _message_posted = Signal(int, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._number = 0
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None
        self._message_posted.connect(self._handle_message, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self, work: Callable[[Emit, threading.Event], Any]) -> None:
        """Run `work(emit, cancel)`, stopping a running task first. `work` must end soon after `cancel` is set."""
        self.stop()
        self._number += 1
        number, cancel = self._number, threading.Event()

        def tell(what: object) -> None:
            with suppress(RuntimeError):  # the receiver was deleted
                self._message_posted.emit(number, what)

        def run() -> None:
            try:
                outcome: object = _Result(work(tell, cancel))
            except Exception as problem:  # catch-all: the dialog must be notified
                outcome = wrap_error(problem, "It failed unexpectedly.")
            if not cancel.is_set():
                tell(outcome)

        self._cancel = cancel
        self.destroyed.connect(cancel.set)  # deleting the dialog stops its work
        self._thread = threading.Thread(target=run, name="stoppable work", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop the task now."""
        self._cancel.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_STOP_SECONDS)

    @Slot(int, object)
    def _handle_message(self, number: int, what: object) -> None:
        if number != self._number or self._thread is None:
            return
        if isinstance(what, Progress):
            self.progressed.emit(what)
            return
        if not isinstance(what, _Result | SdxlDesktopError):
            return
        self._thread = None
        if isinstance(what, _Result):
            self.done.emit(what.value)
        else:
            self.failed.emit(what)


class _Result:
    def __init__(self, value: Any) -> None:
        self.value = value
