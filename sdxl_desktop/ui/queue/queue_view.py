"""The list view of the queue: painted rows, drag and drop, keys and the context menu."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QKeyEvent, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from sdxl_desktop.session.queue.queue_item import QueueItem
from sdxl_desktop.ui.queue.queue_model import FACTS_ROLE, FAILED_ROLE, PROGRESS_ROLE, THUMBNAIL_SIDE, QueueModel

_LINE_HEIGHT, _PADDING = 60, 8
_Index = QModelIndex | QPersistentModelIndex


class _QueueItemDelegate(QStyledItemDelegate):
    """Paints a thumbnail, two lines, and a progress bar on a rounded background."""

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return QSize(200, max(_LINE_HEIGHT, 2 * option.fontMetrics.height() + 24))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        palette: QPalette = option.palette
        place: QRect = option.rect.adjusted(2, 2, -2, -2)
        state: QStyle.StateFlag = option.state
        selected = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if selected or state & QStyle.StateFlag.State_MouseOver:
            has_focus = selected and bool(state & QStyle.StateFlag.State_HasFocus)
            painter.setPen(palette.color(QPalette.ColorRole.Accent) if has_focus else Qt.PenStyle.NoPen)
            painter.setBrush(palette.color(QPalette.ColorRole.Light if selected else QPalette.ColorRole.Button))
            painter.drawRoundedRect(place, 6, 6)
        inner = place.adjusted(_PADDING, 6, -_PADDING, -6)
        self._paint_thumbnail(painter, palette, index, QRect(inner.left(), inner.top(), THUMBNAIL_SIDE, inner.height()))
        inner.setLeft(inner.left() + THUMBNAIL_SIDE + 10)
        self._paint_text(painter, option, index, inner)
        self._paint_progress(painter, palette, index.data(PROGRESS_ROLE), inner)
        painter.restore()

    def _paint_thumbnail(self, painter: QPainter, palette: QPalette, index: _Index, rect: QRect) -> None:
        pixmap = index.data(Qt.ItemDataRole.DecorationRole)
        if isinstance(pixmap, QPixmap):
            place = QRect(QPoint(0, 0), pixmap.deviceIndependentSize().toSize())
            place.moveCenter(rect.center())
            painter.drawPixmap(place, pixmap)
            return
        square = QRect(0, 0, 36, 36)
        square.moveCenter(rect.center())
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Midlight))
        painter.drawRoundedRect(square, 6, 6)
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(square, Qt.AlignmentFlag.AlignCenter, str(index.row() + 1))

    def _paint_text(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index, rect: QRect) -> None:
        palette: QPalette = option.palette
        height = rect.height() // 2
        first = QRect(rect.left(), rect.top(), rect.width(), height)
        second = QRect(rect.left(), rect.top() + height, rect.width(), height)
        prompt = QFont(option.font)
        prompt.setWeight(QFont.Weight.DemiBold)
        roles = QPalette.ColorRole
        muted = palette.color(roles.BrightText if index.data(FAILED_ROLE) else roles.PlaceholderText)
        for text, where, font, colour in (
            (index.data(), first, prompt, palette.color(roles.WindowText)),
            (index.data(FACTS_ROLE), second, option.font, muted),
        ):
            painter.setFont(font)
            painter.setPen(colour)
            room = painter.fontMetrics().elidedText(str(text), Qt.TextElideMode.ElideRight, where.width())
            painter.drawText(where, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, room)

    def _paint_progress(self, painter: QPainter, palette: QPalette, fraction: float | None, rect: QRect) -> None:
        if fraction is None:
            return
        track = QRectF(rect.left(), rect.bottom() + 1, rect.width(), 3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(palette.color(QPalette.ColorRole.Midlight))
        painter.drawRoundedRect(track, 1.5, 1.5)
        painter.setBrush(palette.color(QPalette.ColorRole.Accent))
        track.setWidth(track.width() * max(0.0, fraction))
        painter.drawRoundedRect(track, 1.5, 1.5)


class QueueView(QListView):
    """Keys: Enter edits, Delete removes, Alt+Up and Alt+Down move. Emits what is asked for, with the ids of the
    selected items; `menu_requested` with a global position."""

    edit_requested = Signal(str)
    remove_requested = Signal(object)
    shift_requested = Signal(object, int)
    menu_requested = Signal(QPoint)

    def __init__(self, model: QueueModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setObjectName("queueList")
        self.setAccessibleName("Queue")
        self.setModel(model)
        self.setItemDelegate(_QueueItemDelegate(self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setFrameShape(QListView.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragDrop)
        self.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.setDragDropOverwriteMode(False)
        self.setDropIndicatorShown(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._request_menu)
        self.doubleClicked.connect(lambda index: self._edit(self._model.item_at(index.row())))
        self._kept_selection: tuple[list[str], str, int] = ([], "", -1)
        model.modelAboutToBeReset.connect(self._keep_selection)
        model.modelReset.connect(self._restore_selection)

    def selected_ids(self) -> list[str]:
        """The ids of the selected items, in the order of the list."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return [item.id for row in rows if (item := self._model.item_at(row)) is not None]

    def current_item(self) -> QueueItem | None:
        return self._model.item_at(self.currentIndex().row()) if self.currentIndex().isValid() else None

    def select(self, item_ids: list[str]) -> None:
        """Select these items, the first of them as the current one."""
        model = self.selectionModel()
        model.clearSelection()
        for number, row in enumerate(row for one in item_ids if (row := self._model.row_of(one)) >= 0):
            if number == 0:
                model.setCurrentIndex(self._model.index(row), model.SelectionFlag.Select)
            model.select(self._model.index(row), model.SelectionFlag.Select)

    def _keep_selection(self) -> None:
        current = self.current_item()
        self._kept_selection = self.selected_ids(), "" if current is None else current.id, self.currentIndex().row()

    def _restore_selection(self) -> None:
        """Select the same items again; if they are gone, the one that took their place."""
        ids, current, row = self._kept_selection
        present = [one for one in ids if self._model.row_of(one) >= 0]
        if present:
            self.select(sorted(present, key=lambda one: one != current))
        elif ids and (item := self._model.item_at(min(row, len(self._model.items) - 1))) is not None:
            self.select([item.id])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        ids = self.selected_ids()
        alt = event.modifiers() == Qt.KeyboardModifier.AltModifier
        match event.key():
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self._edit(self.current_item())
            case Qt.Key.Key_Delete | Qt.Key.Key_Backspace if ids:
                self.remove_requested.emit(ids)
            case Qt.Key.Key_Up if alt and ids:
                self.shift_requested.emit(ids, -1)
            case Qt.Key.Key_Down if alt and ids:
                self.shift_requested.emit(ids, 1)
            case _:
                super().keyPressEvent(event)

    def _edit(self, item: QueueItem | None) -> None:
        if item is not None:
            self.edit_requested.emit(item.id)

    def _request_menu(self, position: QPoint) -> None:
        if self.selected_ids():
            self.menu_requested.emit(self.viewport().mapToGlobal(position))
