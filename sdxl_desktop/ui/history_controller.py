"""The history in the window: it records the session's results, follows the pictures folder, and reports its errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject

from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.bridge.history_watch import HistoryWatch
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.history_recording import HistoryRecorder


class HistoryController(QObject):
    """Starts the history and ends it. `title_of` returns the title of a request's checkpoint."""

    def __init__(
        self,
        history: HistoryThread,
        session: GenerationSession,
        title_of: Callable[[GenerationRequest], str],
        show_error: Callable[[SdxlDesktopError], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._history = history
        self._watch = HistoryWatch(history, self)
        recorder = HistoryRecorder(lambda task, failed: history.write(task, None, failed), show_error, title_of)
        session.recorder = recorder
        history.open_failed.connect(recorder.failed)  # which reports it once, however many pictures follow
        history.task_failed.connect(show_error)
        self._watch.reported.connect(show_error)

    def start(self, pictures: Path) -> None:
        """Open the history and bring it in line with the pictures folder, in the background."""
        self._history.open()
        self._watch.set_folder(pictures)

    def set_folder(self, pictures: Path) -> None:
        """Follow another pictures folder from now on."""
        self._watch.set_folder(pictures)

    def close(self) -> None:
        """Finish writing, without waiting. Safe to call twice."""
        self._history.close()
