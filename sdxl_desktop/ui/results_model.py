"""The session's results as a Qt list model: thumbnails, tooltips and drag data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import QAbstractListModel, QMimeData, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QPixmap

from sdxl_desktop.session.compositing import same_drawing
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.session.result_kind import ResultKind, result_kind
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

THUMBNAIL_SIDE = 72
"""Longer side of a thumbnail in logical pixels; stored at twice that for high-DPI displays."""

KIND_ROLE = int(Qt.ItemDataRole.UserRole)
"""Role of a result's `ResultKind`."""
UNSAVED_ROLE = KIND_ROLE + 1
"""Role of whether a result could not be written."""

ModelIndex = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()


class ResultListModel(QAbstractListModel):
    """Mirrors the session's list of results; `mime` converts one to drag data."""

    def __init__(self, mime: Callable[[Result], QMimeData], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mime = mime
        self._results: tuple[Result, ...] = ()
        self._thumbnails: dict[int, QPixmap] = {}
        self.edit_source_digest: str | None = None
        """The digest of the picture on the canvas, None if there is none."""

    def update(self, results: Sequence[Result]) -> bool:
        """Update from the session; return whether a result of this session was appended."""
        new, old = tuple(results), self._results
        if len(new) == len(old) and all(map(same_drawing, new, old)):
            return self._update_in_place(new)
        if len(new) > len(old) and all(map(same_drawing, new, old)):
            self.beginInsertRows(_ROOT, len(old), len(new) - 1)
            self._results = new
            self.endInsertRows()
            return not new[-1].is_earlier
        row = _first_differing_row(new, old)
        if len(new) == len(old) - 1 and all(map(same_drawing, new[row:], old[row + 1 :])):
            self.beginRemoveRows(_ROOT, row, row)
            self._results = new
            self._prune_thumbnails()
            self.endRemoveRows()
            return False
        if len(new) == len(old) + 1 and all(map(same_drawing, new[row + 1 :], old[row:])):
            self.beginInsertRows(_ROOT, row, row)
            self._results = new
            self.endInsertRows()
            return False
        return self._reset(new)

    def _update_in_place(self, new: tuple[Result, ...]) -> bool:
        """Handle the same drawings, some reblended or saved to a file."""
        old, self._results = self._results, new
        self._prune_thumbnails()
        for row, (one, other) in enumerate(zip(new, old, strict=True)):
            if one is not other:
                self.dataChanged.emit(self.index(row), self.index(row))
        return False

    def _reset(self, new: tuple[Result, ...]) -> bool:
        old, self._results = self._results, new
        self.beginResetModel()
        self._prune_thumbnails()
        self.endResetModel()
        return bool(new) and not new[-1].is_earlier and (not old or new[-1].picture is not old[-1].picture)

    def _prune_thumbnails(self) -> None:
        kept = {id(result.picture) for result in self._results}
        self._thumbnails = {key: pixmap for key, pixmap in self._thumbnails.items() if key in kept}

    def set_edit_source_digest(self, digest: str | None) -> None:
        """Set the picture on the canvas, which determines which results are candidates."""
        if digest != self.edit_source_digest:
            self.edit_source_digest = digest
            if self._results:
                self.dataChanged.emit(self.index(0), self.index(len(self._results) - 1))

    def is_candidate(self, row: int) -> bool:
        """Whether the result in `row` was generated from the picture on the canvas."""
        result = self.result(row)
        return result is not None and result_kind(result, self.edit_source_digest) is ResultKind.CANDIDATE

    def result(self, row: int) -> Result | None:
        return self._results[row] if 0 <= row < len(self._results) else None

    def row_of(self, result: Result) -> int:
        """Return the row of the result with this drawing, -1 if it was removed."""
        return next((row for row, own in enumerate(self._results) if same_drawing(own, result)), -1)

    def rowCount(self, parent: ModelIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._results)

    def data(self, index: ModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        result = self.result(index.row())
        if result is None:
            return None
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnail(result)
        match role:
            case Qt.ItemDataRole.ToolTipRole:
                return plain_text_tooltip(result_description(result, self.edit_source_digest))
            case Qt.ItemDataRole.AccessibleTextRole:
                return result_description(result, self.edit_source_digest)
            case r if r == KIND_ROLE:
                return result_kind(result, self.edit_source_digest)
            case r if r == UNSAVED_ROLE:
                return result.problem is not None
        return None

    def flags(self, index: ModelIndex) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list"]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        result = self.result(indexes[0].row()) if indexes else None
        return self._mime(result) if result else QMimeData()

    def _thumbnail(self, result: Result) -> QPixmap:
        key = id(result.picture)
        if key not in self._thumbnails:
            pixmap = QPixmap.fromImage(
                to_image(result.picture.pixels).scaled(
                    2 * THUMBNAIL_SIDE,
                    2 * THUMBNAIL_SIDE,
                    Qt.AspectRatioMode.KeepAspectRatio,
                    Qt.TransformationMode.SmoothTransformation,
                )
            )
            pixmap.setDevicePixelRatio(2)
            self._thumbnails[key] = pixmap
        return self._thumbnails[key]


def result_description(result: Result, edit_source_digest: str | None) -> str:
    """Describe a result, one fact per line; `edit_source_digest` as in `result_kind`."""
    lines = [
        result.request.prompts.prompt or "No prompt",
        f"Seed {result.picture.seed}",
        result_kind(result, edit_source_digest).value,
    ]
    if result.problem is not None:
        lines.append(f"Not saved: {result.problem.what} {result.problem.why}".rstrip())
    return "\n".join(line for line in lines if line)


def _first_differing_row(new: tuple[Result, ...], old: tuple[Result, ...]) -> int:
    """Return the first row with different drawings; if there is none, the shorter length."""
    pairs = enumerate(zip(new, old, strict=False))
    return next((row for row, (one, other) in pairs if not same_drawing(one, other)), min(len(new), len(old)))
