"""The gallery page: search and filters, the grid, details, and the comparison in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QKeyEvent, QKeySequence, QPixmap, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.history.entries import HistoryDetails, HistoryEntry, HistoryFilter
from sdxl_desktop.session.thumbnail_files import ThumbnailFiles
from sdxl_desktop.ui.gallery.compare_page import ComparePage
from sdxl_desktop.ui.gallery.details_panel import DetailsPanel
from sdxl_desktop.ui.gallery.empty_gallery import EmptyGallery
from sdxl_desktop.ui.gallery.entry_list import EntryList
from sdxl_desktop.ui.gallery.entry_text import format_count
from sdxl_desktop.ui.gallery.filter_bar import FilterBar
from sdxl_desktop.ui.gallery.gallery_bar import GalleryBar
from sdxl_desktop.ui.gallery.gallery_menu import MAX_COMPARED
from sdxl_desktop.ui.gallery.picture_grid import PictureGrid
from sdxl_desktop.ui.gallery.selection_reader import SelectionReader
from sdxl_desktop.ui.gallery.thumbnail_loader import ThumbnailLoader
from sdxl_desktop.ui.widgets.layout_helpers import column, row
from sdxl_desktop.ui.widgets.notices import ErrorBanner, Toast

_KNOWN_DELAY_MS = 300
"""The checkpoints and tags of the filters are read after the pictures."""


class GalleryPage(QWidget):
    """Reads the history when it is first shown. What is done with the pictures is up to the signals' receivers."""

    back_requested = Signal()
    draw_requested = Signal()
    activated = Signal()
    menu_requested = Signal(QPoint)
    delete_requested = Signal()
    star_requested = Signal()
    rating_requested = Signal(int)
    copy_requested = Signal()
    use_settings_requested = Signal()
    tags_requested = Signal()
    drag_requested = Signal()
    undo_requested = Signal()
    slide_show_requested = Signal()

    def __init__(self, history: HistoryThread, background: BackgroundRunner, thumbnails: Path) -> None:
        super().__init__()
        self._history = history
        self._files = ThumbnailFiles(thumbnails)
        self._background = background
        self._was_opened = False
        self._to_select: int | None = None
        self._known_timer = QTimer(self, singleShot=True, interval=_KNOWN_DELAY_MS)
        self._known_timer.timeout.connect(self._read_known)
        self.entries = EntryList(history, self)
        self.thumbnails = ThumbnailLoader(self._files, self)
        self.filters = FilterBar()
        self.bar = GalleryBar(self.filters)
        self.grid = PictureGrid(self.entries, self.thumbnails)
        self.empty = EmptyGallery()
        self.details = DetailsPanel()
        self.compare_page = ComparePage(background)
        self.selection = SelectionReader(history, self.entries, self.show_error, self)
        self._middle = QStackedWidget()
        self._pages = QStackedWidget()
        self._lay_out()
        self.banner = ErrorBanner(self._middle)
        self.toast = Toast(self)
        self._commands = self._key_commands()
        self._connect()

    def _lay_out(self) -> None:
        self.setObjectName("galleryPage")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._middle.addWidget(self.empty)
        self._middle.addWidget(self.grid)
        below = row(self._middle, self.details, spacing=0)
        below.setStretch(0, 1)
        browsing = QWidget()
        whole = column(self.bar, below, spacing=0)
        whole.setStretch(1, 1)
        browsing.setLayout(whole)
        self._pages.addWidget(browsing)
        self._pages.addWidget(self.compare_page)
        self.setLayout(column(self._pages))
        self.empty.show_reading()

    def _connect(self) -> None:
        self.entries.listed.connect(self._handle_listed)
        self.entries.failed.connect(self._handle_failed)
        self.entries.entries_loaded.connect(self._refresh_details)
        self.filters.changed.connect(lambda: self.entries.set_filter(self.filters.value()))
        self.filters.search.returnPressed.connect(self._focus_grid)
        self._connect_bar()
        self._connect_grid()
        self.empty.draw_requested.connect(self.draw_requested)
        self.empty.clear_requested.connect(self.filters.clear)
        self.empty.retry_requested.connect(self.entries.refresh)
        self.selection.details_read.connect(self._show_details)
        self.details.use_settings_requested.connect(self.use_settings_requested)
        self.details.open_requested.connect(self.activated)
        self.details.edit_tags_requested.connect(self.tags_requested)
        self.details.copied.connect(lambda label: self.toast.notify(f"{label} copied"))
        self.banner.dismiss_requested.connect(lambda: self.banner.show_error(None))
        self.toast.action_failed.connect(self.show_error)

    def _connect_bar(self) -> None:
        self.bar.back_requested.connect(self.back_requested)
        self.bar.slide_show_requested.connect(self.slide_show_requested)
        self.bar.compare_requested.connect(self.compare)
        self.bar.side_changed.connect(self.grid.set_cell_side)
        self.bar.details_toggled.connect(self.details.setVisible)
        self.compare_page.back_requested.connect(self.end_comparison)

    def _connect_grid(self) -> None:
        self.grid.selection_changed.connect(self._handle_selection)
        self.grid.activated.connect(self.activated)
        self.grid.menu_requested.connect(self.menu_requested)
        self.grid.delete_requested.connect(self.delete_requested)
        self.grid.star_requested.connect(self.star_requested)
        self.grid.rating_requested.connect(self.rating_requested)
        self.grid.drag_requested.connect(self.drag_requested)
        self.grid.text_typed.connect(self.filters.type_to_search)
        self._handle_selection()

    # opening

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.thumbnails.forget_unavailable()
        if not self._was_opened:
            self._was_opened = True
            self.entries.refresh()
            self._background.read(self._files.prune, lambda _: None, lambda _: None, owner=self)
        self._known_timer.start()
        self._focus_grid()

    def _focus_grid(self) -> None:
        if self._middle.currentWidget() is self.grid:
            self.grid.setFocus()
        else:
            self.empty.take_focus()

    def _read_known(self) -> None:
        """Read which checkpoints and tags can be filtered by."""
        self._history.read(
            lambda history: (history.checkpoints(), history.tags()),
            lambda known: self.filters.set_known(*known),
            self.show_error,
            owner=self,
        )

    def _handle_listed(self) -> None:
        count = len(self.entries.ids)
        self.bar.count_label.setText(format_count(count))
        had_focus = self.grid.hasFocus() or self.empty.hasFocus() or self.empty.button.hasFocus()
        if count:
            self._middle.setCurrentWidget(self.grid)
        else:
            self._middle.setCurrentWidget(self.empty)
            if self.entries.filter == HistoryFilter():
                self.empty.show_no_pictures()
            else:
                self.empty.show_no_match()
        if had_focus:
            self._focus_grid()
        self._select_wanted()
        self._handle_selection()
        self._known_timer.start()

    def select_when_listed(self, entry_id: int) -> None:
        """Select an entry as soon as it is in the list, if it is in the first one read."""
        if self.entries.is_listed and entry_id in self.entries.numbers:
            self.grid.select(entry_id)
        else:
            self._to_select = entry_id

    def _select_wanted(self) -> None:
        wanted, self._to_select = self._to_select, None
        if wanted is not None and wanted in self.entries.numbers:
            self.grid.select(wanted)

    def _handle_failed(self, error: SdxlDesktopError) -> None:
        if self.entries.ids:
            self.show_error(error)
        else:
            self._middle.setCurrentWidget(self.empty)
            self.empty.show_error(error)

    def show_error(self, error: SdxlDesktopError) -> None:
        """Show an error until it is dismissed."""
        self.banner.show_error(error)

    # the selection

    def with_selected(self, use: Callable[[tuple[HistoryEntry, ...]], object]) -> None:
        """Call `use` with the selected entries, the current one if nothing is selected; not if there is none."""
        self.selection.with_entries(self.selected_ids(), use)

    def with_current(self, use: Callable[[HistoryEntry], object]) -> None:
        """Call `use` with the current entry, if there is one."""
        current = self.grid.current
        if current is not None:
            self.selection.with_entries([current], lambda found: use(found[0]))

    def selected_ids(self) -> list[int]:
        """Return the selected ids, the current one if nothing is selected."""
        selected = self.grid.selected
        return selected or ([] if self.grid.current is None else [self.grid.current])

    def drag_pixmap(self) -> QPixmap | None:
        """Return the current picture's thumbnail for dragging."""
        entry = None if self.grid.current is None else self.entries.entry(self.grid.current)
        thumbnail = None if entry is None else self.thumbnails.thumbnail(entry.file)
        return QPixmap.fromImage(thumbnail) if isinstance(thumbnail, QImage) else None

    def _handle_selection(self) -> None:
        ids = self.grid.selected
        self.bar.compare_button.setEnabled(2 <= len(ids) <= MAX_COMPARED)
        self.bar.slide_show_button.setEnabled(bool(self.entries.ids))
        if len(ids) == 1:
            self.selection.want_details(ids[0])
        else:
            self.selection.want_details(None)
            self.details.show_selection(len(ids))

    def _refresh_details(self) -> None:
        """Read the details again after entries have changed."""
        ids = self.grid.selected
        if len(ids) == 1:
            self.selection.want_details(ids[0])

    def _show_details(self, details: HistoryDetails | None) -> None:
        if details is None:
            self.details.show_selection(0)
        else:
            self.details.show_details(details, missing=self.grid.is_missing(details.entry))

    # comparing

    def compare(self) -> None:
        """Compare the selected pictures, two to four."""
        if 2 <= len(self.grid.selected) <= MAX_COMPARED:
            self.with_selected(self._show_comparison)
        else:
            self.toast.notify(f"Select two to {MAX_COMPARED} pictures to compare them")

    def _show_comparison(self, entries: Sequence[HistoryEntry]) -> None:
        if len(entries) > 1:
            self._pages.setCurrentWidget(self.compare_page)
            self.compare_page.compare(entries)

    def end_comparison(self) -> None:
        self._pages.setCurrentIndex(0)
        self.compare_page.clear()
        self._focus_grid()

    @property
    def is_comparing(self) -> bool:
        return self._pages.currentWidget() is self.compare_page

    # keys

    def _key_commands(self) -> dict[str, Callable[[], object]]:
        return {
            "Ctrl+F": self._focus_search,
            "Ctrl+C": self.copy_requested.emit,
            "Ctrl+U": self.use_settings_requested.emit,
            "Ctrl+Z": self.undo_requested.emit,
            "Ctrl+T": self.tags_requested.emit,
            "Ctrl+K": self.compare,
            "Ctrl+I": self.bar.details_button.toggle,
            "Ctrl++": lambda: self.bar.step_size(1),
            "Ctrl+=": lambda: self.bar.step_size(1),
            "Ctrl+-": lambda: self.bar.step_size(-1),
            "F5": self.slide_show_requested.emit,
            "Esc": self._step_back,
            "Backspace": self._step_back,
        }

    def _focus_search(self) -> None:
        self.filters.search.setFocus()
        self.filters.search.selectAll()

    def _step_back(self) -> None:
        """Leave the comparison, the search, or the gallery."""
        if self.is_comparing:
            self.end_comparison()
        elif self.banner.isVisible():
            self.banner.show_error(None)
        elif self.filters.search.hasFocus() and self.grid.isVisible():
            self.grid.setFocus()
        else:
            self.back_requested.emit()

    def _command(self, event: QKeyEvent) -> Callable[[], object] | None:
        keys = QKeySequence(event.keyCombination()).toString(QKeySequence.SequenceFormat.PortableText)
        command = self._commands.get(keys)
        browsing_only = keys not in ("Esc", "Backspace")
        return None if command is not None and browsing_only and self.is_comparing else command

    def event(self, event: QEvent) -> bool:
        """Take the page's keys before the window's shortcuts do; a field with the focus has taken its own before."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._command(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        command = self._command(event)
        if command is None:
            super().keyPressEvent(event)
        else:
            command()

    def close_page(self) -> None:
        """Stop reading and loading; the window closes. Safe to call twice."""
        self._known_timer.stop()
        self.entries.close()
        self.selection.close()
        self.thumbnails.close()
        self.toast.dismiss()
