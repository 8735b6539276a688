"""The strip of this session's results: a row of thumbnails, navigated with the arrow keys or dragged out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPalette, QPen, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from sdxl_desktop.session.result_kind import ResultKind
from sdxl_desktop.ui.results_model import KIND_ROLE, THUMBNAIL_SIDE, UNSAVED_ROLE, ResultListModel

_CELL_SIZE = THUMBNAIL_SIDE + 16
_BADGE_SIZE = 16
_IGNORED_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Delete)


class _ThumbnailDelegate(QStyledItemDelegate):
    def sizeHint(self, _: QStyleOptionViewItem, __: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(_CELL_SIZE, _CELL_SIZE)

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
        self._paint_marks(painter, index, place, palette)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Accent), 2))
            painter.drawRect(place.adjusted(-3, -3, 2, 2))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(palette.color(QPalette.ColorRole.Mid), 1))
            painter.drawRect(place.adjusted(-3, -3, 2, 2))

    def _paint_marks(
        self, painter: QPainter, index: QModelIndex | QPersistentModelIndex, rect: QRect, palette: QPalette
    ) -> None:
        """Underline a candidate for the picture on the canvas; put a badge on a result that could not be saved."""
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if index.data(KIND_ROLE) is ResultKind.CANDIDATE:
            painter.setBrush(palette.color(QPalette.ColorRole.Accent))
            painter.drawRoundedRect(QRect(rect.left(), rect.bottom() + 5, rect.width(), 3), 1.5, 1.5)
        if index.data(UNSAVED_ROLE):
            badge = QRect(rect.right() - _BADGE_SIZE + 4, rect.top() - 4, _BADGE_SIZE, _BADGE_SIZE)
            painter.setBrush(palette.color(QPalette.ColorRole.BrightText))
            painter.drawEllipse(badge)
            painter.setPen(palette.color(QPalette.ColorRole.Base))
            painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, "!")
        painter.restore()


class ResultStrip(QListView):
    """Emits `row_selected` and `row_activated` when the user does so, and `context_menu_requested` with a row and a
    global position."""

    row_selected = Signal(int)
    row_activated = Signal(int)
    context_menu_requested = Signal(int, QPoint)

    def __init__(self, model: ResultListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._signals_muted = False
        self.setObjectName("strip")
        self.setModel(model)
        self.setItemDelegate(_ThumbnailDelegate(self))
        self._configure_view()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._request_menu)
        self.selectionModel().currentChanged.connect(self._handle_current_changed)
        self.activated.connect(lambda index: self.row_activated.emit(index.row()))

    def _configure_view(self) -> None:
        self.setAccessibleName("Results")
        self.setFlow(QListView.Flow.LeftToRight)
        self.setWrapping(False)
        self.setUniformItemSizes(True)
        self.setFixedHeight(_CELL_SIZE + 16)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setDefaultDropAction(Qt.DropAction.CopyAction)
        self.setMouseTracking(True)

    def select_row(self, row: int) -> None:
        """Select `row` (-1: none) without emitting."""
        index = self.model().index(row, 0)
        with self.mute_signals():
            if row < 0:
                self.clearSelection()
                self.selectionModel().clearCurrentIndex()
            else:
                self.setCurrentIndex(index)
                self.scrollTo(index)

    @contextmanager
    def mute_signals(self) -> Iterator[None]:
        """Context manager: emit nothing, since the change is not the user's."""
        before, self._signals_muted = self._signals_muted, True
        try:
            yield
        finally:
            self._signals_muted = before

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in _IGNORED_KEYS:
            event.ignore()
        else:
            super().keyPressEvent(event)

    def current_row(self) -> int:
        return self.currentIndex().row()

    def _handle_current_changed(self, index: QModelIndex) -> None:
        if not self._signals_muted and index.isValid():
            self.row_selected.emit(index.row())

    def _request_menu(self, position: QPoint) -> None:
        index = self.indexAt(position)
        if index.isValid():
            self.context_menu_requested.emit(index.row(), self.viewport().mapToGlobal(position))
