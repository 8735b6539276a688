"""Saving the document: into its own file, elsewhere, or as a project with all that belongs to it; and the question
before something unsaved is replaced.

Nothing is asked about what undo brings back: a picture that is opened, pasted or dropped, a result that is taken over,
and a picture that is removed are one step to undo each, and the strip stays. There is a question only where undo does
not lead back: a project replaces everything, and a picture may be larger than what undo may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMessageBox

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.events import Pixels
from sdxl_desktop.session.document.home import Home
from sdxl_desktop.session.document.project import save_project
from sdxl_desktop.session.pictures import Result, save_as, save_pixels
from sdxl_desktop.ui.saving import PICTURES, PNG, PROJECT, Format, Place, ask_where
from sdxl_desktop.ui.widgets.plain import message_box
from sdxl_desktop.ui.work import Work

Then = Callable[[], object]


def _nothing() -> None:
    """What follows when nothing does."""


class DocumentFiles(QObject):
    """`changed` when the document has been saved, so that what the window says of it changes; `saved` with its file."""

    changed = Signal()
    saved = Signal(object)
    """Path"""
    failed = Signal(object)
    told = Signal(str)

    def __init__(self, work: Work, background: Background) -> None:
        super().__init__(work.stage)
        self._work, self._background = work, background
        self._kept: tuple[Pixels, ...] = ()
        self._project: Path | None = None
        self._asking: QMessageBox | None = None

    # what stands where

    @property
    def _home(self) -> Home | None:
        return self._work.document.home

    @property
    def file(self) -> Path | None:
        """The document's own file, to which `save` writes without asking."""
        return None if self._home is None else self._home.file

    @property
    def name(self) -> str:
        """What people call the document; "" when there is none."""
        return "" if self._home is None else self._work.document.title or "Untitled"

    @property
    def kept_as(self) -> Path | None:
        """The document's own file where that holds what is here now: of a project all of it, else the picture."""
        file = self.file
        lost = self.unsaved() if _is_project(file) else self._work.document.modified
        return None if lost else file

    def brought_back(self, file: Path | None) -> None:
        """What is here was kept in `file`, and has not changed since."""
        if file is None:
            return
        if _is_project(file):
            self.opened_project(file)
        else:
            self._work.document.mark_kept(file)
            self.changed.emit()

    def opened_project(self, path: Path) -> None:
        """The document, its mask and the strip are what the project `path` holds."""
        self._work.document.mark_kept(path, whole=True)
        self._remember_strip(path, self._work.session.results)
        self.changed.emit()

    def _remember_strip(self, path: Path, results: list[Result]) -> None:
        self._project = path
        self._kept = tuple(result.picture.pixels for result in results)

    def unsaved(self) -> list[str]:
        """What would be lost with the document and the strip, in words; empty when nothing would."""
        document, found = self._work.document, []
        if document.modified:
            found.append("the picture on the canvas")
        if document.has_mask and document.home is not None and not document.home.whole:
            found.append("its mask")
        if count := len(self._unsaved_results()):
            found.append(f"{count} picture{'s' if count > 1 else ''} in the strip")
        return found

    def _unsaved_results(self) -> list[Result]:
        kept = {id(pixels) for pixels in self._kept}
        return [
            result
            for result in self._work.session.results
            if (result.saved_to is None or result.problem is not None) and id(result.picture.pixels) not in kept
        ]

    # saving

    def save(self, then: Then = _nothing) -> None:
        """Write the document into its own file, or ask where when it has none."""
        file = self.file
        if file is None or self._is_of_a_result(file):
            self.save_as(then)
        else:
            self._write(Place(file, _format_of(file)), then)

    def _is_of_a_result(self, file: Path) -> bool:
        """Whether a result was saved in the place of the document's own file: that is another picture's now."""
        picture = self._work.document.picture
        return any(
            result.saved_to == file and not np.array_equal(result.picture.pixels, picture)
            for result in self._work.session.results
            if picture is not None
        )

    def save_as(self, then: Then = _nothing) -> None:
        """Ask where, and make that the document's own file. A picture format keeps the picture, a project all."""
        home = self._home
        if home is None:
            return
        formats = (PROJECT, *PICTURES) if _is_project(home.file) else (*PICTURES, PROJECT)
        place = ask_where(self._work.stage, "Save picture as", self._start(formats[0]), formats)
        if place is not None:
            self._write(place, then)

    def save_project(self, then: Then = _nothing) -> None:
        """Ask where, and keep everything there as one file."""
        if self._work.empty:
            self.told.emit("There is nothing to save yet: draw something, or put a picture on the canvas")
            return
        place = ask_where(self._work.stage, "Save project", self._start(PROJECT), (PROJECT,))
        if place is not None:
            self._write(place, then)

    def export(self) -> None:
        """Ask where, and write a file with nothing in it but the pixels on the canvas, a result's or the document's. It
        does not count as saved by that."""
        pixels, stage = self._work.stage.shown_pixels(), self._work.stage
        if pixels is None:
            return
        start = self._start(PNG)
        if stage.shown_result is not None:
            start = start.with_name("picture.png")  # a name that gives no prompt away
        place = ask_where(stage, "Export pixels only", start, PICTURES)
        if place is not None:
            save = partial(save_pixels, np.array(pixels), place.path)
            self._background.write(save, partial(self._exported, place.path), self.failed.emit)

    def _start(self, kind: Format) -> Path:
        """What a dialog suggests: beside the file that there is, else in the pictures folder."""
        own = self.file or self._project
        folder = own.parent if own is not None else self._work.session.store.folder
        name = own.name if own is not None else self._work.document.title
        return folder / f"{Path(name).stem or 'picture'}{kind.endings[0]}"

    def _write(self, place: Place, then: Then) -> None:
        document, home = self._work.document, self._home
        state, results = document.state, list(self._work.session.results)
        pixels: Pixels | None = None
        if place.format is PROJECT:
            save: Callable[[], object] = partial(save_project, self._work.project(), place.path)
        else:
            pixels = np.array(document.picture)
            save = self._picture_writer(pixels, place.path)

        def finish(_: object) -> None:
            if home is not None:
                home.keep(place.path, state, whole=place.format is PROJECT)
            if place.format is PROJECT:
                self._remember_strip(place.path, results)
            if pixels is not None:
                self._work.session.file_written(place.path, pixels)
            self.changed.emit()
            self.saved.emit(place.path)
            self._tell_saved(place)
            then()

        self._background.write(save, finish, self.failed.emit)

    def _picture_writer(self, pixels: Pixels, path: Path) -> Callable[[], object]:
        """What writes these pixels; with the record of how they were made, where they are a result's."""
        for result in reversed(self._work.session.results):
            if np.array_equal(result.picture.pixels, pixels):
                return partial(save_as, result, path)
        return partial(save_pixels, pixels, path)

    def _tell_saved(self, place: Place) -> None:
        without = place.format is not PROJECT and self._work.document.has_mask
        self.told.emit(
            f"Saved as {place.path.name}" + (", without the mask; a project keeps it too" if without else "")
        )

    def _exported(self, path: Path, _: object) -> None:
        self.saved.emit(path)
        self.told.emit(f"Saved as {path.name}")

    # before something is replaced

    def unless_undone(self, go_on: Then) -> None:
        """Do what replaces the picture on the canvas by one step; ask first where undo could not bring it back."""
        if self._work.document.replaceable or not self._work.document.modified:
            go_on()
        else:
            self._ask(["the picture on the canvas"], "It is too large for undo to bring it back.", go_on)

    def unless_unsaved(self, go_on: Then, why: str = "Another project takes the place of all that is here.") -> None:
        """Do what replaces the document and the strip; where something of it is not saved, say `why` and ask first."""
        unsaved = self.unsaved()
        if unsaved:
            self._ask(unsaved, why, go_on)
        else:
            go_on()

    def _ask(self, unsaved: list[str], why: str, go_on: Then) -> None:
        buttons = QMessageBox.StandardButton
        box = message_box(
            self._work.stage.window(),
            "Unsaved changes",
            f"Save the changes to {self.name or 'your work'} first?",
            f"{why} Not saved: {', '.join(unsaved)}.",
            buttons.Save | buttons.Discard | buttons.Cancel,
        )
        box.button(buttons.Save).setText("Save")
        box.button(buttons.Discard).setText("Don't save")
        box.setDefaultButton(buttons.Save)
        box.setEscapeButton(buttons.Cancel)
        only_the_picture = unsaved == ["the picture on the canvas"]

        def answer(code: int) -> None:
            self._asking = None
            box.deleteLater()
            if code == buttons.Discard.value:
                go_on()
            elif code == buttons.Save.value and (only_the_picture or _is_project(self.file)):
                self.save(go_on)
            elif code == buttons.Save.value:
                self.save_project(go_on)

        box.finished.connect(answer)
        self._asking = box
        box.open()

    @property
    def question(self) -> QMessageBox | None:
        """The question that is being asked."""
        return self._asking


def _is_project(file: Path | None) -> bool:
    return file is not None and file.suffix.lower() in PROJECT.endings


def _format_of(file: Path) -> Format:
    return next(each for each in (*PICTURES, PROJECT) if file.suffix.lower() in each.endings)
