"""What lies on the canvas: brings pictures, masks and projects in, takes results over, and keeps all of it safe."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.metadata import Record, read_record
from sdxl_desktop.imaging.reading import OpenedPicture, open_picture, read_mask
from sdxl_desktop.session.document.autosave import Autosave, Recoverable, recoverable
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.layers import Change
from sdxl_desktop.session.document.project import Project, load_project, save_project
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.ui.background import Background
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.incoming import PICTURE_FILTER, PROJECT, Incoming, incoming, sort_files
from sdxl_desktop.ui.masks import write_mask
from sdxl_desktop.ui.stage import Stage

T = TypeVar("T")

AUTOSAVE_MS = 4000
_EXTENDED = "Undo extend picture"
"""What there is to undo after `Document.extend`."""
_PROJECT_FILTER = f"SDXL Desktop projects (*{PROJECT})"
_MASK_FILTER = "Masks (*.png);;Pictures (*.png *.jpg *.jpeg *.webp *.tif *.tiff);;All files (*)"


class Editor(QObject):
    """`ground_changed` when a run would work on something else now; `failed` with an error to show; `weights_came`
    with files that are no pictures; `record_found` when the picture that came in says how it was made; `expanded` when
    the picture was made larger, and what is new masked."""

    ground_changed = Signal()
    expanded = Signal()
    failed = Signal(object)
    told = Signal(str)
    weights_came = Signal(object)
    """tuple[Path, ...]"""
    record_found = Signal(object)
    """Record"""

    def __init__(self, document: Document, stage: Stage, background: Background, recovery: Path) -> None:
        super().__init__(stage)
        self._document, self._stage, self._background = document, stage, background
        self._recovery = recovery
        self._autosave = Autosave(recovery)
        self._found: Recoverable | None = None
        self._size = document.size
        self._settle = QTimer(self, singleShot=True, interval=150)
        self._keep = QTimer(self, singleShot=True, interval=AUTOSAVE_MS)
        self._connect()

    def _connect(self) -> None:
        easel, bar, paint = self._stage.easel, self._stage.bar, self._stage.paint_bar
        self._document.listen(self._notice_growth)
        easel.document_changed.connect(self._changed)
        easel.failed.connect(self.failed)
        self._settle.timeout.connect(self.ground_changed)
        self._keep.timeout.connect(self._write_recovery)
        bar.edit_wanted.connect(self.take_result)
        bar.document_wanted.connect(self._stage.show_document)
        bar.remove_wanted.connect(self.remove_picture)
        paint.load_mask_wanted.connect(self.load_mask)
        paint.save_mask_wanted.connect(self.save_mask)
        self._stage.dropped.connect(self.take)

    def _changed(self) -> None:
        self._settle.start()
        if not self._keep.isActive():
            self._keep.start()

    @property
    def document(self) -> Document:
        return self._document

    # coming in

    def open(self) -> None:
        """Ask for a picture or a project."""
        chosen, _ = QFileDialog.getOpenFileName(self._stage, "Open", "", PICTURE_FILTER)
        if chosen:
            self.take(sort_files([Path(chosen)]))

    def paste(self) -> None:
        """Take what the clipboard holds."""
        found = incoming(QGuiApplication.clipboard().mimeData())
        if found:
            self.take(found)
        else:
            self.told.emit("There is no picture on the clipboard")

    def take(self, found: Incoming) -> None:
        """Put what came in where it belongs; of several pictures the first goes onto the canvas."""
        if found.weights:
            self.weights_came.emit(found.weights)
        if found.projects:
            self._later(partial(load_project, found.projects[0]), self._take_project)
        elif found.pictures:
            self.open_picture(found.pictures[0])
        elif found.image:
            self._later(partial(open_picture, found.image, "pasted"), self._take_picture)

    def open_picture(self, file: Path) -> None:
        """Put the picture in `file` onto the canvas."""
        self._later(partial(_open_with_record, file), self._take_opened)

    def _take_opened(self, opened: tuple[OpenedPicture, Record | None] | SdxlDesktopError) -> None:
        if isinstance(opened, SdxlDesktopError):
            self.failed.emit(opened)
            return
        picture, record = opened
        self._take_picture(picture)
        if record is not None:
            self.record_found.emit(record)

    def _take_picture(self, picture: OpenedPicture | SdxlDesktopError) -> None:
        if isinstance(picture, SdxlDesktopError):
            self.failed.emit(picture)
            return
        self._document.set_picture(picture.pixels, picture.name)
        self._stage.show_document()
        if picture.notes:
            self.told.emit(" ".join(picture.notes))

    def _take_project(self, project: Project | SdxlDesktopError) -> None:
        if isinstance(project, SdxlDesktopError):
            self.failed.emit(project)
            return
        self._document.open(project.picture, project.mask, project.picture_name)
        self._stage.show_document()

    # results

    def take_result(self) -> None:
        """Take the result on the canvas over as the picture; undo brings the old one back."""
        result = self._stage.shown_result
        if result is not None:
            self.accept(result)

    def accept(self, result: Result) -> None:
        if self._document.has_picture:
            self._document.accept(result.picture.pixels)
        else:
            name = result.saved_to.name if result.saved_to is not None else ""
            self._document.set_picture(result.picture.pixels, name)
        self._stage.show_document()

    def remove_picture(self) -> None:
        """Leave nothing on the canvas: the next run draws from words alone."""
        self._document.remove_picture()
        self._stage.settle()

    def expand(self) -> None:
        """Ask how far the picture is to grow on each side, and mask the new area."""
        size = self._document.size
        if size is None:
            self.told.emit("Put a picture on the canvas first")
            return
        dialog = ExpandDialog(size, self._stage)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._expand(*dialog.value()))
        dialog.open()

    def _expand(self, left: int, top: int, right: int, bottom: int) -> None:
        self._try(lambda: self._extend(left, top, right, bottom))

    def _extend(self, left: int, top: int, right: int, bottom: int) -> None:
        self._document.extend(left, top, right, bottom)
        self._stage.show_document()
        self._stage.canvas.fit()

    def _notice_growth(self, _: Change) -> None:
        """Tell that the picture was made larger, by the dialog or by dragging its frame."""
        before, self._size = self._size, self._document.size
        if before is not None and self._size != before and self._document.undo_name == _EXTENDED:
            self.expanded.emit()

    def undo(self) -> None:
        self._try(self._document.undo)

    def redo(self) -> None:
        self._try(self._document.redo)

    def _later(self, work: Callable[[], T], done: Callable[[T | SdxlDesktopError], None]) -> None:
        self._background.run(lambda: _attempt(work), done)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    # masks and projects

    def load_mask(self) -> None:
        size = self._document.size
        chosen, _ = QFileDialog.getOpenFileName(self._stage, "Load mask", "", _MASK_FILTER)
        if chosen and size is not None:
            self._try(lambda: self._document.set_mask(read_mask(Path(chosen), size)))

    def save_mask(self) -> None:
        mask = self._document.mask
        if mask is None:
            return
        start = f"{Path(self._document.name).stem or 'picture'}-mask.png"
        chosen, _ = QFileDialog.getSaveFileName(self._stage, "Save mask", start, "PNG (*.png)")
        if chosen:
            self._try(lambda: write_mask(Path(chosen).with_suffix(".png"), mask))

    def save_project(self) -> None:
        """Ask where, and keep picture and mask there as one file."""
        if not self._document.has_picture:
            self.told.emit("Put a picture on the canvas first")
            return
        start = f"{Path(self._document.name).stem or 'picture'}{PROJECT}"
        chosen, _ = QFileDialog.getSaveFileName(self._stage, "Save project", start, _PROJECT_FILTER)
        if chosen:
            path = Path(chosen).with_suffix(PROJECT)
            project = self._project()
            self._later(partial(save_project, project, path), partial(self._saved, path))

    def _saved(self, path: Path, outcome: object) -> None:
        if isinstance(outcome, SdxlDesktopError):
            self.failed.emit(outcome)
        else:
            self.told.emit(f"Saved as {path.name}")

    def _project(self) -> Project:
        ground = self._document.ground()
        return Project(
            picture=None if ground.picture is None else ground.picture.array,
            mask=None if ground.mask is None else ground.mask.array,
            picture_name=self._document.name,
        )

    # after a crash

    def _write_recovery(self) -> None:
        revision = self._document.revision
        if not self._document.has_picture:
            self._autosave.clear(revision)
        elif self._autosave.due(revision):
            work = partial(self._autosave.write, self._project(), revision)
            self._later(work, self._kept)

    def _kept(self, outcome: object) -> None:
        if isinstance(outcome, SdxlDesktopError):
            self.failed.emit(outcome)

    def find_recoverable(self, found: Callable[[], None]) -> None:
        """Look for what a crash left behind and call `found` if there is something to `recover`."""

        def take(left: tuple[Recoverable, ...]) -> None:
            for other in left[1:]:
                other.leave()
            if left:
                self._found = left[0]
                found()

        self._background.run(lambda: recoverable(self._recovery), take)

    def recover(self) -> None:
        """Bring back what was found."""
        found, self._found = self._found, None
        if found is None:
            return
        self._try(lambda: self._bring_back(found))

    def _bring_back(self, found: Recoverable) -> None:
        """What a crash left is thrown away only once it is kept anew."""
        self._take_project(found.load())
        self._autosave.write(self._project(), self._document.revision)
        found.discard()

    def close(self) -> None:
        """The window was closed in order: there is nothing to recover, but what nobody asked for is left for later."""
        self._settle.stop()
        self._keep.stop()
        if self._found is not None:
            self._found.leave()
        self._autosave.close()


def _open_with_record(file: Path) -> tuple[OpenedPicture, Record | None]:
    picture = open_picture(file)
    try:
        return picture, read_record(file)
    except OSError:
        return picture, None


def _attempt(work: Callable[[], T]) -> T | SdxlDesktopError:
    """What `work` returns, or the error that it raises, to be told on another thread."""
    try:
        return work()
    except SdxlDesktopError as problem:
        return problem
