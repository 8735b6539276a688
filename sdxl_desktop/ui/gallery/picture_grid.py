"""The grid of all pictures: only what is visible is read, decoded and painted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from PySide6.QtCore import QEvent, QLocale, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleEvent,
    QContextMenuEvent,
    QFocusEvent,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip

from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.ui.gallery.cell_painting import PADDING, CellState, paint_cell
from sdxl_desktop.ui.gallery.entry_list import EntryList
from sdxl_desktop.ui.gallery.entry_text import describe_entry, format_day
from sdxl_desktop.ui.gallery.grid_keys import GridKeys
from sdxl_desktop.ui.gallery.grid_layout import GridLayout, Group
from sdxl_desktop.ui.gallery.grid_mouse import GridMouse
from sdxl_desktop.ui.gallery.grid_selection import GridSelection
from sdxl_desktop.ui.gallery.thumbnail_loader import ThumbnailLoader, Unavailable
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

MIN_SIDE, DEFAULT_SIDE, MAX_SIDE = 80, 160, 400


class PictureGrid(QAbstractScrollArea):
    """Shows an `EntryList`. The selection holds ids; `current` is the picture with the focus."""

    current_changed = Signal()
    selection_changed = Signal()
    activated = Signal()
    """Enter or a double click on the current picture."""
    drag_requested = Signal()
    menu_requested = Signal(QPoint)
    """With the global position; the selection is what the menu is for."""
    text_typed = Signal(str)
    delete_requested = Signal()
    star_requested = Signal()
    rating_requested = Signal(int)

    def __init__(self, entries: EntryList, thumbnails: ThumbnailLoader, today: Callable[[], date] = date.today) -> None:
        super().__init__()
        self._entries, self._thumbnails, self._today = entries, thumbnails, today
        self._layout = GridLayout()
        self._order: Sequence[int] = ()
        self._selection = GridSelection()
        self._keys, self._mouse = GridKeys(self), GridMouse(self)
        self._want_timer = QTimer(self, singleShot=True, interval=0)
        self._want_timer.timeout.connect(self._want_visible)
        self._configure()
        entries.listed.connect(self._handle_listed)
        entries.entries_loaded.connect(self._handle_loaded)
        thumbnails.loaded.connect(self._handle_thumbnails)

    def _configure(self) -> None:
        self.setObjectName("grid")
        self.setAccessibleName("Pictures")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.viewport().setMouseTracking(False)

    def minimumSizeHint(self) -> QSize:
        return QSize(MIN_SIDE * 2, MIN_SIDE * 2)

    # layout

    @property
    def layout_of_cells(self) -> GridLayout:
        return self._layout

    @property
    def cell_side(self) -> int:
        """The side of a cell in logical pixels."""
        return self._layout.side

    def set_cell_side(self, side: int) -> None:
        """Show cells of this side in logical pixels; the picture at the top stays there."""
        side = max(MIN_SIDE, min(side, MAX_SIDE))
        if side != self._layout.side:
            self._lay_out(self._layout.groups, side)

    @property
    def scroll_y(self) -> int:
        return self.verticalScrollBar().value()

    def _lay_out(self, groups: Sequence[Group], side: int) -> None:
        anchor, shift = self._scroll_anchor()
        self._layout = GridLayout(groups, side, self.viewport().width())
        self._order = self._entries.ids
        bar, height = self.verticalScrollBar(), self.viewport().height()
        bar.setRange(0, max(0, self._layout.height - height))
        bar.setPageStep(max(1, height - side // 2))
        bar.setSingleStep(max(1, side // 3))
        number = self._entries.numbers.get(anchor) if anchor is not None else None
        if number is not None and self.scroll_y > 0:
            bar.setValue(self._layout.rect(number).top() - shift)
        self.viewport().update()
        self._want_timer.start()

    def _scroll_anchor(self) -> tuple[int | None, int]:
        """Return the picture that must keep its place, and its distance from the top of the view: the current one if
        it is visible, else the first visible one."""
        visible = self.visible_numbers()
        numbers = {entry: number for number, entry in enumerate(self._order[visible.start : visible.stop])}
        if not numbers:
            return None, 0
        anchor = self._selection.current if self._selection.current in numbers else self._order[visible.start]
        assert anchor is not None
        number = visible.start + numbers[anchor]
        return anchor, self._layout.rect(number).top() - self.scroll_y

    def visible_numbers(self) -> range:
        """Return the positions of the pictures in the view."""
        return self._layout.visible(self.scroll_y, self.scroll_y + self.viewport().height() - 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out(self._layout.groups, self._layout.side)

    # content

    def _handle_listed(self) -> None:
        groups = [Group(format_day(day.day, self._today()), day.count) for day in self._entries.days]
        before = self._selection.current, self._selection.selected
        self._selection.restrict(self._entries.ids, self._entries.numbers, self._order)
        self._lay_out(groups, self._layout.side)
        if before != (self._selection.current, self._selection.selected):
            self._notify_selection()

    def _handle_loaded(self) -> None:
        self.viewport().update()
        self._want_timer.start()

    def _handle_thumbnails(self, files: list[Path]) -> None:
        arrived = set(files)
        for number in self.visible_numbers():
            entry = self._entries.entry_at(number)
            if entry is not None and entry.file in arrived:
                self._update_cell(number)

    def _want_visible(self) -> None:
        """Ask for what is visible, then for the next screen, so that it is there when it is scrolled to."""
        if not self.isVisible():
            return
        visible = self.visible_numbers()
        ahead = range(visible.stop, min(visible.stop + len(visible), self._layout.count))
        self._entries.want(range(visible.start, ahead.stop))
        files = [entry.file for entry in map(self._entries.entry_at, (*visible, *ahead)) if entry is not None]
        self._thumbnails.want(files, round((self._layout.side - 2 * PADDING) * self.devicePixelRatioF()))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._want_timer.start()

    def scrollContentsBy(self, _: int, dy: int) -> None:
        self.viewport().scroll(0, dy)
        self._mouse.handle_scroll()
        self._want_timer.start()

    # selection

    @property
    def current(self) -> int | None:
        """The id of the picture with the focus."""
        return self._selection.current

    @property
    def selected(self) -> list[int]:
        """The ids of the selected pictures, in the order of the grid."""
        numbers = self._entries.numbers
        return sorted((one for one in self._selection.selected if one in numbers), key=numbers.__getitem__)

    def is_selected(self, entry_id: int) -> bool:
        return entry_id in self._selection.selected

    def select(self, entry_id: int) -> None:
        """Select this picture alone and scroll to it."""
        self.change_selection(lambda selection: selection.select_only(entry_id))

    def select_all(self) -> None:
        self.change_selection(lambda selection: selection.set(self._entries.ids))

    def clear_selection(self) -> None:
        self.change_selection(GridSelection.clear)

    def set_selection(self, entry_ids: Sequence[int]) -> None:
        self.change_selection(lambda selection: selection.set(entry_ids))

    def extend_to(self, entry_id: int, *, keep: bool = False) -> None:
        """Select the range from where the last selection began to this picture."""
        numbers = self._entries.numbers
        self.change_selection(lambda one: one.extend_to(entry_id, self._entries.ids, numbers, keep=keep))

    def change_selection(self, change: Callable[[GridSelection], None]) -> None:
        """Change the selection, show it, and scroll to the current picture if another one has become that."""
        current, selected = self._selection.current, self._selection.selected
        change(self._selection)
        if self._selection.current != current:
            self.scroll_to_current()
        if (self._selection.current, self._selection.selected) != (current, selected):
            self._notify_selection()

    def _notify_selection(self) -> None:
        self.viewport().update()
        entry = None if self.current is None else self._entries.entry(self.current)
        self.setAccessibleDescription("" if entry is None else describe_entry(entry))
        QAccessible.updateAccessibility(QAccessibleEvent(self, QAccessible.Event.DescriptionChanged))
        self.selection_changed.emit()
        self.current_changed.emit()

    def current_number(self) -> int | None:
        current = self._selection.current
        return None if current is None else self._entries.numbers.get(current)

    def id_at(self, number: int) -> int | None:
        ids = self._entries.ids
        return ids[number] if 0 <= number < len(ids) else None

    def number_at(self, position: QPoint) -> int | None:
        """Return the picture at a position of the viewport."""
        return self._layout.number_at(position + QPoint(0, self.scroll_y))

    def scroll_to_current(self) -> None:
        """Scroll as far as needed to see the current picture, with its day's heading if it is in the first row."""
        number = self.current_number()
        if number is None or number >= self._layout.count:
            return
        cell, bar = self._layout.rect(number), self.verticalScrollBar()
        first_row = any(cell.top() == rect.bottom() + 1 for _, rect in self._layout.headings(cell.top(), cell.top()))
        top = cell.top() - (cell.height() // 4 if not first_row else 48)
        if top < self.scroll_y:
            bar.setValue(top)
        elif cell.bottom() + 16 > self.scroll_y + self.viewport().height():
            bar.setValue(cell.bottom() + 16 - self.viewport().height())

    # events

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            number = self.number_at(event.pos())
            entry = None if number is None else self._entries.entry_at(number)
            QToolTip.showText(event.globalPos(), "" if entry is None else plain_text_tooltip(describe_entry(entry)))
            return True
        if self._mouse.handle_event(event):
            return True
        return super().viewportEvent(event)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and self._keys.takes(event):
            event.accept()
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._keys.handle(event):
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        number = self.current_number()
        if event.reason() == QContextMenuEvent.Reason.Keyboard and number is not None:
            self.scroll_to_current()
            middle = self._layout.rect(number).center() - QPoint(0, self.scroll_y)
            self.menu_requested.emit(self.viewport().mapToGlobal(middle))
        elif event.reason() != QContextMenuEvent.Reason.Keyboard and self.number_at(event.pos()) is not None:
            self.menu_requested.emit(event.globalPos())

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self._update_current()
        if self.current is None and self._entries.ids:
            self.change_selection(lambda selection: selection.move_current(self._entries.ids[0]))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self._update_current()

    # painting

    def _update_current(self) -> None:
        number = self.current_number()
        if number is not None:
            self._update_cell(number)

    def _update_cell(self, number: int) -> None:
        if number < self._layout.count:
            self.viewport().update(self._layout.rect(number).translated(0, -self.scroll_y))

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        palette = self.palette()
        exposed = event.rect()
        painter.fillRect(exposed, palette.color(QPalette.ColorRole.Dark))
        painter.translate(0, -self.scroll_y)
        exposed.translate(0, self.scroll_y)
        self._paint_headings(painter, exposed, palette)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        for number in self._layout.numbers_in(exposed):
            self._paint_cell(painter, number, palette)

    def _paint_headings(self, painter: QPainter, exposed: QRect, palette: QPalette) -> None:
        bold = QFont(self.font())
        bold.setWeight(QFont.Weight.DemiBold)
        for group, rect in self._layout.headings(exposed.top(), exposed.bottom()):
            painter.setFont(bold)
            painter.setPen(palette.color(QPalette.ColorRole.WindowText))
            baseline = rect.adjusted(0, 8, 0, 0)
            painter.drawText(baseline, Qt.AlignmentFlag.AlignVCenter, group.title)
            used = painter.fontMetrics().horizontalAdvance(group.title) + 8
            painter.setFont(self.font())
            painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
            painter.drawText(
                baseline.adjusted(used, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, QLocale().toString(group.count)
            )

    def _paint_cell(self, painter: QPainter, number: int, palette: QPalette) -> None:
        entry_id = self.id_at(number)
        entry = self._entries.entry_at(number)
        thumbnail = None if entry is None else self._thumbnails.thumbnail(entry.file)
        state = CellState(
            selected=entry_id in self._selection.selected,
            focused=self.hasFocus() and entry_id == self._selection.current,
        )
        paint_cell(painter, self._layout.rect(number), entry, thumbnail, state, palette)

    def is_missing(self, entry: HistoryEntry) -> bool:
        """Whether the file of a visible entry was found missing when its thumbnail was read."""
        return self._thumbnails.thumbnail(entry.file) is Unavailable.MISSING
