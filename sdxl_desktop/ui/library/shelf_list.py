"""The list of what is there: a Qt model of the shelf, and how a line of it is painted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPalette
from PySide6.QtWidgets import QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from sdxl_desktop.session.shelf import Shelved
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.widgets.plain import plain_tip

_LINE_HEIGHT, _PAD = 56, 12
_USABLE = int(Qt.ItemDataRole.UserRole)
_DETAIL = _USABLE + 1
_CHOSEN = _USABLE + 2
_Index = QModelIndex | QPersistentModelIndex


class ShelfListModel(QAbstractListModel):
    """A row for each checkpoint; the one that draws now is marked."""

    def __init__(self) -> None:
        super().__init__()
        self._shelf: tuple[Shelved, ...] = ()
        self._chosen: Path | None = None

    def show_shelf(self, shelf: Sequence[Shelved]) -> None:
        self.beginResetModel()
        self._shelf = tuple(shelf)
        self.endResetModel()

    def show_chosen(self, folder: Path | None) -> None:
        """Mark the checkpoint in `folder` as the one that draws."""
        if folder != self._chosen:
            self._chosen = folder
            self.dataChanged.emit(self.index(0), self.index(max(0, len(self._shelf) - 1)))

    def shelved(self, row: int) -> Shelved | None:
        return self._shelf[row] if 0 <= row < len(self._shelf) else None

    def row_of(self, folder: Path) -> int:
        return next((row for row, line in enumerate(self._shelf) if line.folder == folder), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._shelf)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        line = self.shelved(index.row())
        if line is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return line.title
            case Qt.ItemDataRole.ToolTipRole:
                return plain_tip(str(line.folder))
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{line.title}, {detail(line)}" + (", draws now" if line.folder == self._chosen else "")
            case r if r == _USABLE:
                return line.usable
            case r if r == _DETAIL:
                return detail(line)
            case r if r == _CHOSEN:
                return line.folder == self._chosen
        return None


def detail(line: Shelved) -> str:
    """The second line: what it is, how large, when it was used; or what is wrong."""
    if line.holding is None:
        return "Missing: its folder is gone"
    if line.holding.checkpoint is None:
        return "Cannot be used: it is damaged or not whole"
    facts = (words.kind_line(line.holding), words.size(line.holding.bytes), words.used(line.last_used))
    return " · ".join(fact for fact in facts if fact)


class _Painter(QStyledItemDelegate):
    """Two lines on a rounded ground; greyed where it cannot be used, a dot where it draws now."""

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
        self._write(painter, option, index, place.adjusted(_PAD, 6, -_PAD, -6))
        painter.restore()

    def _write(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index, place: QRect) -> None:
        palette: QPalette = option.palette
        font = QFont(option.font)
        usable = bool(index.data(_USABLE))
        if index.data(_CHOSEN):
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Accent))
            painter.drawEllipse(place.right() - 8, place.top() + 6, 8, 8)
        height = place.height() // 2
        first = QRect(place.left(), place.top(), place.width() - 16, height)
        second = QRect(place.left(), place.top() + height, place.width(), height)
        name = QFont(font)
        name.setWeight(QFont.Weight.DemiBold)
        muted = palette.color(QPalette.ColorRole.PlaceholderText)
        for text, where, style, colour in (
            (index.data(), first, name, palette.color(QPalette.ColorRole.WindowText) if usable else muted),
            (index.data(_DETAIL), second, font, muted),
        ):
            painter.setFont(style)
            painter.setPen(colour)
            room = painter.fontMetrics().elidedText(str(text), Qt.TextElideMode.ElideRight, where.width())
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, room)


class ShelfList(QListView):
    """Emits `chosen` when another line becomes the current one, and `activated` of Qt for Enter and a double click."""

    chosen = Signal(object)
    """Shelved, or None"""

    def __init__(self, shelf: ShelfListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("holdings")
        self.setAccessibleName("Checkpoints")
        self.setModel(shelf)
        self.setItemDelegate(_Painter(self))
        self.setMouseTracking(True)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._lines = shelf

    def currentChanged(
        self, current: QModelIndex | QPersistentModelIndex, previous: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().currentChanged(current, previous)
        self.chosen.emit(self._lines.shelved(current.row()) if current.isValid() else None)

    def current(self) -> Shelved | None:
        return self._lines.shelved(self.currentIndex().row()) if self.currentIndex().isValid() else None

    def show_current(self, folder: Path) -> None:
        """Make the line of `folder` the current one, if there is one."""
        row = self._lines.row_of(folder)
        if row >= 0:
            self.setCurrentIndex(self._lines.index(row))
