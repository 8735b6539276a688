"""The strip of this sitting's results: one row of thumbnails to walk with the arrow keys or drag out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from sdxl_desktop.session.candidates import Kind
from sdxl_desktop.ui.results_model import KIND, THUMBNAIL, UNSAVED, ResultListModel

_CELL = THUMBNAIL + 16
_BADGE = 16
_LEFT_TO_THE_STAGE = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete)


class _ThumbnailDelegate(QStyledItemDelegate):
    def sizeHint(self, _: QStyleOptionViewItem, __: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(_CELL, _CELL)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        pixmap = index.data(Qt.ItemDataRole.DecorationRole)
        if not isinstance(pixmap, QPixmap):
            return
        cell: QRect = option.rect
        state: QStyle.StateFlag = option.state
        size = pixmap.deviceIndependentSize().toSize()
        place = QRect(QPoint(0, 0), size)
        place.moveCenter(cell.center())
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(place, pixmap)
        palette: QPalette = option.palette
        self._mark(painter, index, place, palette)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), 2))
            painter.drawRect(place.adjusted(-3, -3, 2, 2))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1))
            painter.drawRect(place.adjusted(-3, -3, 2, 2))

    def _mark(
        self, painter: QPainter, index: QModelIndex | QPersistentModelIndex, place: QRect, palette: QPalette
    ) -> None:
        """A line under a candidate for the picture on the canvas; a badge on what could not be saved."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if index.data(KIND) is Kind.CANDIDATE:
            painter.setBrush(palette.color(QPalette.ColorRole.Accent))
            painter.drawRoundedRect(QRect(place.left(), place.bottom() + 5, place.width(), 3), 1.5, 1.5)
        if index.data(UNSAVED):
            badge = QRect(place.right() - _BADGE + 4, place.top() - 4, _BADGE, _BADGE)
            painter.setBrush(palette.color(QPalette.ColorRole.BrightText))
            painter.drawEllipse(badge)
            painter.setPen(palette.color(QPalette.ColorRole.Base))
            painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, "!")
        painter.restore()


class ResultStrip(QListView):
    """Emits `chosen` with the row the person went to, and `menu_wanted` with a row and a place on the screen."""

    chosen = Signal(int)
    opened = Signal(int)
    menu_wanted = Signal(int, QPoint)

    def __init__(self, model: ResultListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._quiet = False
        self.setObjectName("strip")
        self.setModel(model)
        self.setItemDelegate(_ThumbnailDelegate(self))
        self._look_like_a_strip()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._ask_for_menu)
        self.selectionModel().currentChanged.connect(self._moved)
        self.activated.connect(lambda index: self.opened.emit(index.row()))

    def _look_like_a_strip(self) -> None:
        self.setAccessibleName("Results")
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setFixedHeight(_CELL + 16)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setDefaultDropAction(Qt.DropAction.CopyAction)
        self.setMouseTracking(True)

    def show_row(self, row: int) -> None:
        """Mark `row` (-1: none) without emitting."""
        index = self.model().index(row, 0)
        with self.quiet():
            if row < 0:
                self.clearSelection()
                self.selectionModel().clearCurrentIndex()
            else:
                self.setCurrentIndex(index)
                self.scrollTo(index)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Emit nothing within: it is not the person who moves."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def keyPressEvent(self, key: QKeyEvent) -> None:
        if key.key() in _LEFT_TO_THE_STAGE:
            key.ignore()
        else:
            super().keyPressEvent(key)

    def current_row(self) -> int:
        return self.currentIndex().row()

    def _moved(self, index: QModelIndex) -> None:
        if not self._quiet and index.isValid():
            self.chosen.emit(index.row())

    def _ask_for_menu(self, place: QPoint) -> None:
        index = self.indexAt(place)
        if index.isValid():
            self.menu_wanted.emit(index.row(), self.viewport().mapToGlobal(place))
