"""Opens the history off the main thread, reads and writes it there, and reports its changes on the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from sdxl_desktop.bridge.background import FailureCallback, Worker
from sdxl_desktop.core.errors import SdxlDesktopError

if TYPE_CHECKING:
    from sdxl_desktop.history.entries import HistoryChange
    from sdxl_desktop.history.store import History

T = TypeVar("T")
_FAILED = "The history failed unexpectedly."
_POLL_MS = 3000
"""How often changes by other processes are looked for."""


class HistoryThread(QObject):
    """The window's access to the history. Nothing is loaded before `open`; tasks given before it has opened wait.

    A task gets the `History`; its result goes to `callback` on the main thread, or its error to `failed` (by default
    to `task_failed`), unless `owner` was destroyed. Reading, writing and scanning files have a worker each, which does
    one task after the other. If the history cannot be opened, `open_failed` is emitted once, and every task fails with
    that error.
    """

    opened = Signal()
    open_failed = Signal(object)
    task_failed = Signal(object)
    changed = Signal(object)
    """A `HistoryChange`."""
    damage_found = Signal()
    """A task failed because the database is damaged."""
    _change_posted = Signal(object)

    def __init__(self, database: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._database = database
        self._history: History | None = None
        self._error: SdxlDesktopError | None = None
        self._started = False
        self._waiting: list[Callable[[], None]] = []
        self._writer = Worker("history", self, daemon=False)
        self._reader = Worker("history reading", self)
        self._scanner = Worker("history files", self)
        self._closing = threading.Event()
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self._look_for_changes)
        self._change_posted.connect(self._forward_change, Qt.ConnectionType.QueuedConnection)

    @property
    def is_open(self) -> bool:
        """Whether the history is open."""
        return self._history is not None

    @property
    def error(self) -> SdxlDesktopError | None:
        """Why the history could not be opened, if so."""
        return self._error

    def open(self) -> None:
        """Open the history; the reply is `opened` or `open_failed`. Does nothing the second time."""
        if not self._started:
            self._started = True
            self._writer.submit(self._open, self._on_opened, self._on_failed, what=_FAILED)

    def _open(self) -> History:
        from sdxl_desktop.history.store import History  # half a second of imports, off the main thread

        history = History.open(self._database)
        history.subscribe(self._post_change)
        return history

    def _post_change(self, change: HistoryChange) -> None:
        try:
            self._change_posted.emit(change)
        except RuntimeError:  # this object is destroyed, and its listeners with it
            return

    @Slot(object)
    def _forward_change(self, change: HistoryChange) -> None:
        self.changed.emit(change)

    def _on_opened(self, history: History) -> None:
        self._history = history
        self.opened.emit()
        self._run_waiting()
        self._poll.start()

    def _look_for_changes(self) -> None:
        """Report what other processes have changed, such as a command that draws."""

        def look(history: History) -> bool:
            return history.changed_elsewhere()

        def report(changed: bool) -> None:
            if changed:
                from sdxl_desktop.history.entries import ChangeKind, HistoryChange

                self.changed.emit(HistoryChange(ChangeKind.RESET))

        self.read(look, report, _nothing)

    def _on_failed(self, error: SdxlDesktopError) -> None:
        self._error = error
        self.open_failed.emit(error)
        self._run_waiting()

    def _run_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each()

    def read(
        self,
        task: Callable[[History], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        """Run `task` on the reading worker."""
        self._submit(self._reader, task, callback, failed, owner)

    def write(
        self,
        task: Callable[[History], T],
        callback: Callable[[T], object] | None = None,
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        """Run `task` on the writing worker."""
        self._submit(self._writer, task, callback or _nothing, failed, owner)

    def scan(
        self,
        task: Callable[[History, Callable[[], None]], T],
        callback: Callable[[T], object] | None = None,
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        """Run `task`, which reads many files, on the worker for that. Its second argument is to be called between files
        and raises when the window closes."""

        def check() -> None:
            if self._closing.is_set():
                raise ScanStoppedError("The pictures folder was not read to its end.")

        self._submit(self._scanner, lambda history: task(history, check), callback or _nothing, failed, owner)

    def _submit(
        self,
        worker: Worker,
        task: Callable[[History], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None,
        owner: QObject | None,
    ) -> None:
        report = failed or self.task_failed.emit
        history, error = self._history, self._error

        def handle(error: SdxlDesktopError) -> None:
            from sdxl_desktop.history.errors import HistoryDamagedError

            if isinstance(error, HistoryDamagedError):
                self.damage_found.emit()
            report(error)

        if history is not None:
            worker.submit(lambda: task(history), callback, handle, what=_FAILED, owner=owner)
        elif error is not None:
            report(error)
        else:
            self._waiting.append(lambda: self._submit(worker, task, callback, failed, owner))

    def close(self) -> None:
        """Finish the writing that was asked for and close the history, without waiting for it. Safe to call twice."""
        self._closing.set()
        self._poll.stop()
        history, self._history = self._history, None
        self._waiting.clear()
        for worker in (self._reader, self._scanner):
            worker.close()
        if history is not None:
            self._writer.submit(history.close, _nothing, self.task_failed.emit, what=_FAILED)
        self._writer.close(finish=True)


class ScanStoppedError(SdxlDesktopError):
    """The window closes; the next start goes on."""


def _nothing(_: object) -> None:
    """Do nothing after a task."""
