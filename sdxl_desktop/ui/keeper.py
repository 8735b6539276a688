"""Project files, recent files, exports; what is worked on is kept by `kept_work`."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QFileDialog, QMenu

from sdxl_desktop.core.errors import SdxlDesktopError, SettingsError
from sdxl_desktop.core.settings import Workspace
from sdxl_desktop.session.document.named_files import inside
from sdxl_desktop.session.document.project import Project, load_project, save_project
from sdxl_desktop.session.pictures import export_picture
from sdxl_desktop.session.recent import RecentFiles
from sdxl_desktop.ui.background import Background
from sdxl_desktop.ui.incoming import PROJECT
from sdxl_desktop.ui.kept_work import KeptWork, Work

_PROJECT_FILTER = f"SDXL Desktop projects (*{PROJECT})"
_PICTURE_FILTER = "PNG (*.png);;JPEG (*.jpg *.jpeg);;WebP (*.webp)"


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
        self.kept = KeptWork(work, background, data / "recovery", self._put)
        self.kept.failed.connect(self.failed)
        self.kept.told.connect(self.told)

    # projects

    def open_project(self, path: Path) -> None:
        """Put all that is in the project file in the place of what is worked on."""

        def take(project: Project | SdxlDesktopError) -> None:
            if self._take(project):
                self.remember(path)

        load = partial(load_project, path, believes=inside(self._work.session.store.folder))
        self._background.run(load, take)

    def _take(self, project: Project | SdxlDesktopError) -> bool:
        if isinstance(project, SdxlDesktopError):
            self.failed.emit(project)
            return False
        if not self.kept.set_aside():
            return False
        self._put(project)
        return True

    def _put(self, project: Project) -> None:
        """Put a project in the place of what is worked on."""
        work = self._work
        work.session.results[:] = project.candidates
        if project.workspace is not None:
            work.desk.set_value(project.workspace)
        work.document.open(project.picture, project.mask, project.picture_name)
        self.brought.emit()
        work.stage.settle()
        if project.notes:
            self.told.emit(" ".join(project.notes))

    def begin_new(self) -> None:
        """Begin afresh: an empty canvas and empty words, with the checkpoint and sampling that are chosen. What was
        worked on is kept."""
        work = self._work
        if work.session.run is not None:
            self.told.emit("Begin afresh when the picture is drawn, or cancel it first (Esc)")
            return
        something = not work.empty
        if not self.kept.set_aside():
            return
        now = work.desk.value()
        fresh = Workspace(checkpoint=now.checkpoint, sampling=now.sampling, open_sections=now.open_sections)
        self._put(Project(workspace=fresh))
        if something:
            self.told.emit("Begun afresh; what you had is under File, Earlier work")

    def save_project(self) -> None:
        """Ask where, and keep everything there as one file."""
        if self._work.empty:
            self.told.emit("There is nothing to save yet: draw something, or put a picture on the canvas")
            return
        start = f"{Path(self._work.document.name).stem or 'picture'}{PROJECT}"
        chosen, _ = QFileDialog.getSaveFileName(self._work.stage, "Save project", start, _PROJECT_FILTER)
        if chosen:
            path = Path(chosen).with_suffix(PROJECT)
            save = partial(save_project, self._work.project(), path)
            self._background.write(save, partial(self._saved, path))

    def _saved(self, path: Path, outcome: object) -> None:
        if isinstance(outcome, SdxlDesktopError):
            self.failed.emit(outcome)
        else:
            self.remember(path)
            self.told.emit(f"Saved as {path.name}")

    # copies for others

    def export(self) -> None:
        """Ask where, and write the shown result with nothing in the file but its pixels."""
        result = self._work.stage.shown_result
        if result is None:
            return
        start = str(self._work.session.store.folder / "picture.png")  # a name that gives no prompt away
        chosen, kind = QFileDialog.getSaveFileName(self._work.stage, "Export pixels only", start, _PICTURE_FILTER)
        if chosen:
            path = with_suffix(Path(chosen), kind)
            self._background.write(partial(export_picture, result, path, with_record=False), partial(self._saved, path))

    # recent files

    def remember(self, path: Path) -> None:
        """Put a file first among the recent ones."""

        def add() -> None:
            with contextlib.suppress(SettingsError):  # a convenience, and no reason to disturb anybody
                self._recent.add(path)

        self._background.write(add, lambda _: None)

    def fill_recent(self, menu: QMenu) -> None:
        """Let `menu` list the recent files whenever it opens."""
        menu.aboutToShow.connect(lambda: self._list_recent(menu))

    def _list_recent(self, menu: QMenu) -> None:
        menu.clear()
        files = self._recent.listed()
        for file in files:
            action = menu.addAction(file.name.replace("&", "&&"), partial(self.file_wanted.emit, file))
            action.setToolTip(str(file))
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


def with_suffix(path: Path, kind: str) -> Path:
    """`path` with the chosen format's suffix when the person wrote none that we know."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        return path
    suffix = {"J": ".jpg", "W": ".webp"}.get(kind[:1], ".png")
    return path.with_name(path.name + suffix)
