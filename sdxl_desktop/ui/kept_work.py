"""What is worked on is kept while it changes, stays when the window closes, and comes back at the next start.

What the last window was closed with comes back by itself; what a crash left, and what other windows were closed with,
is offered; all of it, and what was replaced on purpose, can be found under File, Earlier work.
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

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.session.document.autosave import Autosave, Recoverable, recoverable
from sdxl_desktop.session.document.project import Project
from sdxl_desktop.session.document.recovery import Left
from sdxl_desktop.ui.work import Work

AUTOSAVE_MS = 3000
"""From a change to the snapshot that is then written. What was kept before stays the newest until that is on the
disk, so this, Qt's tolerance of a twentieth, and the writing of a large picture on a busy machine together must stay
below the five seconds of work that a crash may cost."""
MANY, MANY_BYTES = 30, 8 * 2**30
"""From so much earlier work on, the person is asked at each start to look through it."""


class KeptWork(QObject):
    """Keeps `work` in `folder`. `put` is called with a project that is to take the place of what is worked on.

    `offered` carries words and what bringing it back would call; `changed` when `has_found` may be another.
    """

    failed = Signal(object)
    told = Signal(str)
    offered = Signal(str, object)
    postponed = Signal()
    """There are requests that were not drawn before the last end."""
    changed = Signal()

    def __init__(
        self,
        work: Work,
        background: Background,
        folder: Path,
        put: Callable[[Project], None],
        kept_as: Callable[[], Path | None] = lambda: None,
    ) -> None:
        """`kept_as` says which file of the person's holds what is here now."""
        super().__init__(work.stage)
        self._work, self._background, self._folder, self._put = work, background, folder, put
        self._kept_as = kept_as
        self._autosave = Autosave(folder)
        self._found: Recoverable | None = None
        self._loading: Recoverable | None = None
        self._closed = False
        self._revision = 0
        self._seen: tuple[object, ...] = ()
        self._tick = QTimer(self, singleShot=True, interval=AUTOSAVE_MS)
        self._tick.timeout.connect(self.keep)
        work.document.listen(lambda _: self._change())
        work.desk.changed.connect(self._change)

    # while it changes

    def notice_session(self) -> None:
        """The session has moved: new results, and what is yet to be drawn, are kept too."""
        session = self._work.session
        now: tuple[object, ...] = (*session.results, *session.queue, *session.postponed)
        if session.run is not None:
            now += (session.run.request, *[None] * session.run.drawn)
        if len(now) != len(self._seen) or any(a is not b for a, b in zip(now, self._seen, strict=True)):
            self._seen = now
            self._change()

    def notice_saved(self) -> None:
        """It has been saved, which is worth knowing at the next start."""
        self._change()

    def _change(self) -> None:
        self._revision += 1
        if not self._tick.isActive() and not self._closed:
            self._tick.start()

    @property
    def _nothing(self) -> bool:
        return self._work.empty and not self._work.session.unfinished

    def keep(self) -> None:
        """Hand what has changed to the disk, without waiting for it."""
        problem = self._autosave.take_problem()
        if problem is not None:
            self.failed.emit(problem)
        if self._hand_over():
            self._tick.start()  # sees how it went, and tries again where it failed

    def _hand_over(self) -> bool:
        """Whether there was something to keep."""
        if self._nothing:
            self._autosave.clear(self._revision)
            return False
        due = self._autosave.due(self._revision)
        if due:
            self._autosave.keep(self._work.project(self._work.session.unfinished, self._kept_as()), self._revision)
        return due

    def flush(self, seconds: float) -> bool:
        """Have everything on the disk, and wait so long for it at most; whether that is over. `why_not` says how it
        went."""
        self._hand_over()
        return self._autosave.flush(seconds)

    @property
    def why_not(self) -> SdxlDesktopError | None:
        """Why what there is now could not be kept."""
        return self._autosave.why_not if self._autosave.due(self._revision) else None

    def expect_end(self, seconds: float) -> None:
        """The system is about to end this process: keep what can be kept in that time."""
        if self.flush(seconds):
            self._autosave.expect_end()

    def close(self) -> None:
        """The window was closed in order, `flush` came before: the next start goes on here."""
        if self._closed:
            return
        self._closed = True
        self._tick.stop()
        if self._found is not None:
            self._found.leave_unopened()
        if self._loading is not None:
            self._loading.leave_unopened()
        if self._autosave.flush(0):
            self._autosave.close(Left.SAVED if self._is_saved else Left.CLOSED)
        else:
            self._autosave.abandon()

    @property
    def _is_saved(self) -> bool:
        """Whether all there is lies in files of the person's."""
        session = self._work.session
        saved = all(result.saved_to is not None for result in session.results) and not session.unfinished
        return saved and not self._work.document.has_picture

    # at the start

    def look_back(self, *, bring_back: bool) -> None:
        """See what earlier windows left. What the last one was closed with comes back by itself if it is to
        `bring_back`; of the rest the newest is offered."""
        prompts = self._work.desk.value().prompts

        def take(left: tuple[Recoverable, ...]) -> None:
            if self._closed:
                _leave(left)
                return
            wanted = [one for one in left if one.left is not Left.REPLACED]
            last = wanted[0] if wanted and wanted[0].left is not Left.CRASHED and bring_back else None
            others = [one for one in wanted if one is not last and (one.left is not Left.SAVED or one is wanted[0])]
            self._found = others[0] if others else None
            _leave(one for one in left if one not in (last, self._found))
            self.changed.emit()
            if last is not None:
                self._load(last, partial(self._come_back, last, prompts))
            if self._found is not None:
                self.offered.emit(_offer(self._found, bring_back), self.recover)
            elif len(left) > MANY or sum(one.size for one in left) > MANY_BYTES:
                self.told.emit("Much earlier work is kept: look through it under File, Earlier work")

        self._background.run(lambda: recoverable(self._folder), take, self.failed.emit)

    def _load(self, found: Recoverable, done: Callable[[Project | SdxlDesktopError], None]) -> None:
        def take(project: Project | SdxlDesktopError) -> None:
            if not self._closed:
                self._loading = None
                done(project)

        self._loading = found
        self._background.run(found.load, take, take)

    def _come_back(self, found: Recoverable, prompts: Prompts, project: Project | SdxlDesktopError) -> None:
        """At the start, unless the person was faster."""
        if not self._nothing:
            if self._found is not None:
                self._found.leave_unopened()
            self._found = found
            self.offered.emit(_offer(found, bring_back=False), self.recover)
            self.changed.emit()
            return
        typed = self._work.desk.value().prompts
        if isinstance(project, Project) and project.workspace is not None and typed != prompts:
            project = replace(project, workspace=replace(project.workspace, prompts=typed))
        self._bring_back(found, project)

    @property
    def has_found(self) -> bool:
        """Whether there is something to `recover`."""
        return self._found is not None

    def recover(self) -> None:
        """Bring back what was offered."""
        found, self._found = self._found, None
        if found is not None:
            self._load(found, partial(self._bring_back, found))

    def _bring_back(self, found: Recoverable, project: Project | SdxlDesktopError) -> None:
        if isinstance(project, SdxlDesktopError):
            found.leave()
            self.failed.emit(project)
        elif self.set_aside():
            self._put(project)
            self._work.session.postponed = project.waiting
            self._autosave.adopt(found, self._revision)
            if project.waiting:
                self.postponed.emit()
        else:
            found.leave_unopened()
        self.changed.emit()

    # beginning something else

    def set_aside(self) -> bool:
        """Keep what is worked on as it is, since something else takes its place; whether it could be. It can be found
        under Earlier work. A run in progress goes on, and what waits behind it stays with it."""
        session = self._work.session
        waiting = session.unfinished if session.run is None else session.postponed
        if waiting or not self._work.empty:
            self._revision += 1
            try:
                self._autosave.write(self._work.project(waiting, self._kept_as()), self._revision)
            except SdxlDesktopError as problem:
                self.failed.emit(problem)
                return False
        self._autosave.close(Left.REPLACED)
        self._autosave = Autosave(self._folder)
        session.postponed = ()
        if session.run is None:
            session.queue.clear()
        return True

    # the menu

    def fill_menu(self, menu: QMenu) -> None:
        """Let `menu` list the earlier work whenever it opens."""
        menu.aboutToShow.connect(lambda: self._list(menu))

    def _list(self, menu: QMenu) -> None:
        menu.clear()
        left = recoverable(self._folder)
        _leave(left)
        listed = sorted((*left, *([self._found] if self._found else [])), key=lambda one: -one.seconds)
        for one in listed:
            menu.addAction(_title(one).replace("&", "&&"), partial(self._open, one.file))
        if not listed:
            menu.addAction("Nothing yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("Throw all of it away…", partial(self._ask_to_forget, len(listed)))

    def _open(self, file: Path) -> None:
        """Bring back what is in `file`, if no other window has it by now."""
        if self._found is not None and self._found.file == file:
            self.recover()
            return
        left = recoverable(self._folder)
        wanted = next((one for one in left if one.file == file), None)
        _leave(one for one in left if one is not wanted)
        if wanted is None:
            self.told.emit("Another window has it, or it has been thrown away")
        else:
            self._load(wanted, partial(self._bring_back, wanted))

    def _ask_to_forget(self, count: int) -> None:
        box = QMessageBox(
            QMessageBox.Icon.Question,
            "Earlier work",
            f"Throw away all earlier work ({count})?",
            QMessageBox.StandardButton.Discard | QMessageBox.StandardButton.Cancel,
            self._work.stage,
        )
        box.setInformativeText("What was not saved is gone then. What this and other windows show now stays.")
        box.setDefaultButton(QMessageBox.StandardButton.Cancel)
        box.button(QMessageBox.StandardButton.Discard).clicked.connect(self.forget_earlier)
        box.open()

    def forget_earlier(self) -> None:
        """Throw away what no window shows."""
        found, self._found = self._found, None
        for one in (*recoverable(self._folder), *([found] if found else [])):
            with suppress(OSError):  # what cannot be removed is listed again
                one.discard()
        self.changed.emit()


def _leave(left: Iterable[Recoverable]) -> None:
    for one in left:
        one.leave()


def _offer(found: Recoverable, bring_back: bool) -> str:
    if found.left is Left.CRASHED:
        return "Your last work was not closed properly"
    return "The work of another window is kept too" if bring_back else "Your last work is kept"


def _title(one: Recoverable) -> str:
    """When it was left, and what it is."""
    name, results = one.contents()
    moment = QDateTime.fromSecsSinceEpoch(int(one.seconds))
    today = moment.date() == QDateTime.fromSecsSinceEpoch(int(time.time())).date()
    locale = QLocale()
    when = locale.toString(moment.time() if today else moment, QLocale.FormatType.ShortFormat)
    what = [name] if name else []
    what += [f"{results} result{'s' * (results != 1)}"] if results else []
    how = " (not closed properly)" if one.left is Left.CRASHED else ""
    return f"{when}  {', '.join(what) or 'without a name'}{how}"
