"""Whether the window may close: what is being drawn is asked about, and what is worked on is kept first."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.kept_work import KeptWork
from sdxl_desktop.ui.telling import Tell

PATIENCE_S = 4.0
"""How long a close waits for the disk before it asks."""
_STOP, _FINISH, _STAY = "Stop and quit", "Quit when it is finished", "Cancel"
_AGAIN, _WITHOUT = "Try again", "Quit without keeping it"


class Closing(QObject):
    """Asks for the window before it closes, and closes it when the answers are in. `notice_session` is to be called
    whenever the session has moved."""

    def __init__(self, window: QWidget, session: Session, kept: KeptWork, background: Background, tell: Tell) -> None:
        super().__init__(window)
        self._window, self._session, self._kept = window, session, kept
        self._background, self._tell = background, tell
        self._box: QMessageBox | None = None
        self._hurried = self._stop_drawing = self._give_up_work = self._when_finished = False

    def hurry(self) -> None:
        """The system ends the session: nothing is asked any more, and what can be kept is kept."""
        self._hurried = True
        if self._box is not None:
            self._box.hide()

    def may_close(self) -> bool:
        """Whether the window may close now. Otherwise the person is asked, and it is closed by what they answer."""
        if self._hurried:
            self._flush()
            return True
        if self._box is not None:
            self._box.raise_()
            return False
        if self._session.run is not None and not self._stop_drawing:
            self._ask_about_run()
            return False
        return self._give_up_work or self._is_kept()

    def _is_kept(self) -> bool:
        done = self._flush()
        problem = self._kept.why_not if done else None
        if done and problem is None:
            return True
        self._ask_about_work(problem)
        return False

    def _flush(self) -> bool:
        QGuiApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
        try:
            return self._kept.flush(PATIENCE_S)
        finally:
            QGuiApplication.restoreOverrideCursor()

    # what is being drawn

    def _ask_about_run(self) -> None:
        waiting = len(self._session.queue)
        more = f", and {waiting} more {'is' if waiting == 1 else 'are'} waiting" if waiting else ""
        box = self._asking(
            f"A picture is being drawn{more}.",
            "What is stopped now can be drawn at the next start: it will be offered.",
        )
        self._answer(box, _FINISH, QMessageBox.ButtonRole.AcceptRole, self._wait_for_run)
        self._answer(box, _STOP, QMessageBox.ButtonRole.DestructiveRole, self._stop)
        self._answer(box, _STAY, QMessageBox.ButtonRole.RejectRole, self._stay)
        box.open()

    def _stop(self) -> None:
        self._stop_drawing = True
        self._window.close()

    def _wait_for_run(self) -> None:
        self._when_finished = True
        self._tell("The window closes when everything is drawn", answer="Stay", act=self._stay, stays=True)
        self.notice_session()

    def _stay(self) -> None:
        self._when_finished = self._stop_drawing = self._give_up_work = False

    def notice_session(self) -> None:
        """Close, if that was waited for, when nothing is drawn any more; after an error stay and show it."""
        session = self._session
        if not self._when_finished or session.run is not None:
            return
        self._when_finished = False
        if session.error is None:  # behind the pictures that are being written
            self._background.write(lambda: None, lambda _: QTimer.singleShot(0, self._window, self._window.close))

    # what is worked on

    def _ask_about_work(self, problem: SdxlDesktopError | None) -> None:
        if problem is None:
            what, why = "What you work on is still being written to the disk.", "The disk is slow, or does not answer."
        else:
            what, why = problem.what, f"{problem.why} {problem.next_step}".strip()
        box = self._asking(what, f"{why}\n\nIf you quit now, what has changed since it was kept last is lost.")
        self._answer(box, _AGAIN, QMessageBox.ButtonRole.AcceptRole, self._window.close)
        self._answer(box, _WITHOUT, QMessageBox.ButtonRole.DestructiveRole, self._go_without)
        self._answer(box, _STAY, QMessageBox.ButtonRole.RejectRole, self._stay)
        box.open()

    def _go_without(self) -> None:
        self._give_up_work = True
        self._window.close()

    # asking

    def _asking(self, what: str, more: str) -> QMessageBox:
        box = QMessageBox(QMessageBox.Icon.Question, "Quit", what, QMessageBox.StandardButton.NoButton, self._window)
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setInformativeText(more)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.finished.connect(self._answered)
        self._box = box
        return box

    def _answer(self, box: QMessageBox, words: str, role: QMessageBox.ButtonRole, act: Callable[[], object]) -> None:
        button = box.addButton(words, role)
        button.clicked.connect(lambda: QTimer.singleShot(0, self, act))  # when the box has gone
        if role is QMessageBox.ButtonRole.RejectRole:
            box.setEscapeButton(button)
        elif role is QMessageBox.ButtonRole.AcceptRole:
            box.setDefaultButton(button)

    def _answered(self) -> None:
        self._box = None
