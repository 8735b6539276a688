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

_LOOK_MS, _LOOKS = 250, 20
"""How often, and how many times, it is looked whether the file manager could not be started."""


def show_in_folder(file: Path, fail: Callable[[DesktopError], object], parent: QObject) -> None:
    """Open the file manager at `file`, selecting it where the system can; `fail` hears where that cannot be done, at
    once or within some seconds while `parent` lives."""
    if not file.parent.is_dir():
        fail(DesktopError(f"The folder {file.parent} is not there any more."))
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
            _Watched(started, lambda: fail(_no_file_manager(file)), parent)
        elif not QDesktopServices.openUrl(QUrl.fromLocalFile(str(file.parent))):
            fail(_no_file_manager(file))
    except OSError:
        fail(_no_file_manager(file))


def _no_file_manager(file: Path) -> DesktopError:
    return DesktopError(
        "The folder cannot be shown.",
        why="No file manager was found, or it could not be started.",
        next_step=f"The file is {file}.",
    )


class _Watched(QObject):
    """Calls `failed` when what was started ends with an error soon. Some openers stay as long as the file manager."""

    def __init__(self, started: subprocess.Popen[bytes], failed: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)
        self._started, self._failed, self._looks = started, failed, 0
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        self._looks += 1
        code = self._started.poll()
        if code is None and self._looks < _LOOKS:
            return
        self._timer.stop()
        self.deleteLater()
        if code:
            self._failed()
