"""Saves the document to its own file, another file, or a project with all that belongs to it; asks before unsaved work
is replaced.

There is no question if undo can restore the old state: opening, pasting or dropping a picture, applying a result and
removing the picture are one undo step each, and the strip remains. The user is asked only if undo cannot: a project
replaces everything, and a picture may exceed the undo limit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.document.project_file import save_project
from sdxl_desktop.session.document.save_state import SaveState
from sdxl_desktop.session.result_files import Result, save_as, save_pixels
from sdxl_desktop.ui.project_context import ProjectContext
from sdxl_desktop.ui.save_dialog import PICTURE_FORMATS, PNG, PROJECT_FORMAT, FileFormat, SaveTarget, ask_save_target
from sdxl_desktop.ui.widgets.plain_text import message_box

Continuation = Callable[[], object]


def _no_continuation() -> None:
    """Default continuation: do nothing."""


class DocumentFiles(QObject):
    """Emits `changed` after the document was saved, so the window's title can change; `saved` with its file."""

    changed = Signal()
    saved = Signal(object)
    """Path"""
    failed = Signal(object)
    message = Signal(str)

    def __init__(self, context: ProjectContext, background: BackgroundRunner) -> None:
        super().__init__(context.canvas_area)
        self._context, self._background = context, background
        self._saved_strip: tuple[Pixels, ...] = ()
        self._project_file: Path | None = None
        self._question: QMessageBox | None = None

    # files and save state

    @property
    def _file_state(self) -> SaveState | None:
        return self._context.document.save_state

    @property
    def file(self) -> Path | None:
        """The document's own file, to which `save` writes without asking."""
        return None if self._file_state is None else self._file_state.file

    @property
    def name(self) -> str:
        """The document's display name; "" if there is no document."""
        return "" if self._file_state is None else self._context.document.title or "Untitled"

    @property
    def saved_file(self) -> Path | None:
        """The document's own file if it is up to date: for a project with everything, else with the picture."""
        file = self.file
        lost = self.unsaved() if _is_project(file) else self._context.document.modified
        return None if lost else file

    def mark_restored(self, file: Path | None) -> None:
        """Record that the current content is saved in `file` and unchanged."""
        if file is None:
            return
        if _is_project(file):
            self.mark_project_opened(file)
        else:
            self._context.document.mark_saved(file)
            self.changed.emit()

    def mark_project_opened(self, path: Path) -> None:
        """Record that the document, its mask and the strip are the content of the project `path`."""
        self._context.document.mark_saved(path, includes_mask=True)
        self._remember_strip(path, self._context.session.results)
        self.changed.emit()

    def _remember_strip(self, path: Path, results: list[Result]) -> None:
        self._project_file = path
        self._saved_strip = tuple(result.picture.pixels for result in results)

    def unsaved(self) -> list[str]:
        """Return descriptions of the document's and the strip's unsaved parts; empty if everything is saved."""
        document, found = self._context.document, []
        if document.modified:
            found.append("the picture on the canvas")
        if document.has_mask and document.save_state is not None and not document.save_state.includes_mask:
            found.append("its mask")
        if count := len(self._unsaved_results()):
            found.append(f"{count} picture{'s' if count > 1 else ''} in the strip")
        return found

    def _unsaved_results(self) -> list[Result]:
        kept = {id(pixels) for pixels in self._saved_strip}
        return [
            result
            for result in self._context.session.results
            if (result.saved_to is None or result.problem is not None) and id(result.picture.pixels) not in kept
        ]

    # saving

    def save(self, then: Continuation = _no_continuation) -> None:
        """Write the document to its own file, or ask for one if it has none."""
        file = self.file
        if file is None or self._is_result_file(file):
            self.save_as(then)
        else:
            self._write(SaveTarget(file, _format_of(file)), then)

    def _is_result_file(self, file: Path) -> bool:
        """Whether a result was saved over the document's own file, which now holds another picture."""
        picture = self._context.document.picture
        return any(
            result.saved_to == file and not np.array_equal(result.picture.pixels, picture)
            for result in self._context.session.results
            if picture is not None
        )

    def save_as(self, then: Continuation = _no_continuation) -> None:
        """Ask for a file and make it the document's own. A picture format saves the picture, a project everything."""
        home = self._file_state
        if home is None:
            return
        formats = (PROJECT_FORMAT, *PICTURE_FORMATS) if _is_project(home.file) else (*PICTURE_FORMATS, PROJECT_FORMAT)
        place = ask_save_target(self._context.canvas_area, "Save picture as", self._suggested_path(formats[0]), formats)
        if place is not None:
            self._write(place, then)

    def save_project(self, then: Continuation = _no_continuation) -> None:
        """Ask for a file and save everything to it as a project."""
        if self._context.is_empty:
            self.message.emit("There is nothing to save yet: draw something, or put a picture on the canvas")
            return
        place = ask_save_target(
            self._context.canvas_area, "Save project", self._suggested_path(PROJECT_FORMAT), (PROJECT_FORMAT,)
        )
        if place is not None:
            self._write(place, then)

    def export(self) -> None:
        """Ask for a file and write only the pixels on the canvas, a result's or the document's. The document does not
        count as saved."""
        pixels, canvas_area = self._context.canvas_area.shown_pixels(), self._context.canvas_area
        if pixels is None:
            return
        start = self._suggested_path(PNG)
        if canvas_area.shown_result is not None:
            start = start.with_name("picture.png")  # a name that does not reveal the prompt
        place = ask_save_target(canvas_area, "Export pixels only", start, PICTURE_FORMATS)
        if place is not None:
            save = partial(save_pixels, np.array(pixels), place.path)
            self._background.write(save, partial(self._handle_exported, place.path), self.failed.emit)

    def _suggested_path(self, file_format: FileFormat) -> Path:
        """Return the path a dialog suggests: in the folder of the existing file, else in the pictures folder."""
        own = self.file or self._project_file
        folder = own.parent if own is not None else self._context.session.store.folder
        name = own.name if own is not None else self._context.document.title
        return folder / f"{Path(name).stem or 'picture'}{file_format.suffixes[0]}"

    def _write(self, target: SaveTarget, then: Continuation) -> None:
        document, home = self._context.document, self._file_state
        state, results = document.state, list(self._context.session.results)
        pixels: Pixels | None = None
        if target.file_format is PROJECT_FORMAT:
            save: Callable[[], object] = partial(save_project, self._context.snapshot(), target.path)
        else:
            pixels = np.array(document.picture)
            save = self._picture_writer(pixels, target.path)

        def finish(_: object) -> None:
            if home is not None:
                home.mark_saved(target.path, state, includes_mask=target.file_format is PROJECT_FORMAT)
            if target.file_format is PROJECT_FORMAT:
                self._remember_strip(target.path, results)
            if pixels is not None:
                self._context.session.file_written(target.path, pixels)
            self.changed.emit()
            self.saved.emit(target.path)
            self._notify_saved(target)
            then()

        self._background.write(save, finish, self.failed.emit)

    def _picture_writer(self, pixels: Pixels, path: Path) -> Callable[[], object]:
        """Return a function that writes these pixels, with the generation record if they are a result's."""
        for result in reversed(self._context.session.results):
            if np.array_equal(result.picture.pixels, pixels):
                return partial(save_as, result, path)
        return partial(save_pixels, pixels, path)

    def _notify_saved(self, target: SaveTarget) -> None:
        without = target.file_format is not PROJECT_FORMAT and self._context.document.has_mask
        self.message.emit(
            f"Saved as {target.path.name}" + (", without the mask; a project keeps it too" if without else "")
        )

    def _handle_exported(self, path: Path, _: object) -> None:
        self.saved.emit(path)
        self.message.emit(f"Saved as {path.name}")

    # questions before replacing

    def replace_picture(self, continuation: Continuation) -> None:
        """Run `continuation`, which replaces the picture in one undo step; ask first if undo could not restore it."""
        if self._context.document.can_undo_replacing or not self._context.document.modified:
            continuation()
        else:
            self._ask_to_save(["the picture on the canvas"], "It is too large for undo to bring it back.", continuation)

    def replace_everything(
        self, continuation: Continuation, reason: str = "Another project takes the place of all that is here."
    ) -> None:
        """Run `continuation`, which replaces document and strip; with unsaved work, show `reason` and ask first."""
        unsaved = self.unsaved()
        if unsaved:
            self._ask_to_save(unsaved, reason, continuation)
        else:
            continuation()

    def _ask_to_save(self, unsaved: list[str], reason: str, continuation: Continuation) -> None:
        buttons = QMessageBox.StandardButton
        box = message_box(
            self._context.canvas_area.window(),
            "Unsaved changes",
            f"Save the changes to {self.name or 'your work'} first?",
            f"{reason} Not saved: {', '.join(unsaved)}.",
            buttons.Save | buttons.Discard | buttons.Cancel,
        )
        box.button(buttons.Save).setText("Save")
        box.button(buttons.Discard).setText("Don't save")
        box.setDefaultButton(buttons.Save)
        box.setEscapeButton(buttons.Cancel)
        only_the_picture = unsaved == ["the picture on the canvas"]

        def answer(code: int) -> None:
            self._question = None
            box.deleteLater()
            if code == buttons.Discard.value:
                continuation()
            elif code == buttons.Save.value and (only_the_picture or _is_project(self.file)):
                self.save(continuation)
            elif code == buttons.Save.value:
                self.save_project(continuation)

        box.finished.connect(answer)
        self._question = box
        box.open()

    @property
    def question(self) -> QMessageBox | None:
        """The open question, if any."""
        return self._question


def _is_project(file: Path | None) -> bool:
    return file is not None and file.suffix.lower() in PROJECT_FORMAT.suffixes


def _format_of(file: Path) -> FileFormat:
    return next(each for each in (*PICTURE_FORMATS, PROJECT_FORMAT) if file.suffix.lower() in each.suffixes)
