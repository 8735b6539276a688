"""Keeps the history in line with the pictures folder: reads it at the start and whenever something in it changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from sdxl_desktop.bridge.history_thread import HistoryThread, ScanStoppedError
from sdxl_desktop.core.errors import SdxlDesktopError

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History

_QUIET_MS = 600
"""How long nothing may change before the folder is read: programs write files in several steps."""
_MAX_QUIET_MS = 20_000
_QUIET_SHARE = 5
"""How many times longer than the last scan took nothing may change, so that scans of many files stay rare."""
_MAX_WATCHED = 500
"""How many folders are watched; changes in others are noticed at the next start."""


class _Outcome(NamedTuple):
    """What a scan returns: the folders to watch, and what is to be shown."""

    folders: list[str]
    notice: SdxlDesktopError | None = None


class HistoryWatch(QObject):
    """Watches the pictures folder for `history`. A damaged database is set aside and made again from the files.

    `scanned` follows each time the folder was read. `reported` carries an error to be shown: the history was damaged,
    or could not be brought up to date.
    """

    scanned = Signal()
    reported = Signal(object)

    def __init__(self, history: HistoryThread, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history = history
        self._folder: Path | None = None
        self._is_scanning = False
        self._is_outdated = False
        self._is_checked = False
        self._started = 0.0
        self._watcher = QFileSystemWatcher(self)
        self._timer = QTimer(self, singleShot=True, interval=_QUIET_MS)
        self._watcher.directoryChanged.connect(lambda _: self._timer.start())
        self._timer.timeout.connect(self._scan)
        history.damage_found.connect(self._recover)

    def set_folder(self, folder: Path) -> None:
        """Watch `folder`, and read it as soon as the history is open."""
        if folder != self._folder:
            self._folder = folder
            self._scan()

    def _scan(self) -> None:
        folder = self._folder
        if folder is None:
            return
        if self._is_scanning:
            self._is_outdated = True
            return
        thorough, self._is_checked = not self._is_checked, True

        def task(history: History, check: Callable[[], None]) -> _Outcome:
            if history.damaged is not None and thorough:
                return _rebuild(history, folder, check)
            if thorough:
                history.check()
            history.scan(folder, check)
            if thorough:
                history.tidy()
            return _Outcome(_folders(folder))

        self._start(task)

    def _recover(self) -> None:
        """Make the history again if its database is damaged."""
        folder = self._folder
        if folder is None or self._is_scanning:
            return

        def task(history: History, check: Callable[[], None]) -> _Outcome:
            if history.recover() is None:
                return _Outcome(_folders(folder))
            return _rebuild(history, folder, check)

        self._start(task)

    def _start(self, task: Callable[[History, Callable[[], None]], _Outcome]) -> None:
        self._is_scanning = True
        self._is_outdated = False
        self._started = time.monotonic()
        self._history.scan(task, self._finish, self._fail, owner=self)

    def _finish(self, outcome: _Outcome) -> None:
        self._is_scanning = False
        taken = time.monotonic() - self._started
        self._timer.setInterval(max(_QUIET_MS, min(_MAX_QUIET_MS, int(taken * 1000 * _QUIET_SHARE))))
        folders = outcome.folders
        gone = set(self._watcher.directories()) - set(folders)
        if gone:
            self._watcher.removePaths(sorted(gone))
        fresh = set(folders) - set(self._watcher.directories())
        if fresh:
            self._watcher.addPaths(sorted(fresh))
        self.scanned.emit()
        if outcome.notice is not None:
            self.reported.emit(outcome.notice)
        if self._is_outdated:
            self._timer.start()

    def _fail(self, error: SdxlDesktopError) -> None:
        from sdxl_desktop.history.errors import HistoryDamagedError

        self._is_scanning = False
        if isinstance(error, HistoryDamagedError):
            self._recover()
        elif not isinstance(error, ScanStoppedError) and error is not self._history.error:
            self.reported.emit(error)


def _rebuild(history: History, folder: Path, check: Callable[[], None]) -> _Outcome:
    from sdxl_desktop.history.errors import HistoryDamagedError

    history.rebuild(folder, check)
    notice = HistoryDamagedError(
        "The history was damaged and has been made again from your pictures.",
        why=f"The damaged database was kept as {history.damaged}.",
        next_step="Nothing needs to be done.",
    )
    return _Outcome(_folders(folder), notice)


def _folders(folder: Path) -> list[str]:
    """Return the folders to watch: `folder`, those below, and the one above, where it may appear again."""
    from sdxl_desktop.history.folder_files import folders_in

    found = []
    for each in folders_in(folder):
        found.append(str(each))
        if len(found) >= _MAX_WATCHED:
            break
    if not found and folder.parent.is_dir():
        found.append(str(folder.parent))
    return found
