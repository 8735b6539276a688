"""Project files, recent files, exports; `work_recovery` autosaves the current work."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.session.document.file_references import trust_files_in
from sdxl_desktop.session.document.project_file import Project, load_project
from sdxl_desktop.session.recent_files import RecentFiles
from sdxl_desktop.ui.document_files import DocumentFiles
from sdxl_desktop.ui.project_context import ProjectContext
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic, plain_text_tooltip
from sdxl_desktop.ui.work_recovery import WorkRecovery


class ProjectController(QObject):
    """Emits `project_replaced` when another project replaced the current work and everything must be refreshed;
    `open_file_requested` when a recent file should be opened."""

    project_replaced = Signal()
    failed = Signal(object)
    message = Signal(str)
    open_file_requested = Signal(object)
    """Path"""

    def __init__(self, context: ProjectContext, background: BackgroundRunner, data_folder: Path) -> None:
        super().__init__(context.canvas_area)
        self._context, self._background = context, background
        self._recent = RecentFiles(data_folder / "recent.json")
        self.files = DocumentFiles(context, background)
        self.recovery = WorkRecovery(
            context, background, data_folder / "recovery", self._set_project, lambda: self.files.saved_file
        )
        for part in (self.files, self.recovery):
            part.failed.connect(self.failed)
            part.message.connect(self.message)
        self.files.saved.connect(self.add_recent)
        self.files.saved.connect(lambda _: self.recovery.handle_saved())

    # projects

    def open_project(self, path: Path) -> None:
        """Replace the current work with the project file's content, after asking about unsaved work."""

        def take(project: Project) -> None:
            self.files.replace_everything(lambda: replace(project))

        def replace(project: Project) -> None:
            if not self.recovery.archive_current():
                return
            self._set_project(project)
            if not project.notes:  # Save must not overwrite the parts that could not be read
                self.files.mark_project_opened(path)
            self.add_recent(path)

        load = partial(load_project, path, is_trusted_file=trust_files_in(self._context.session.store.folder))
        self._background.read(load, take, self.failed.emit)

    def _set_project(self, project: Project) -> None:
        """Replace the current work with a project."""
        work = self._context
        work.session.results[:] = project.candidates
        if project.workspace is not None:
            work.parameters_panel.set_value(project.workspace)
        work.document.open(project.picture, project.mask, project.picture_name)
        self.files.mark_restored(project.saved_file)
        self.project_replaced.emit()
        work.canvas_area.show_default()
        if project.notes:
            self.message.emit(" ".join(project.notes))

    def new_project(self) -> None:
        """Start a new project: empty canvas and prompts, same checkpoint and sampling. The current work is kept under
        Earlier work."""
        if self._context.session.run is not None:
            self.message.emit("Begin afresh when the picture is drawn, or cancel it first (Esc)")
        else:
            self.files.replace_everything(self._new_project, "What is here now is kept under File, Earlier work.")

    def _new_project(self) -> None:
        work = self._context
        something = not work.is_empty
        if not self.recovery.archive_current():
            return
        now = work.parameters_panel.value()
        fresh = WorkspaceValue(checkpoint=now.checkpoint, sampling=now.sampling, open_sections=now.open_sections)
        self._set_project(Project(workspace=fresh))
        if something:
            self.message.emit("Begun afresh; what you had is under File, Earlier work")

    def save_project(self) -> None:
        """Ask for a file and save everything to it as a project."""
        self.files.save_project()

    def export(self) -> None:
        """Ask for a file and write only the pixels on the canvas."""
        self.files.export()

    # recent files

    def add_recent(self, path: Path) -> None:
        """Put a file first in the recent files."""

        def add() -> None:
            with contextlib.suppress(SettingsError):  # a convenience, not worth an error
                self._recent.add(path)

        self._background.write(add, lambda _: None)

    def last_folder(self) -> str:
        """Return the folder of the last opened or saved file, "" if there is none."""
        return next((str(file.parent) for file in self._recent.existing_paths()), "")

    def fill_recent_menu(self, menu: QMenu) -> None:
        """Fill `menu` with the recent files each time it opens."""
        menu.aboutToShow.connect(lambda: self._list_recent(menu))

    def _list_recent(self, menu: QMenu) -> None:
        menu.clear()
        files = self._recent.existing_paths()
        for file in files:
            action = menu.addAction(escape_mnemonic(file.name), partial(self.open_file_requested.emit, file))
            action.setToolTip(plain_text_tooltip(str(file)))
        if not files:
            menu.addAction("Nothing yet").setEnabled(False)
            return
        menu.addSeparator()
        menu.addAction("Clear this list", self._clear_recent)

    def _clear_recent(self) -> None:
        try:
            self._recent.clear()
        except SettingsError as problem:
            self.failed.emit(problem)
