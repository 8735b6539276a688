"""Opens pictures and masks on the canvas, and applies results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QFileDialog, QMenu

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.backdrop import WHITE
from sdxl_desktop.core.edit import EditSource
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.imaging.picture_formats import MASK_ENDINGS, mask_filter
from sdxl_desktop.imaging.picture_reading import OpenedPicture, mask_from_alpha, open_picture, read_mask
from sdxl_desktop.metadata.picture_files import create_record
from sdxl_desktop.metadata.picture_records import AnyRecord, describe_origin
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.layers import DocumentChange
from sdxl_desktop.session.document.mask_files import write_mask, write_mask_as_alpha
from sdxl_desktop.session.picture_download import display_host, download_picture, picture_name
from sdxl_desktop.session.picture_opening import OpenedFile, open_first_readable
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.ui.backdrop_menu import fill_backdrop_menu
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.expand_dialog import ExpandDialog
from sdxl_desktop.ui.save_dialog import FileFormat, ask_save_target

T = TypeVar("T")
_EXTEND_UNDO_NAME = "Undo extend picture"
"""Undo text after `Document.extend`."""
_MASK_FORMAT = FileFormat("Mask", MASK_ENDINGS)
_ALPHA_FORMAT = FileFormat("Picture, transparent where the mask is", MASK_ENDINGS)


class ImportController(QObject):
    """Emits `picture_replaced` when the canvas has another picture; `edit_source_changed` when the next run would
    start from something else; `failed` with an error to show; `file_opened` for every opened picture file;
    `metadata_found` when a picture contains its generation settings; `expanded` when the picture was extended and
    the new area masked."""

    edit_source_changed = Signal()
    picture_replaced = Signal()
    expanded = Signal()
    failed = Signal(object)
    message = Signal(str)
    file_opened = Signal(object)
    """Path"""
    metadata_found = Signal(object)
    """AnyRecord"""
    transparency_blended = Signal(str)
    """Message about transparency blended over a backdrop that can be changed."""
    question_asked = Signal(str, str, str, object)
    """Question, button text, tooltip and the button's callback."""

    def __init__(self, document: Document, canvas_area: CanvasArea, background: BackgroundRunner) -> None:
        super().__init__(canvas_area)
        self._document, self._canvas_area, self._background = document, canvas_area, background
        self._transparent_source: OpenedPicture | None = None
        self._tried_backdrops: list[str] = []
        self.last_folder: Callable[[], str] = str
        """Initial folder of the file dialogs."""
        self.backdrop: Callable[[], str] = lambda: WHITE
        """The preferred backdrop of transparent pictures."""
        self._current_request: object = None
        self._record: AnyRecord | None = None
        self.confirm_replace: Callable[[Callable[[], object]], object] = lambda go_on: go_on()
        """Calls the continuation that replaces the picture in one step, possibly after a question."""
        self._size = document.size
        self._settle_timer = QTimer(self, singleShot=True, interval=150)
        self._connect()

    def _connect(self) -> None:
        editor, bar, paint = self._canvas_area.canvas_editor, self._canvas_area.canvas_bar, self._canvas_area.paint_bar
        self._document.subscribe(self._handle_size_change)
        editor.document_changed.connect(self._settle_timer.start)
        editor.failed.connect(self.failed)
        self._settle_timer.timeout.connect(self.edit_source_changed)
        bar.edit_result_requested.connect(self.apply_shown_result)
        bar.show_document_requested.connect(self._canvas_area.show_document)
        bar.remove_requested.connect(self.remove_picture)
        paint.load_mask_requested.connect(self.load_mask)
        paint.save_mask_requested.connect(self.save_mask)

    @property
    def document(self) -> Document:
        return self._document

    # opening

    def open_picture(self, file: Path) -> None:
        """Open the picture in `file` on the canvas."""
        self.open_pictures((file,))

    def open_pictures(self, files: tuple[Path, ...]) -> None:
        """Open the first readable one of `files` on the canvas; the others appear in the recent files."""
        self._read_latest(partial(open_first_readable, files, self.backdrop()), self._handle_opened)

    def open_image(self, content: bytes) -> None:
        """Open an encoded picture without a file on the canvas."""
        self._read_latest(partial(open_picture, content, "pasted", backdrop=self.backdrop()), self._handle_picture)

    def _handle_opened(self, opened: OpenedFile) -> None:
        def take() -> None:
            self._set_picture(opened.picture, saved=True, text=opened.message)
            self._record = None if isinstance(opened.record, PictureError) else opened.record
            for file in (*reversed(opened.unread_files), opened.file):
                self.file_opened.emit(file)
            if self._record is not None and not opened.message:
                self.metadata_found.emit(self._record)

        self.confirm_replace(take)

    def _handle_picture(self, picture: OpenedPicture) -> None:
        self.confirm_replace(lambda: self._set_picture(picture))

    def _set_picture(self, picture: OpenedPicture, *, saved: bool = False, text: str = "") -> None:
        """Show `text` together with the picture's own notes."""
        self._document.set_picture(picture.pixels, picture.name, saved=saved)
        self._record = None
        self._transparent_source = picture if picture.alpha is not None else None
        self._tried_backdrops = [picture.backdrop] if picture.is_blended else []
        self._canvas_area.show_document()
        self.picture_replaced.emit()
        message_text = " ".join((*([text] if text else []), *picture.notes))
        if picture.is_blended:
            self.transparency_blended.emit(message_text)
        elif message_text:
            self.message.emit(message_text)

    def ask_to_download(self, address: str) -> None:
        """Ask before downloading: this is the only network access here."""
        host = display_host(address)

        def download() -> None:
            self.message.emit(f"Downloading from {host}")
            work = partial(_download, address, self.backdrop())
            self._read_latest(work, self._handle_picture)

        self.question_asked.emit(f"Download this picture from {host}?", "Download", address, download)

    # results

    def apply_shown_result(self) -> None:
        """Apply the result on the canvas as the picture; undo restores the old one."""
        result = self._canvas_area.shown_result
        if result is not None:
            self.apply_result(result)

    @property
    def record(self) -> AnyRecord | None:
        """How the picture on the canvas was generated, if its file or run says so."""
        return self._record if self._document.has_picture else None

    def edit_source(self) -> EditSource:
        """Return the picture and mask on the canvas, with what is known of how the picture was made."""
        origin = "" if self.record is None else describe_origin(self.record)
        return replace(self._document.edit_source(), origin=origin)

    def apply_result(self, result: Result) -> None:
        def take() -> None:
            if self._document.has_picture:
                self._document.apply_result(result.picture.pixels)
            else:
                file = result.saved_to
                kept = file is not None and result.problem is None
                self._document.set_picture(result.picture.pixels, file.name if file else "", saved=kept)
            self._record = create_record(result.picture, result.request)
            self._canvas_area.show_document()

        self.confirm_replace(take)

    def remove_picture(self) -> None:
        """Clear the canvas: the next run is text-to-image."""

        def remove() -> None:
            self._document.remove_picture()
            self._canvas_area.show_default()

        self.confirm_replace(remove)

    def expand(self) -> None:
        """Ask how far to extend the picture on each side, and mask the new area."""
        size = self._document.size
        if size is None:
            self.message.emit("Put a picture on the canvas first")
            return
        dialog = ExpandDialog(size, self._canvas_area)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(lambda: self._expand(*dialog.value()))
        dialog.open()

    def _expand(self, left: int, top: int, right: int, bottom: int) -> None:
        self._run_reporting_errors(lambda: self._extend(left, top, right, bottom))

    def _extend(self, left: int, top: int, right: int, bottom: int) -> None:
        self._document.extend(left, top, right, bottom)
        self._canvas_area.show_document()
        self._canvas_area.canvas.fit()

    def _handle_size_change(self, _: DocumentChange) -> None:
        """Emit `expanded` if the picture was extended, by the dialog or by dragging its frame."""
        before, self._size = self._size, self._document.size
        if before is not None and self._size != before and self._document.undo_text == _EXTEND_UNDO_NAME:
            self.expanded.emit()

    def undo(self) -> None:
        self._run_reporting_errors(self._document.undo)

    def redo(self) -> None:
        self._run_reporting_errors(self._document.redo)

    def _read_latest(self, task: Callable[[], T], callback: Callable[[T], None]) -> None:
        """Read in the background, and drop the result if another read was requested since."""
        self._current_request = asked = object()

        def take(found: T) -> None:
            if asked is self._current_request:
                callback(found)

        def failed(problem: SdxlDesktopError) -> None:
            if asked is self._current_request:
                self.failed.emit(problem)

        self._background.read(task, take, failed)

    def _run_reporting_errors(self, action: Callable[[], None]) -> None:
        try:
            action()
        except SdxlDesktopError as problem:
            self.failed.emit(problem)

    # masks

    def load_mask(self) -> None:
        size = self._document.size
        chosen, _ = QFileDialog.getOpenFileName(self._canvas_area, "Load mask", self.last_folder(), mask_filter())
        if chosen and size is not None:
            self._run_reporting_errors(lambda: self._document.set_mask(read_mask(Path(chosen), size)))

    def save_mask(self) -> None:
        """Ask for a file, and whether to save the mask as its own picture or as the picture's alpha channel."""
        picture, mask = self._document.picture, self._document.mask
        if picture is None or mask is None:
            return
        start = f"{Path(self._document.name).stem or 'picture'}-mask.png"
        place = ask_save_target(self._canvas_area, "Save mask", Path(start), (_MASK_FORMAT, _ALPHA_FORMAT))
        if place is None:
            return
        if place.file_format is _ALPHA_FORMAT:
            self._run_reporting_errors(lambda: write_mask_as_alpha(picture, mask, place.path))
        else:
            self._run_reporting_errors(lambda: write_mask(mask, place.path))

    @property
    def has_transparency(self) -> bool:
        """Whether the picture on the canvas was opened with transparency that still fits its size."""
        opened, size = self._transparent_source, self._document.size
        return opened is not None and size is not None and opened.pixels.shape[:2] == (size.height, size.width)

    def set_mask_from_transparency(self) -> None:
        """Mask the area that was transparent in the picture's file."""
        opened = self._transparent_source
        if opened is not None and self.has_transparency:
            self._run_reporting_errors(
                lambda: self._document.set_mask(mask_from_alpha(opened), "mask from transparency")
            )

    # backdrop of transparency

    def fill_backdrop_menu(self, menu: QMenu) -> None:
        """Fill `menu` with the backdrops for the picture's transparency each time it opens."""
        menu.aboutToShow.connect(lambda: fill_backdrop_menu(menu, self.current_backdrop(), self.set_backdrop))

    def open_backdrop_menu(self) -> None:
        """Show the backdrop menu at the pointer."""
        menu = QMenu(self._canvas_area)
        menu.aboutToHide.connect(menu.deleteLater)
        self.fill_backdrop_menu(menu)
        menu.popup(QCursor.pos())

    def current_backdrop(self) -> str:
        """Return the backdrop under the picture's transparency; "" if it had none or was changed."""
        opened, picture = self._transparent_source, self._document.picture
        if opened is None or picture is None:
            return ""
        return next(
            (each for each in self._tried_backdrops if np.array_equal(opened.with_backdrop(each).pixels, picture)), ""
        )

    def set_backdrop(self, backdrop: str) -> None:
        """Blend the picture's transparency over another backdrop, as one undo step; the mask remains."""
        opened, now = self._transparent_source, self.current_backdrop()
        if opened is None or not now or backdrop == now:
            return
        home = self._document.save_state
        as_opened = home is not None and home.file is None and not self._document.modified
        self._document.apply_result(opened.with_backdrop(backdrop).pixels, "transparency over another backdrop")
        self._tried_backdrops.append(backdrop)
        if as_opened:
            self._document.mark_saved()

    def close(self) -> None:
        self._settle_timer.stop()


def _download(address: str, backdrop: str) -> OpenedPicture:
    return open_picture(download_picture(address), picture_name(address), backdrop=backdrop)
