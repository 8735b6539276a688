"""Decides whether the window may close: asks about a run in progress and saves the current work first."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.ui.notify import Notify
from sdxl_desktop.ui.work_recovery import WorkRecovery

FLUSH_TIMEOUT_S = 4.0
"""How long closing waits for the disk before it asks, in seconds."""
_STOP_TEXT, _FINISH_TEXT, _STAY_TEXT = "Stop and quit", "Quit when it is finished", "Cancel"
_PAUSE_TEXT = "Pause and quit"
_RETRY_TEXT, _DISCARD_TEXT = "Try again", "Quit without keeping it"


class CloseGuard(QObject):
    """Asks before the window closes, and closes it after the answers. Call `handle_session_change` after every session
    change."""

    def __init__(
        self,
        window: QWidget,
        session: GenerationSession,
        recovery: WorkRecovery,
        background: BackgroundRunner,
        notify: Notify,
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._recovery = window, session, recovery
        self._background, self._notify = background, notify
        self._question: QMessageBox | None = None
        self._no_questions = self._stop_drawing = self._discard_work = self._close_when_finished = False

    def skip_questions(self) -> None:
        """Ask nothing more because the system ends the session; whatever can be saved is saved."""
        self._no_questions = True
        if self._question is not None:
            self._question.hide()

    def may_close(self) -> bool:
        """Whether the window may close now. If not, the user is asked, and the answer closes it."""
        if self._no_questions:
            self._flush()
            return True
        if self._question is not None:
            self._question.raise_()
            return False
        if self._session.run is not None and not self._stop_drawing:
            self._confirm_stop_run()
            return False
        return self._discard_work or self._is_work_saved()

    def _is_work_saved(self) -> bool:
        done = self._flush()
        problem = self._recovery.save_error if done else None
        if done and problem is None:
            return True
        self._confirm_discard_work(problem)
        return False

    def _flush(self) -> bool:
        QGuiApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            return self._recovery.flush(FLUSH_TIMEOUT_S)
        finally:
            QGuiApplication.restoreOverrideCursor()

    # run in progress

    def _confirm_stop_run(self) -> None:
        waiting = len(self._session.queue.waiting)
        more = f", and {waiting} more {'is' if waiting == 1 else 'are'} waiting" if waiting else ""
        box = self._create_question(
            f"A picture is being drawn{more}.",
            "The queue is kept. What is paused goes on at its step when you start again; what is stopped begins anew.",
        )
        self._add_answer(box, _PAUSE_TEXT, QMessageBox.ButtonRole.AcceptRole, self._pause)
        self._add_answer(box, _FINISH_TEXT, QMessageBox.ButtonRole.AcceptRole, self._wait_for_run)
        self._add_answer(box, _STOP_TEXT, QMessageBox.ButtonRole.DestructiveRole, self._stop)
        self._add_answer(box, _STAY_TEXT, QMessageBox.ButtonRole.RejectRole, self._cancel_close)
        box.open()

    def _stop(self) -> None:
        self._stop_drawing = True
        self._window.close()

    def _pause(self) -> None:
        """Close after the current step; the queue goes on from there at the next start."""
        self._close_when_finished = True
        self._notify("The window closes after this step", action="Stay", callback=self._cancel_close, persistent=True)
        self._session.pause()
        self.handle_session_change()

    def _wait_for_run(self) -> None:
        self._close_when_finished = True
        self._notify(
            "The window closes when everything is drawn", action="Stay", callback=self._cancel_close, persistent=True
        )
        self.handle_session_change()

    def _cancel_close(self) -> None:
        self._close_when_finished = self._stop_drawing = self._discard_work = False

    def handle_session_change(self) -> None:
        """If closing waits for the run, close after it ends; after an error, stay open and show it."""
        session = self._session
        if not self._close_when_finished or session.run is not None:
            return
        self._close_when_finished = False
        if session.error is None:  # after the pending picture writes
            self._background.write(lambda: None, lambda _: QTimer.singleShot(0, self._window, self._window.close))

    # unsaved work

    def _confirm_discard_work(self, problem: SdxlDesktopError | None) -> None:
        if problem is None:
            what, why = "What you work on is still being written to the disk.", "The disk is slow, or does not answer."
        else:
            what, why = problem.what, f"{problem.why} {problem.next_step}".strip()
        box = self._create_question(what, f"{why}\n\nIf you quit now, what has changed since it was kept last is lost.")
        self._add_answer(box, _RETRY_TEXT, QMessageBox.ButtonRole.AcceptRole, self._window.close)
        self._add_answer(box, _DISCARD_TEXT, QMessageBox.ButtonRole.DestructiveRole, self._close_without_saving)
        self._add_answer(box, _STAY_TEXT, QMessageBox.ButtonRole.RejectRole, self._cancel_close)
        box.open()

    def _close_without_saving(self) -> None:
        self._discard_work = True
        self._window.close()

    # questions

    def _create_question(self, text: str, informative_text: str) -> QMessageBox:
        box = QMessageBox(QMessageBox.Icon.Question, "Quit", text, QMessageBox.StandardButton.NoButton, self._window)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setInformativeText(informative_text)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.finished.connect(self._forget_question)
        self._question = box
        return box

    def _add_answer(
        self, question: QMessageBox, text: str, role: QMessageBox.ButtonRole, callback: Callable[[], object]
    ) -> None:
        button = question.addButton(text, role)
        button.clicked.connect(lambda: QTimer.singleShot(0, self, callback))  # after the box has closed
        if role is QMessageBox.ButtonRole.RejectRole:
            question.setEscapeButton(button)
        elif role is QMessageBox.ButtonRole.AcceptRole:
            question.setDefaultButton(button)

    def _forget_question(self) -> None:
        self._question = None
