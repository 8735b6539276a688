"""The list of installed checkpoints: a Qt model of the library, and the delegate that paints its rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPalette
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from sdxl_desktop.session.library_list import LibraryItem
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

_LINE_HEIGHT, _PADDING = 56, 12
_USABLE_ROLE = int(Qt.ItemDataRole.UserRole)
_DETAIL_ROLE = _USABLE_ROLE + 1
_SELECTED_ROLE = _USABLE_ROLE + 2
_Index = QModelIndex | QPersistentModelIndex


class CheckpointListModel(QAbstractListModel):
    """A row for each checkpoint; the selected checkpoint is marked."""

    def __init__(self) -> None:
        super().__init__()
        self._entries: tuple[LibraryItem, ...] = ()
        self._selected_folder: Path | None = None

    def set_entries(self, entries: Sequence[LibraryItem]) -> None:
        self.beginResetModel()
        self._entries = tuple(entries)
        self.endResetModel()

    def set_selected(self, folder: Path | None) -> None:
        """Mark the checkpoint in `folder` as the selected one."""
        if folder != self._selected_folder:
            self._selected_folder = folder
            self.dataChanged.emit(self.index(0), self.index(max(0, len(self._entries) - 1)))

    def entry_at(self, row: int) -> LibraryItem | None:
        return self._entries[row] if 0 <= row < len(self._entries) else None

    def row_of(self, folder: Path) -> int:
        return next((row for row, line in enumerate(self._entries) if line.folder == folder), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._entries)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        line = self.entry_at(index.row())
        if line is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return line.title
            case Qt.ItemDataRole.ToolTipRole:
                return plain_text_tooltip(str(line.folder))
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{line.title}, {detail_text(line)}" + (
                    ", draws now" if line.folder == self._selected_folder else ""
                )
            case r if r == _USABLE_ROLE:
                return line.is_usable
            case r if r == _DETAIL_ROLE:
                return detail_text(line)
            case r if r == _SELECTED_ROLE:
                return line.folder == self._selected_folder
        return None


def detail_text(entry: LibraryItem) -> str:
    """Return the second line: kind, size and last use, or the problem."""
    if entry.installed is None:
        return "Missing: its folder is gone"
    if entry.installed.checkpoint is None:
        return "Cannot be used: it is damaged or not whole"
    facts = (
        library_formatting.family_and_format(entry.installed),
        library_formatting.format_size(entry.installed.bytes),
        library_formatting.format_last_used(entry.last_used),
    )
    return " · ".join(fact for fact in facts if fact)


class _CheckpointItemDelegate(QStyledItemDelegate):
    """Paints two lines on a rounded background: greyed if unusable, with a dot if selected for generation."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(200, max(_LINE_HEIGHT, 2 * option.fontMetrics.height() + 20))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        palette: QPalette = option.palette
        place: QRect = option.rect.adjusted(2, 2, -2, -2)
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(
                palette.color(QPalette.ColorRole.Accent)
                if state & QStyle.StateFlag.State_HasFocus and selected
                else Qt.PenStyle.NoPen
            )
            painter.setBrush(palette.color(QPalette.ColorRole.Light if selected else QPalette.ColorRole.Button))
            painter.drawRoundedRect(place, 6, 6)
        self._paint_text(painter, option, index, place.adjusted(_PADDING, 6, -_PADDING, -6))
        painter.restore()

    def _paint_text(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index, rect: QRect) -> None:
        palette: QPalette = option.palette
        font = QFont(option.font)
        usable = bool(index.data(_USABLE_ROLE))
        if index.data(_SELECTED_ROLE):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Accent))
            painter.drawEllipse(rect.right() - 8, rect.top() + 6, 8, 8)
        height = rect.height() // 2
        first = QRect(rect.left(), rect.top(), rect.width() - 16, height)
        second = QRect(rect.left(), rect.top() + height, rect.width(), height)
        name = QFont(font)
        name.setWeight(QFont.Weight.DemiBold)
        muted = palette.color(QPalette.ColorRole.PlaceholderText)
        for text, where, style, colour in (
            (index.data(), first, name, palette.color(QPalette.ColorRole.WindowText) if usable else muted),
            (index.data(_DETAIL_ROLE), second, font, muted),
        ):
            painter.setFont(style)
            painter.setPen(colour)
            room = painter.fontMetrics().elidedText(str(text), Qt.TextElideMode.ElideRight, where.width())
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, room)


class CheckpointListView(QListView):
    """Emits `entry_selected` when the current row changes, and Qt's `activated` for Enter and a double click."""

    entry_selected = Signal(object)
    """LibraryItem, or None"""

    def __init__(self, model: CheckpointListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("checkpointList")
        self.setAccessibleName("Checkpoints")
        self.setModel(model)
        self.setItemDelegate(_CheckpointItemDelegate(self))
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._model = model

    def currentChanged(
        self, current: QModelIndex | QPersistentModelIndex, previous: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().currentChanged(current, previous)
        self.entry_selected.emit(self._model.entry_at(current.row()) if current.isValid() else None)

    def current_entry(self) -> LibraryItem | None:
        return self._model.entry_at(self.currentIndex().row()) if self.currentIndex().isValid() else None

    def select_folder(self, folder: Path) -> None:
        """Make the row of `folder` the current one, if it exists."""
        row = self._model.row_of(folder)
        if row >= 0:
            self.setCurrentIndex(self._model.index(row))
