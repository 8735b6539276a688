"""Shows a file in the system's file manager."""

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
"""How often (ms), and how many times, to check whether the file manager failed to start."""


def show_in_folder(file: Path, on_error: Callable[[DesktopError], object], parent: QObject) -> None:
    """Open the file manager at `file`, and select it if the system can. `on_error` is called if that fails, immediately
    or within some seconds while `parent` lives."""
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
    """Calls `on_failed` if the process soon ends with an error. Some openers run as long as the file manager."""

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
