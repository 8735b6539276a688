"""The queue as a Qt list model: rows in the order in which they are drawn, moved by drag and drop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QPixmap

from sdxl_desktop.core.raster import Raster
from sdxl_desktop.session.current_run import CurrentRun
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.queue_item import ItemState, QueueItem
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.queue.queue_formatting import item_facts, prompt_line
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

THUMBNAIL_SIDE = 44
"""Longer side of a thumbnail in logical pixels."""
FACTS_ROLE = int(Qt.ItemDataRole.UserRole)
PROGRESS_ROLE = FACTS_ROLE + 1
"""Role of the done fraction in [0, 1] of the item that runs, -1 while it is unknown; None for others."""
FAILED_ROLE = FACTS_ROLE + 2
_MIME = "application/x-sdxl-desktop-queue"
_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class QueueModel(QAbstractListModel):
    """Mirrors the queue of `session`. `checkpoint_title` names the checkpoint in a folder. `move_requested` carries the
    ids of dropped items and the row before which they are dropped."""

    move_requested = Signal(object, int)

    def __init__(
        self, session: GenerationSession, checkpoint_title: Callable[[Path], str], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._checkpoint_title = session, checkpoint_title
        self._shown: tuple[object, ...] = ()
        self._items: tuple[QueueItem, ...] = ()
        self._thumbnails: dict[str, tuple[object, QPixmap]] = {}

    def update(self) -> None:
        """Follow the session; the rows are reset only if the queue has changed."""
        session = self._session
        now = (session.queue, session.loaded)
        if len(self._shown) == len(now) and all(one is other for one, other in zip(now, self._shown, strict=True)):
            if self._items and self._items[0].state is ItemState.RUNNING:
                self.dataChanged.emit(self.index(0), self.index(0))
            return
        self._shown = now
        items = session.queue.listed(session.loaded)
        if [one.id for one in items] == [one.id for one in self._items]:
            self._items = items
            self.dataChanged.emit(self.index(0), self.index(max(0, len(items) - 1)))
            return
        self.beginResetModel()
        self._items = items
        ids = {item.id for item in items}
        self._thumbnails = {key: value for key, value in self._thumbnails.items() if key in ids}
        self.endResetModel()

    @property
    def items(self) -> tuple[QueueItem, ...]:
        return self._items

    def item_at(self, row: int) -> QueueItem | None:
        return self._items[row] if 0 <= row < len(self._items) else None

    def row_of(self, item_id: str) -> int:
        return next((row for row, item in enumerate(self._items) if item.id == item_id), -1)

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        item = self.item_at(index.row())
        if item is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return prompt_line(item.request)
            case Qt.ItemDataRole.ToolTipRole:
                return plain_text_tooltip(f"{prompt_line(item.request)}\n{item.error or self._facts(item)}")
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{prompt_line(item.request)}, {self._facts(item)}"
            case Qt.ItemDataRole.DecorationRole:
                return self._thumbnail(item)
            case r if r == FACTS_ROLE:
                return self._facts(item)
            case r if r == PROGRESS_ROLE:
                run = self._run_of(item)
                fraction = None if run is None else run.progress.fraction
                return None if run is None else -1.0 if fraction is None else fraction
            case r if r == FAILED_ROLE:
                return item.state is ItemState.FAILED
        return None

    def _run_of(self, item: QueueItem) -> CurrentRun | None:
        run = self._session.run
        return run if run is not None and run.item_id == item.id else None

    def _facts(self, item: QueueItem) -> str:
        return item_facts(item, self._checkpoint_title(item.request.checkpoint), self._session.run)

    def _thumbnail(self, item: QueueItem) -> QPixmap | None:
        """Return the preview of the item that runs, else the picture that it is drawn on."""
        run = self._run_of(item)
        source: object = None if run is None else run.preview
        if source is None and item.request.edit is not None and item.request.edit.picture.pixels is not None:
            source = item.request.edit.picture
        if source is None:
            return None
        known = self._thumbnails.get(item.id)
        if known is None or known[0] is not source:
            pixels = source.array if isinstance(source, Raster) else source
            side = 2 * THUMBNAIL_SIDE
            image = to_image(pixels).scaled(  # type: ignore[arg-type]
                side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            image.setDevicePixelRatio(2)
            known = self._thumbnails[item.id] = source, QPixmap.fromImage(image)
        return known[1]

    # drag and drop

    def flags(self, index: _Index) -> Qt.ItemFlag:
        item = self.item_at(index.row())
        if item is None:
            return Qt.ItemFlag.ItemIsDropEnabled
        movable = item.state is not ItemState.RUNNING
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        return flags | Qt.ItemFlag.ItemIsDragEnabled if movable else flags

    def supportedDropActions(self) -> Qt.DropAction:
        return Qt.DropAction.MoveAction

    def mimeTypes(self) -> list[str]:
        return [_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        rows = sorted(index.row() for index in indexes)
        data = QMimeData()
        data.setData(_MIME, json.dumps([item.id for row in rows if (item := self.item_at(row))]).encode())
        return data

    def dropMimeData(self, data: QMimeData, action: Qt.DropAction, row: int, column: int, parent: _Index) -> bool:
        """Ask for the move. The rows follow the session, so the view must not remove those that were dragged: False."""
        if data.hasFormat(_MIME):
            ids = json.loads(bytes(data.data(_MIME).data()))
            self.move_requested.emit(ids, row if row >= 0 else len(self._items))
        return False
