"""What can be done with the pictures of the gallery: rate, star, tag, copy, show, and draw with their settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QMimeData, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDrag, QGuiApplication, QPixmap

from sdxl_desktop.core.errors import PictureError, SdxlDesktopError, describe_error
from sdxl_desktop.history.entries import HistoryDetails, HistoryEntry
from sdxl_desktop.imaging.picture_reading import OpenedPicture, open_picture
from sdxl_desktop.metadata.picture_files import PictureRecord
from sdxl_desktop.metadata.picture_records import AnyRecord, read_any_record
from sdxl_desktop.session.recent_results import result_of
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.ui.file_manager import show_in_folder
from sdxl_desktop.ui.gallery.entry_text import file_name, format_count, format_rating, missing_text
from sdxl_desktop.ui.gallery.gallery_context import GalleryContext
from sdxl_desktop.ui.gallery.record_drawing import RecordDrawing
from sdxl_desktop.ui.gallery.tag_editor import TagChange
from sdxl_desktop.ui.notify import Notify


class GalleryActions(QObject):
    """Actions on entries; `notify` and `show_error` report. Emits `canvas_wanted` when the canvas shows something
    new, or the panels do."""

    canvas_wanted = Signal()

    def __init__(
        self,
        context: GalleryContext,
        notify: Notify,
        show_error: Callable[[SdxlDesktopError], object],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._context, self._notify, self._show_error = context, notify, show_error
        self._draw = RecordDrawing(context, self)
        self._draw.started.connect(self.canvas_wanted)

    # what the history keeps

    def rate(self, ids: Sequence[int], rating: int) -> None:
        """Rate pictures, 0 (none) to 5."""
        if ids:
            self._write(lambda history: history.set_rating(ids, rating))
            what = format_rating(rating) if rating else "Rating removed"
            self._notify(what if len(ids) == 1 else f"{what}: {format_count(len(ids))}")

    def star(self, entries: Sequence[HistoryEntry]) -> None:
        """Star pictures; if all of them are, remove the stars."""
        if entries:
            on = not all(entry.starred for entry in entries)
            ids = [entry.id for entry in entries]
            self._write(lambda history: history.set_starred(ids, on))
            what = "Starred" if on else "Star removed"
            self._notify(what if len(ids) == 1 else f"{what}: {format_count(len(ids))}")

    def change_tags(self, ids: Sequence[int], change: TagChange) -> None:
        for tag in change.added:
            self._write(lambda history, tag=tag: history.add_tag(ids, tag))
        for tag in change.removed:
            self._write(lambda history, tag=tag: history.remove_tag(ids, tag))

    def _write(self, task: Callable[..., object]) -> None:
        self._context.history.write(task, None, self._show_error, owner=self)

    # files

    def mime_of(self, entries: Sequence[HistoryEntry]) -> QMimeData:
        """Return the files of `entries` as drag data, without those that are missing."""
        data = QMimeData()
        data.setUrls([url for entry in entries if entry.file.exists() and not (url := _url_of(entry.file)).isEmpty()])
        return data

    def drag(self, entries: Sequence[HistoryEntry], pixmap: QPixmap | None, source: QObject) -> None:
        """Drag the files out; returns after the drop."""
        data = self.mime_of(entries)
        if not data.hasUrls():
            return
        drag = QDrag(source)
        drag.setMimeData(data)
        if pixmap is not None:
            drag.setPixmap(pixmap)
        drag.exec(Qt.DropAction.CopyAction)

    def copy(self, entries: Sequence[HistoryEntry]) -> None:
        """Copy one picture to the clipboard as pixels and file, or several as files."""
        if len(entries) != 1:
            QGuiApplication.clipboard().setMimeData(self.mime_of(entries))
            self._notify(f"{format_count(len(entries))} copied as files")
            return
        entry = entries[0]

        def take(picture: OpenedPicture) -> None:
            data = self._context.outgoing.mime_of_pixels(picture.pixels, entry.file.name, entry.file)
            QGuiApplication.clipboard().setMimeData(data)
            self._notify("Picture copied")

        self._read_picture(entry, take)

    def show_in_folder(self, entry: HistoryEntry) -> None:
        show_in_folder(entry.file, self._show_error, self)

    def _read_picture(self, entry: HistoryEntry, take: Callable[[OpenedPicture], object]) -> None:
        self._context.background.read(
            lambda: open_picture(entry.file), take, lambda error: self._report_file(entry.file, error), owner=self
        )

    def _report_file(self, file: Path, error: SdxlDesktopError) -> None:
        """Report that a file could not be read; a missing one with what may have happened to it."""
        if isinstance(error, PictureError) and not file.exists():
            error = PictureError(f"{file_name(file)} is missing.", why=missing_text(file))
        self._show_error(error)

    # the canvas

    def open_on_canvas(self, entry: HistoryEntry) -> None:
        """Show the picture on the canvas, like a result that was just drawn; if it is not known how it was made, as the
        picture to edit."""

        def read(details: HistoryDetails | None) -> None:
            if details is None or details.record is None:
                self.edit_on_canvas(entry)
                return
            self._context.background.read(
                lambda: replace(result_of(details), is_earlier=True),
                self._show_result,
                lambda error: self._report_file(entry.file, error),
                owner=self,
            )

        self._with_details(entry.id, read)

    def _show_result(self, result: Result) -> None:
        self._context.canvas_area.go_to(self._context.session.show_earlier(result))
        self.canvas_wanted.emit()

    def edit_on_canvas(self, entry: HistoryEntry) -> None:
        """Put the picture on the canvas to edit it."""
        if not entry.file.exists():
            self._report_file(entry.file, PictureError(""))
            return
        self.canvas_wanted.emit()
        self._context.importer.open_pictures((entry.file,))

    # settings

    def use_settings(self, entry: HistoryEntry) -> None:
        """Restore all settings that made the picture in the panels, whichever program made it."""

        def use(record: AnyRecord) -> None:
            self.canvas_wanted.emit()
            self._context.controller.notify(f"The settings of {file_name(entry.file)} are in the panels")
            self._context.controller.picture_settings.apply(record)

        self._with_any_record(entry, use)

    def choose_settings(self, entry: HistoryEntry) -> None:
        """Ask which of the settings that made the picture to use."""

        def choose(record: AnyRecord) -> None:
            self.canvas_wanted.emit()
            self._context.controller.picture_settings.choose(record, file_name(entry.file))

        self._with_any_record(entry, choose)

    def use_seed(self, entry: HistoryEntry) -> None:
        self._context.parameters_panel.set_seed(entry.seed)
        self._notify(f"Seed {entry.seed} is set")

    def draw_again(self, entry: HistoryEntry) -> None:
        """Draw the picture again with its settings and seed."""
        self._with_record(entry, self._draw.draw_again)

    def make_variations(self, entry: HistoryEntry) -> None:
        """Draw some variations of the picture."""
        self._with_record(entry, self._draw.make_variations)

    def _with_record(self, entry: HistoryEntry, use: Callable[[PictureRecord], object]) -> None:
        def take(details: HistoryDetails | None) -> None:
            if details is None or details.record is None:
                self._show_error(
                    PictureError(
                        f"{file_name(entry.file)} cannot be drawn again by itself.",
                        why="Its file has no record of this application.",
                        next_step="Use its settings if it has those of another program, or set what you need by hand.",
                    )
                )
            else:
                use(details.record)

        self._with_details(entry.id, take)

    def _with_any_record(self, entry: HistoryEntry, use: Callable[[AnyRecord], object]) -> None:
        """Run `use` with our record, or else with another program's, which is read from the file."""

        def take(details: HistoryDetails | None) -> None:
            if details is not None and details.record is not None:
                use(details.record)
                return
            self._context.background.read(
                lambda: _read_other_record(entry.file),
                use,
                lambda error: self._report_file(entry.file, error),
                owner=self,
            )

        self._with_details(entry.id, take)

    def _with_details(self, entry_id: int, take: Callable[[HistoryDetails | None], object]) -> None:
        self._context.history.read(lambda history: history.details(entry_id), take, self._show_error, owner=self)


def _url_of(file: Path) -> QUrl:
    """Return the URL of a file; from the bytes of its name, which need not be text."""
    return QUrl(file.absolute().as_uri())


def _read_other_record(file: Path) -> AnyRecord:
    """Return the record in `file`; raises PictureError if it has none, or cannot be read."""
    try:
        record = read_any_record(file)
    except OSError as problem:
        raise PictureError(f"{file_name(file)} cannot be read.", why=describe_error(problem)) from problem
    if record is None:
        raise PictureError(
            f"It is not known how {file_name(file)} was made.",
            why="Its file has no record of its settings.",
            next_step="Set what you need by hand.",
        )
    return record
