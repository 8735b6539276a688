"""What lies on the canvas: brings pictures and masks in, and takes results over."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QFileDialog, QMenu

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.core.backdrop import WHITE
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.history.metadata import Record, record_of
from sdxl_desktop.imaging.formats import MASK_ENDINGS, mask_filter
from sdxl_desktop.imaging.reading import OpenedPicture, mask_from_alpha, open_picture, read_mask
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.layers import Change
from sdxl_desktop.session.document.mask_files import write_mask, write_mask_as_alpha
from sdxl_desktop.session.opening import Opened, first_that_opens
from sdxl_desktop.session.picture_download import downloaded, host_of, name_of
from sdxl_desktop.session.pictures import Result
from sdxl_desktop.ui.backdrops import fill_backdrops
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.saving import Format, ask_where
from sdxl_desktop.ui.stage import Stage

T = TypeVar("T")
_EXTENDED = "Undo extend picture"
"""What there is to undo after `Document.extend`."""
_OPAQUE = Format("Mask", MASK_ENDINGS)
_TRANSPARENT = Format("Picture, transparent where the mask is", MASK_ENDINGS)


class Editor(QObject):
    """`picture_came` when another picture lies on the canvas;
    `ground_changed` when a run would work on something else now; `failed` with an error to show; `opened` with every
    picture file that came in;
    `record_found` when a picture says how it was made; `expanded` when the picture was made larger, and what is new
    masked."""

    ground_changed = Signal()
    picture_came = Signal()
    expanded = Signal()
    failed = Signal(object)
    told = Signal(str)
    opened = Signal(object)
    """Path"""
    record_found = Signal(object)
    """Record"""
    blended = Signal(str)
    """Words about transparency that was put over a backdrop, which can be changed."""
    offered = Signal(str, str, str, object)
    """A question in words, the answer as a button, more for whoever points at it, and what the answer calls."""

    def __init__(self, document: Document, stage: Stage, background: Background) -> None:
        super().__init__(stage)
        self._document, self._stage, self._background = document, stage, background
        self._alpha_of: OpenedPicture | None = None
        self._tried: list[str] = []
        self.last_folder: Callable[[], str] = str
        """Where the file dialogs start."""
        self.backdrop: Callable[[], str] = lambda: WHITE
        """What the person wants behind transparent pictures."""
        self._asked: object = None
        self._record: Record | None = None
        self.before_replacing: Callable[[Callable[[], object]], object] = lambda go_on: go_on()
        """Does what replaces the picture by one step, perhaps after a question."""
        self._size = document.size
        self._settle = QTimer(self, singleShot=True, interval=150)
        self._connect()

    def _connect(self) -> None:
        easel, bar, paint = self._stage.easel, self._stage.bar, self._stage.paint_bar
        self._document.listen(self._notice_growth)
        easel.document_changed.connect(self._settle.start)
        easel.failed.connect(self.failed)
        self._settle.timeout.connect(self.ground_changed)
        bar.edit_wanted.connect(self.take_result)
        bar.document_wanted.connect(self._stage.show_document)
        bar.remove_wanted.connect(self.remove_picture)
        paint.load_mask_wanted.connect(self.load_mask)
        paint.save_mask_wanted.connect(self.save_mask)

    @property
    def document(self) -> Document:
        return self._document

    # coming in

    def open_picture(self, file: Path) -> None:
        """Put the picture in `file` onto the canvas."""
        self.open_pictures((file,))

    def open_pictures(self, files: tuple[Path, ...]) -> None:
        """Put the first of `files` that can be opened onto the canvas; the others can be found under the recent
        files."""
        self._later(partial(first_that_opens, files, self.backdrop()), self._take_opened)

    def open_image(self, content: bytes) -> None:
        """Put a picture without a file onto the canvas, from the bytes of one."""
        self._later(partial(open_picture, content, "pasted", backdrop=self.backdrop()), self._take_picture)

    def _take_opened(self, opened: Opened) -> None:
        def take() -> None:
            self._put_picture(opened.picture, kept=True, words=opened.words)
            self._record = None if isinstance(opened.record, PictureError) else opened.record
            for file in (*reversed(opened.others), opened.file):
                self.opened.emit(file)
            if self._record is not None and not opened.words:
                self.record_found.emit(self._record)

        self.before_replacing(take)

    def _take_picture(self, picture: OpenedPicture) -> None:
        self.before_replacing(lambda: self._put_picture(picture))

    def _put_picture(self, picture: OpenedPicture, *, kept: bool = False, words: str = "") -> None:
        """`words` are told beside the picture's own notes."""
        self._document.set_picture(picture.pixels, picture.name, kept=kept)
        self._record = None
        self._alpha_of = picture if picture.alpha is not None else None
        self._tried = [picture.backdrop] if picture.is_blended else []
        self._stage.show_document()
        self.picture_came.emit()
        told = " ".join((*([words] if words else []), *picture.notes))
        if picture.is_blended:
            self.blended.emit(told)
        elif told:
            self.told.emit(told)

    def ask_to_download(self, address: str) -> None:
        """Nothing is fetched unless the person agrees: this is the one thing here that leaves this computer."""
        host = host_of(address)

        def download() -> None:
            self.told.emit(f"Downloading from {host}")
            work = partial(_download, address, self.backdrop())
            self._later(work, self._take_picture)

        self.offered.emit(f"Download this picture from {host}?", "Download", address, download)

    # results

    def take_result(self) -> None:
        """Take the result on the canvas over as the picture; undo brings the old one back."""
        result = self._stage.shown_result
        if result is not None:
            self.accept(result)

    @property
    def record(self) -> Record | None:
        """How the picture on the canvas was made, where its file or the run that drew it says so."""
        return self._record if self._document.has_picture else None

    def accept(self, result: Result) -> None:
        def take() -> None:
            if self._document.has_picture:
                self._document.accept(result.picture.pixels)
            else:
                file = result.saved_to
                kept = file is not None and result.problem is None
                self._document.set_picture(result.picture.pixels, file.name if file else "", kept=kept)
            self._record = record_of(result.picture, result.request)
            self._stage.show_document()

        self.before_replacing(take)

    def remove_picture(self) -> None:
        """Leave nothing on the canvas: the next run draws from words alone."""

        def remove() -> None:
            self._document.remove_picture()
            self._stage.settle()

        self.before_replacing(remove)

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

    def _later(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        """Have something read, and take it unless something else has been asked for by then."""
        self._asked = asked = object()

        def take(found: T) -> None:
            if asked is self._asked:
                done(found)

        def failed(problem: SdxlDesktopError) -> None:
            if asked is self._asked:
                self.failed.emit(problem)

        self._background.run(work, take, failed)

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    # masks

    def load_mask(self) -> None:
        size = self._document.size
        chosen, _ = QFileDialog.getOpenFileName(self._stage, "Load mask", self.last_folder(), mask_filter())
        if chosen and size is not None:
            self._try(lambda: self._document.set_mask(read_mask(Path(chosen), size)))

    def save_mask(self) -> None:
        """Ask where, and whether as a picture of its own or as the picture's transparency."""
        picture, mask = self._document.picture, self._document.mask
        if picture is None or mask is None:
            return
        start = f"{Path(self._document.name).stem or 'picture'}-mask.png"
        place = ask_where(self._stage, "Save mask", Path(start), (_OPAQUE, _TRANSPARENT))
        if place is None:
            return
        if place.format is _TRANSPARENT:
            self._try(lambda: write_mask_as_alpha(picture, mask, place.path))
        else:
            self._try(lambda: write_mask(mask, place.path))

    @property
    def has_transparency(self) -> bool:
        """Whether the picture on the canvas came with transparency that fits it."""
        opened, size = self._alpha_of, self._document.size
        return opened is not None and size is not None and opened.pixels.shape[:2] == (size.height, size.width)

    def take_transparency(self) -> None:
        """Mask what was transparent in the file that the picture came from."""
        opened = self._alpha_of
        if opened is not None and self.has_transparency:
            self._try(lambda: self._document.set_mask(mask_from_alpha(opened), "mask from transparency"))

    # what is behind transparency

    def fill_backdrops(self, menu: QMenu) -> None:
        """Let `menu` offer what the picture's transparency can be put over, whenever it opens."""
        menu.aboutToShow.connect(lambda: fill_backdrops(menu, self.shown_backdrop(), self.put_over))

    def offer_backdrops(self) -> None:
        """Show the same offer where the pointer is."""
        menu = QMenu(self._stage)
        menu.aboutToHide.connect(menu.deleteLater)
        self.fill_backdrops(menu)
        menu.popup(QCursor.pos())

    def shown_backdrop(self) -> str:
        """What the transparency of the picture on the canvas is put over; "" where it had none, or has been changed."""
        opened, picture = self._alpha_of, self._document.picture
        if opened is None or picture is None:
            return ""
        return next((each for each in self._tried if np.array_equal(opened.over(each).pixels, picture)), "")

    def put_over(self, backdrop: str) -> None:
        """Put the transparency of the picture on the canvas over another backdrop, as one step to undo; the mask
        stays."""
        opened, now = self._alpha_of, self.shown_backdrop()
        if opened is None or not now or backdrop == now:
            return
        home = self._document.home
        as_opened = home is not None and home.file is None and not self._document.modified
        self._document.accept(opened.over(backdrop).pixels, "transparency over another backdrop")
        self._tried.append(backdrop)
        if as_opened:
            self._document.mark_kept()

    def close(self) -> None:
        self._settle.stop()


def _download(address: str, backdrop: str) -> OpenedPicture:
    return open_picture(downloaded(address), name_of(address), backdrop=backdrop)
