"""The desktop around the window: showing a file in the system's file manager."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, QUrl
from PySide6.QtGui import QDesktopServices

from sdxl_desktop.core.errors import DesktopError

_POLL_INTERVAL_MS, _MAX_POLLS = 250, 20
"""How often, and how many times, it is looked whether the file manager could not be started."""


def show_in_folder(file: Path, on_error: Callable[[DesktopError], object], parent: QObject) -> None:
    """Open the file manager at `file`, selecting it where the system can; `fail` hears where that cannot be done, at
    once or within some seconds while `parent` lives."""
    if not file.parent.is_dir():
        on_error(DesktopError(f"The folder {file.parent} is not there any more."))
        return
    try:
        if sys.platform == "win32":
            subprocess.Popen(["explorer", f"/select,{file}"])
        elif sys.platform == "darwin":
            subprocess.Popen(["open", "-R", str(file)])
        elif (opener := shutil.which("xdg-open")) is not None:
            started = subprocess.Popen(
                [opener, str(file.parent)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            _ProcessWatcher(started, lambda: on_error(_no_file_manager_error(file)), parent)
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.parent))):
            on_error(_no_file_manager_error(file))
    except OSError:
        on_error(_no_file_manager_error(file))


def _no_file_manager_error(file: Path) -> DesktopError:
    return DesktopError(
        "The folder cannot be shown.",
        why="No file manager was found, or it could not be started.",
        next_step=f"The file is {file}.",
    )


class _ProcessWatcher(QObject):
    """Calls `failed` when what was started ends with an error soon. Some openers stay as long as the file manager."""

    def __init__(self, process: subprocess.Popen[bytes], on_failed: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._process, self._on_failed, self._poll_count = process, on_failed, 0
        self._timer = QTimer(self, interval=_POLL_INTERVAL_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    def _poll(self) -> None:
        self._poll_count += 1
        code = self._process.poll()
        if code is None and self._poll_count < _MAX_POLLS:
            return
        self._timer.stop()
        self.deleteLater()
        if code:
            self._on_failed()
