"""Autosaves the current work, keeps it when the window closes, and restores it at the next start.

The last closed window's work is restored automatically. Work left by a crash or by other windows is offered. All of it,
and what was replaced on purpose, is listed under File, Earlier work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QDateTime, QLocale, QObject, QTimer, Signal
from PySide6.QtWidgets import QMenu, QMessageBox

from sdxl_desktop.bridge.background import BackgroundRunner, Worker
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.session.document.autosave import CANNOT_KEEP, Autosave, RecoverableDocument, find_recoverable
from sdxl_desktop.session.document.project_file import Project
from sdxl_desktop.session.document.recovery import CloseState
from sdxl_desktop.ui.project_context import ProjectContext

AUTOSAVE_MS = 3000
"""Delay from a change to its snapshot. The previous snapshot remains the newest until the new one is on disk, so this
delay, Qt's timer tolerance of 5 % and writing a large picture on a busy machine must together stay below five seconds,
the most work that a crash may cost."""
MAX_ENTRIES, MAX_BYTES = 30, 8 * 2**30
"""From this much earlier work on, the user is asked at each start to review it."""


class WorkRecovery(QObject):
    """Autosaves `context` in `folder`. `restore_project` is called with a project that replaces the current work.

    `restore_offered` carries a text and the callback that restores; `offer_changed` when `has_offer` may have changed.
    """

    failed = Signal(object)
    message = Signal(str)
    restore_offered = Signal(str, object)
    requests_found = Signal(object)
    """Requests (a tuple of GenerationRequest) that a document of an earlier version left undrawn."""
    offer_changed = Signal()
    restored = Signal()
    """The work of an earlier window has replaced the present one."""

    def __init__(
        self,
        context: ProjectContext,
        background: BackgroundRunner,
        folder: Path,
        restore_project: Callable[[Project], None],
        saved_file: Callable[[], Path | None] = lambda: None,
    ) -> None:
        """`saved_file` returns the user's file that holds the current state."""
        super().__init__(context.canvas_area)
        self._context, self._background, self._folder, self._restore_project = (
            context,
            background,
            folder,
            restore_project,
        )
        self._saved_file = saved_file
        self._autosave = Autosave(folder)
        self._writer = Worker("autosave", self)  # its own, so that no slow picture file delays it
        self._reported_failure = ""
        self._offered_entry: RecoverableDocument | None = None
        self._loading_entry: RecoverableDocument | None = None
        self._closed = False
        self._revision = 0
        self._last_session_state: tuple[object, ...] = ()
        self._autosave_timer = QTimer(self, singleShot=True, interval=AUTOSAVE_MS)
        self._autosave_timer.timeout.connect(self.autosave)
        context.document.subscribe(lambda _: self._mark_changed())
        context.parameters_panel.changed.connect(self._mark_changed)

    # autosave

    def handle_session_change(self) -> None:
        """Autosave new results after a session change. (The queue has files of its own.)"""
        now: tuple[object, ...] = tuple(self._context.session.results)
        if len(now) != len(self._last_session_state) or any(
            a is not b for a, b in zip(now, self._last_session_state, strict=True)
        ):
            self._last_session_state = now
            self._mark_changed()

    def handle_saved(self) -> None:
        """Record that the work has been saved, for the next start."""
        self._mark_changed()

    def _mark_changed(self) -> None:
        self._revision += 1
        if not self._autosave_timer.isActive() and not self._closed:
            self._autosave_timer.start()

    @property
    def _is_empty(self) -> bool:
        return self._context.is_empty

    def autosave(self) -> None:
        """Start writing the changes, without waiting."""
        if self._queue_snapshot():
            self._autosave_timer.start()  # retries after a failure

    def _queue_snapshot(self) -> bool:
        """Schedule a snapshot if there are changes; return whether there were."""
        if self._is_empty:
            self._autosave.clear(self._revision)
            return False
        due = self._autosave.is_due(self._revision)
        if due:
            self._autosave.set_pending(self._context.snapshot(self._saved_file()), self._revision)
            self._writer.submit(
                self._autosave.write_pending, self._forget_failure, self._report_failure, what=CANNOT_KEEP
            )
        return due

    def _report_failure(self, problem: SdxlDesktopError) -> None:
        """Report a failure once, until writing succeeds again."""
        if str(problem) != self._reported_failure:
            self._reported_failure = str(problem)
            self.failed.emit(problem)

    def _forget_failure(self, _: None = None) -> None:
        if self._autosave.last_error is None:
            self._reported_failure = ""

    def flush(self, seconds: float) -> bool:
        """Write everything, waiting at most `seconds`; return whether it finished. `save_error` returns the outcome."""
        self._queue_snapshot()
        return self._is_idle(seconds)

    def _is_idle(self, seconds: float) -> bool:
        """Wait at most `seconds` until nothing is being written and nothing waits for it; return whether that is so."""
        return self._writer.wait(seconds) and not self._autosave.is_pending

    @property
    def save_error(self) -> SdxlDesktopError | None:
        """Return why the current state could not be saved."""
        return self._autosave.last_error if self._autosave.is_due(self._revision) else None

    def prepare_for_shutdown(self, seconds: float) -> None:
        """Save what can be saved in `seconds`: the system is about to end this process."""
        if self.flush(seconds):
            self._autosave.mark_closing()

    def close(self) -> None:
        """Handle a normal close, after `flush`: the next start continues here."""
        if self._closed:
            return
        self._closed = True
        self._autosave_timer.stop()
        if self._offered_entry is not None:
            self._offered_entry.release_unopened()
        if self._loading_entry is not None:
            self._loading_entry.release_unopened()
        if self._is_idle(0):
            self._autosave.close(CloseState.SAVED if self._is_saved else CloseState.CLOSED)
        else:
            self._autosave.abandon()

    @property
    def _is_saved(self) -> bool:
        """Whether everything is in the user's own files."""
        saved = all(result.saved_to is not None for result in self._context.session.results)
        return saved and not self._context.document.has_picture

    # at the start

    def restore_previous(self, *, restore_last: bool) -> None:
        """Look for work left by earlier windows. The last closed window's is restored if `restore_last`; the newest of
        the rest is offered."""
        prompts = self._context.parameters_panel.value().prompts

        def take(left: tuple[RecoverableDocument, ...]) -> None:
            if self._closed:
                _release_all(left)
                return
            wanted = [one for one in left if one.close_state is not CloseState.REPLACED]
            last = wanted[0] if wanted and wanted[0].close_state is not CloseState.CRASHED and restore_last else None
            others = [
                one
                for one in wanted
                if one is not last and (one.close_state is not CloseState.SAVED or one is wanted[0])
            ]
            self._offered_entry = others[0] if others else None
            _release_all(one for one in left if one not in (last, self._offered_entry))
            self.offer_changed.emit()
            if last is not None:
                self._load(last, partial(self._restore_at_start, last, prompts))
            if self._offered_entry is not None:
                self.restore_offered.emit(_offer_text(self._offered_entry, restore_last), self.restore_offered_entry)
            elif len(left) > MAX_ENTRIES or sum(one.size for one in left) > MAX_BYTES:
                self.message.emit("Much earlier work is kept: look through it under File, Earlier work")

        self._background.read(lambda: find_recoverable(self._folder), take, self.failed.emit)

    def _load(self, entry: RecoverableDocument, callback: Callable[[Project | SdxlDesktopError], None]) -> None:
        def take(project: Project | SdxlDesktopError) -> None:
            if not self._closed:
                self._loading_entry = None
                callback(project)

        self._loading_entry = entry
        self._background.read(entry.load, take, take)

    def _restore_at_start(
        self, entry: RecoverableDocument, prompts: Prompts, project: Project | SdxlDesktopError
    ) -> None:
        """Restore at the start, unless the user has already begun something."""
        if not self._is_empty:
            if self._offered_entry is not None:
                self._offered_entry.release_unopened()
            self._offered_entry = entry
            self.restore_offered.emit(_offer_text(entry, restore_last=False), self.restore_offered_entry)
            self.offer_changed.emit()
            return
        typed = self._context.parameters_panel.value().prompts
        if isinstance(project, Project) and project.workspace is not None and typed != prompts:
            project = replace(project, workspace=replace(project.workspace, prompts=typed))
        self._restore(entry, project)

    @property
    def has_offer(self) -> bool:
        """Whether there is something for `restore_offered_entry`."""
        return self._offered_entry is not None

    def restore_offered_entry(self) -> None:
        """Restore the offered work."""
        found, self._offered_entry = self._offered_entry, None
        if found is not None:
            self._load(found, partial(self._restore, found))

    def _restore(self, entry: RecoverableDocument, project: Project | SdxlDesktopError) -> None:
        if isinstance(project, SdxlDesktopError):
            entry.release()
            self.failed.emit(project)
        elif self.archive_current():
            self._restore_project(project)
            self._autosave.adopt(entry, self._revision)
            self.restored.emit()
            if project.queued_requests:
                self.requests_found.emit(project.queued_requests)
                self._mark_changed()  # they are in the queue now
        else:
            entry.release_unopened()
        self.offer_changed.emit()

    # replacing the current work

    def archive_current(self) -> bool:
        """Archive the current work before something replaces it; return whether that succeeded. It is listed under
        Earlier work. The queue stays as it is."""
        if not self._context.is_empty:
            self._revision += 1
            try:
                self._autosave.write_now(self._context.snapshot(self._saved_file()), self._revision)
            except SdxlDesktopError as problem:
                self.failed.emit(problem)
                return False
        self._autosave.close(CloseState.REPLACED)
        self._autosave = Autosave(self._folder)
        self._forget_failure()
        return True

    # the menu

    def fill_menu(self, menu: QMenu) -> None:
        """Fill `menu` with the earlier work each time it opens."""
        menu.aboutToShow.connect(lambda: self._fill_menu(menu))

    def _fill_menu(self, menu: QMenu) -> None:
        menu.clear()
        left = find_recoverable(self._folder)
        _release_all(left)
        listed = sorted((*left, *([self._offered_entry] if self._offered_entry else [])), key=lambda one: -one.left_at)
        for one in listed:
            menu.addAction(_entry_title(one).replace("&", "&&"), partial(self._open, one.file))
        if not listed:
            menu.addAction("Nothing yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("Delete all of it…", partial(self._confirm_discard_all, len(listed)))

    def _open(self, file: Path) -> None:
        """Restore the work in `file`, unless another window has taken it."""
        if self._offered_entry is not None and self._offered_entry.file == file:
            self.restore_offered_entry()
            return
        left = find_recoverable(self._folder)
        wanted = next((one for one in left if one.file == file), None)
        _release_all(one for one in left if one is not wanted)
        if wanted is None:
            self.message.emit("Another window has it, or it has been deleted")
        else:
            self._load(wanted, partial(self._restore, wanted))

    def _confirm_discard_all(self, count: int) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Earlier work",
            f"Delete all earlier work ({count})?",
            QMessageBox.StandardButton.Discard | QMessageBox.StandardButton.Cancel,
            self._context.canvas_area,
        )
        box.setInformativeText("What was not saved is gone then. What this and other windows show now stays.")
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.button(QMessageBox.StandardButton.Discard).clicked.connect(self.discard_all)
        box.open()

    def discard_all(self) -> None:
        """Delete all work that no window has open."""
        found, self._offered_entry = self._offered_entry, None
        for one in (*find_recoverable(self._folder), *([found] if found else [])):
            with suppress(OSError):  # what cannot be deleted is listed again
                one.discard()
        self.offer_changed.emit()


def _release_all(entries: Iterable[RecoverableDocument]) -> None:
    for one in entries:
        one.release()


def _offer_text(entry: RecoverableDocument, restore_last: bool) -> str:
    if entry.close_state is CloseState.CRASHED:
        return "Your last work was not closed properly"
    return "The work of another window is kept too" if restore_last else "Your last work is kept"


def _entry_title(entry: RecoverableDocument) -> str:
    """Return the time the work was left, and its content."""
    name, results = entry.summary()
    moment = QDateTime.fromSecsSinceEpoch(int(entry.left_at))
    today = moment.date() == QDateTime.fromSecsSinceEpoch(int(time.time())).date()
    locale = QLocale()
    when = locale.toString(moment.time() if today else moment, QLocale.FormatType.ShortFormat)
    what = [name] if name else []
    what += [f"{results} result{'s' * (results != 1)}"] if results else []
    how = " (not closed properly)" if entry.close_state is CloseState.CRASHED else ""
    return f"{when}  {', '.join(what) or 'without a name'}{how}"
