"""Keeps what the person works on: project files, the recovery file that outlives a crash, recent files, exports."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QMenu

from sdxl_desktop.core.errors import SdxlDesktopError, SettingsError
from sdxl_desktop.session.document.autosave import Autosave, Recoverable, recoverable
from sdxl_desktop.session.document.project import Project, load_project
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.session.recent import RecentFiles
from sdxl_desktop.ui.background import Background, attempt
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.widgets.plain import plain_action, plain_tip
from sdxl_desktop.ui.work import Work

AUTOSAVE_MS = 3000
"""From a change to the snapshot that is then written. What was kept before stays the newest until that is on the
disk, so this, Qt's tolerance of a twentieth, and the writing of a large picture on a busy machine together must stay
below the five seconds of work that a crash may cost."""


class Keeper(QObject):
    """`brought` when a project was opened or recovered, so that everything is to be shown anew; `file_wanted` when a
    recent file should be opened."""

    brought = Signal()
    failed = Signal(object)
    told = Signal(str)
    file_wanted = Signal(object)
    """Path"""

    def __init__(self, work: Work, background: Background, data: Path) -> None:
        super().__init__(work.stage)
        self._work, self._background = work, background
        self._folder = data / "recovery"
        self._recent = RecentFiles(data / "recent.json")
        self.files = DocumentFiles(work, background)
        self._autosave = Autosave(self._folder)
        self._found: Recoverable | None = None
        self._revision = 0
        self._results: tuple[Result, ...] = ()
        self._tick = QTimer(self, singleShot=True, interval=AUTOSAVE_MS)
        self._tick.timeout.connect(self._keep)
        work.document.listen(lambda _: self._changed())
        work.desk.changed.connect(self._changed)
        self.files.failed.connect(self.failed)
        self.files.told.connect(self.told)
        self.files.saved.connect(self.remember)

    def notice_results(self) -> None:
        """The session has moved: new results are kept too."""
        results = tuple(self._work.session.results)
        if len(results) != len(self._results) or any(a is not b for a, b in zip(results, self._results, strict=True)):
            self._results = results
            self._changed()

    def _changed(self) -> None:
        self._revision += 1
        if not self._tick.isActive():
            self._tick.start()

    # the recovery file

    def _keep(self) -> None:
        problem = self._autosave.take_problem()
        if problem is not None:
            self.failed.emit(problem)
        if self._work.empty:
            self._autosave.clear(self._revision)
        elif self._autosave.due(self._revision):
            self._autosave.keep(self._work.project(), self._revision)
            self._tick.start()  # sees how it went, and tries again where it failed

    def find_recoverable(self, found: Callable[[], None]) -> None:
        """Look for what a crash left behind and call `found` if there is something to `recover`."""

        def take(left: tuple[Recoverable, ...]) -> None:
            for other in left[1:]:
                other.leave()
            if left:
                self._found = left[0]
                found()

        self._background.run(lambda: recoverable(self._folder), take)

    @property
    def has_found(self) -> bool:
        """Whether there is something to `recover`."""
        return self._found is not None

    def recover(self) -> None:
        """Bring back what was found, once nothing unsaved is in its way."""
        if self._found is not None:
            self.files.unless_unsaved(self._recover)

    def _recover(self) -> None:
        found, self._found = self._found, None
        if found is not None:
            self._background.run(lambda: attempt(found.load), partial(self._bring_back, found))

    def _bring_back(self, found: Recoverable, project: Project | SdxlDesktopError) -> None:
        if self._take(project):
            self._autosave.adopt(found, self._revision)
        else:
            found.leave()

    # projects

    def open_project(self, path: Path) -> None:
        """Put all that is in the project file in the place of what is worked on, once nothing unsaved is in its way."""

        def take(project: Project | SdxlDesktopError) -> None:
            if isinstance(project, SdxlDesktopError):
                self.failed.emit(project)
            else:
                self.files.unless_unsaved(lambda: replace(project))

        def replace(project: Project) -> None:
            self._take(project)
            if not project.notes:  # what could not be read is in the file still, and Save must not write over it
                self.files.opened_project(path)
            self.remember(path)

        self._background.run(lambda: attempt(partial(load_project, path)), take)

    def _take(self, project: Project | SdxlDesktopError) -> bool:
        if isinstance(project, SdxlDesktopError):
            self.failed.emit(project)
            return False
        self._set_aside()
        work = self._work
        work.session.results[:] = project.candidates
        if project.workspace is not None:
            work.desk.set_value(project.workspace)
        work.document.open(project.picture, project.mask, project.picture_name)
        self.brought.emit()
        work.stage.settle()
        if project.notes:
            self.told.emit(" ".join(project.notes))
        return True

    def _set_aside(self) -> None:
        """What another project replaces cannot be undone back: it is offered at the next start instead."""
        if not self.files.unsaved():
            return
        try:
            self._autosave.write(self._work.project(), self._revision)
        except SdxlDesktopError as problem:
            self.failed.emit(problem)
        self._autosave.set_aside()
        self._autosave = Autosave(self._folder)

    def save_project(self) -> None:
        """Ask where, and keep everything there as one file."""
        self.files.save_project()

    def export(self) -> None:
        """Ask where, and write what is on the canvas with nothing in the file but its pixels."""
        self.files.export()

    # recent files

    def remember(self, path: Path) -> None:
        """Put a file first among the recent ones."""

        def add() -> None:
            with contextlib.suppress(SettingsError):  # a convenience, and no reason to disturb anybody
                self._recent.add(path)

        self._background.run(add, lambda _: None)

    def fill_recent(self, menu: QMenu) -> None:
        """Let `menu` list the recent files whenever it opens."""
        menu.aboutToShow.connect(lambda: self._list_recent(menu))

    def _list_recent(self, menu: QMenu) -> None:
        menu.clear()
        files = self._recent.listed()
        for file in files:
            action = menu.addAction(plain_action(file.name), partial(self.file_wanted.emit, file))
            action.setToolTip(plain_tip(str(file)))
        if not files:
            menu.addAction("Nothing yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("Clear this list", self._forget_recent)

    def _forget_recent(self) -> None:
        try:
            self._recent.clear()
        except SettingsError as problem:
            self.failed.emit(problem)

    def close(self) -> None:
        """The window was closed in order: there is nothing to recover, but what nobody asked for is left for later."""
        self._tick.stop()
        if self._found is not None:
            self._found.leave()
        self._autosave.close()
