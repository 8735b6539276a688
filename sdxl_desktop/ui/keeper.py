"""Project files, recent files, exports; what is worked on is kept by `kept_work`."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.settings import WorkspaceValue
from sdxl_desktop.session.document.named_files import inside
from sdxl_desktop.session.document.project import Project, load_project
from sdxl_desktop.session.recent import RecentFiles
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.kept_work import KeptWork
from sdxl_desktop.ui.widgets.plain import plain_action, plain_tip
from sdxl_desktop.ui.work import Work


class Keeper(QObject):
    """`brought` when another project took the place of what was worked on, so that everything is to be shown anew;
    `file_wanted` when a recent file should be opened."""

    brought = Signal()
    failed = Signal(object)
    told = Signal(str)
    file_wanted = Signal(object)
    """Path"""

    def __init__(self, work: Work, background: Background, data: Path) -> None:
        super().__init__(work.stage)
        self._work, self._background = work, background
        self._recent = RecentFiles(data / "recent.json")
        self.files = DocumentFiles(work, background)
        self.kept = KeptWork(work, background, data / "recovery", self._put, lambda: self.files.kept_as)
        for part in (self.files, self.kept):
            part.failed.connect(self.failed)
            part.told.connect(self.told)
        self.files.saved.connect(self.remember)
        self.files.saved.connect(lambda _: self.kept.notice_saved())

    # projects

    def open_project(self, path: Path) -> None:
        """Put all that is in the project file in the place of what is worked on, once nothing unsaved is in its way."""

        def take(project: Project) -> None:
            self.files.unless_unsaved(lambda: replace(project))

        def replace(project: Project) -> None:
            if not self.kept.set_aside():
                return
            self._put(project)
            if not project.notes:  # what could not be read is in the file still, and Save must not write over it
                self.files.opened_project(path)
            self.remember(path)

        load = partial(load_project, path, believes=inside(self._work.session.store.folder))
        self._background.run(load, take, self.failed.emit)

    def _put(self, project: Project) -> None:
        """Put a project in the place of what is worked on."""
        work = self._work
        work.session.results[:] = project.candidates
        if project.workspace is not None:
            work.desk.set_value(project.workspace)
        work.document.open(project.picture, project.mask, project.picture_name)
        self.files.brought_back(project.kept_as)
        self.brought.emit()
        work.stage.settle()
        if project.notes:
            self.told.emit(" ".join(project.notes))

    def begin_new(self) -> None:
        """Begin afresh: an empty canvas and empty words, with the checkpoint and sampling that are chosen. What was
        worked on is kept among the earlier work."""
        if self._work.session.run is not None:
            self.told.emit("Begin afresh when the picture is drawn, or cancel it first (Esc)")
        else:
            self.files.unless_unsaved(self._begin_new, "What is here now is kept under File, Earlier work.")

    def _begin_new(self) -> None:
        work = self._work
        something = not work.empty
        if not self.kept.set_aside():
            return
        now = work.desk.value()
        fresh = WorkspaceValue(checkpoint=now.checkpoint, sampling=now.sampling, open_sections=now.open_sections)
        self._put(Project(workspace=fresh))
        if something:
            self.told.emit("Begun afresh; what you had is under File, Earlier work")

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

        self._background.write(add, lambda _: None)

    def last_folder(self) -> str:
        """The folder of the file that was opened or saved last, "" where there is none."""
        return next((str(file.parent) for file in self._recent.listed()), "")

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
