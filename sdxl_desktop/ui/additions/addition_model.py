"""The list of LoRAs and embeddings: a Qt model with thumbnails that are read as they come into view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial

from PySide6.QtCore import QAbstractListModel, QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QApplication

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.addition_detection import AdditionKind
from sdxl_desktop.library.additions.addition_entry import AdditionEntry, TrainedModel
from sdxl_desktop.library.additions.thumbnails import read_thumbnail
from sdxl_desktop.session.addition_library import matches_words
from sdxl_desktop.ui.qt_images import to_image
from sdxl_desktop.ui.widgets.plain_text import plain_text_tooltip

THUMBNAIL_SIDE = 112
_MAX_THUMBNAILS = 400
"""In memory: 15 MB."""
_MAX_READS = 4
"""Thumbnails that are read at the same time."""
_Index = QModelIndex | QPersistentModelIndex


class AdditionModel(QAbstractListModel):
    """A row for each entry that contains the words searched for."""

    def __init__(self, background: BackgroundRunner) -> None:
        super().__init__()
        self._background = background
        self._entries: tuple[AdditionEntry, ...] = ()
        self._rows: tuple[AdditionEntry, ...] = ()
        self._words = ""
        self._name_counts: Counter[tuple[AdditionKind, str]] = Counter()
        self._thumbnails: dict[object, QIcon] = {}
        self._wanted: list[AdditionEntry] = []
        self._reading: set[object] = set()

    def set_entries(self, entries: Sequence[AdditionEntry]) -> None:
        """Show these, sorted by kind and name."""
        self._entries = tuple(sorted(entries, key=lambda one: (one.kind, one.name.casefold(), one.folder)))
        self._name_counts = Counter((one.kind, one.name.casefold()) for one in entries)
        self.set_words(self._words)

    def set_words(self, words: str) -> None:
        """Show only the entries that contain all of these words."""
        self.beginResetModel()
        self._words = words
        self._rows = tuple(entry for entry in self._entries if matches_words(entry, words))
        self._wanted.clear()
        self.endResetModel()

    def entry_at(self, row: int) -> AdditionEntry | None:
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def row_of(self, entry: AdditionEntry | None) -> int:
        """Return the row of the entry with the same file; -1 if it is not shown."""
        return next((row for row, one in enumerate(self._rows) if entry and one.file == entry.file), -1)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        entry = self.entry_at(index.row())
        if entry is None:
            return None
        match role:
            case Qt.ItemDataRole.DisplayRole:
                same_name = self._name_counts[entry.kind, entry.name.casefold()] > 1
                return display_text(entry.path_name if same_name else entry.name, 80)
            case Qt.ItemDataRole.ToolTipRole:
                return plain_text_tooltip(f"{entry.file}\n{summary(entry)}")
            case Qt.ItemDataRole.AccessibleTextRole:
                return f"{display_text(entry.name, 80)}, {summary(entry)}"
            case Qt.ItemDataRole.DecorationRole:
                return self._icon(entry)
        return None

    def _icon(self, entry: AdditionEntry) -> QIcon:
        key = _thumbnail_key(entry)
        found = self._thumbnails.get(key)
        if found is not None:
            return found
        if (entry.thumbnail is not None or entry.has_own_thumbnail) and key not in self._reading:
            self._wanted = [*(one for one in self._wanted if one is not entry), entry][-_MAX_THUMBNAILS:]
            self._read_next()
        return _placeholder(entry)

    def _read_next(self) -> None:
        """Read the thumbnail that was asked for last: it is in view."""
        while self._wanted and len(self._reading) < _MAX_READS:
            entry = self._wanted.pop()
            key = _thumbnail_key(entry)
            if key in self._reading or key in self._thumbnails:
                continue
            self._reading.add(key)
            self._background.read(
                partial(read_thumbnail, entry, 2 * THUMBNAIL_SIDE),
                partial(self._take, entry),
                partial(self._take_failure, entry),
                owner=self,
            )

    def _take_failure(self, entry: AdditionEntry, _: SdxlDesktopError) -> None:
        self._take(entry, None)

    def _take(self, entry: AdditionEntry, pixels: UInt8Array | None) -> None:
        key = _thumbnail_key(entry)
        self._reading.discard(key)
        icon = _placeholder(entry) if pixels is None else QIcon(_square(QPixmap.fromImage(to_image(pixels))))
        self._thumbnails[key] = icon
        while len(self._thumbnails) > _MAX_THUMBNAILS:
            del self._thumbnails[next(iter(self._thumbnails))]
        row = self.row_of(entry)
        if row >= 0:
            self.dataChanged.emit(self.index(row), self.index(row), [Qt.ItemDataRole.DecorationRole])
        self._read_next()


def summary(entry: AdditionEntry) -> str:
    """Return one line: kind, model, what it needs attention for."""
    if entry.problem:
        return f"{entry.kind}, damaged: {display_text(entry.problem)}"
    model = entry.base_model_name or "model unknown"
    fits = ", not for SDXL" if entry.base_model is TrainedModel.OTHER else ""
    return f"{entry.kind} · {model}{fits}"


def _thumbnail_key(entry: AdditionEntry) -> object:
    return entry.file, entry.modified, entry.thumbnail


def _square(picture: QPixmap) -> QPixmap:
    side = THUMBNAIL_SIDE * 2
    grown = picture.scaled(
        QSize(side, side),
        Qt.AspectRatioMode.KeepAspectRatioByExpanding,
        Qt.TransformationMode.SmoothTransformation,
    )
    return grown.copy((grown.width() - side) // 2, (grown.height() - side) // 2, side, side)


def _placeholder(entry: AdditionEntry) -> QIcon:
    """Return a tile with the first letters of the name."""
    palette = QApplication.palette()
    letters = entry.name[:2] if entry.kind is AdditionKind.LORA else f"<{entry.name[:1]}>"
    back, text = (
        palette.color(role) for role in (QPalette.ColorRole.AlternateBase, QPalette.ColorRole.PlaceholderText)
    )
    return _tile(letters, back.name(), text.name())


@lru_cache(maxsize=256)
def _tile(letters: str, back: str, text: str) -> QIcon:
    tile = QPixmap(THUMBNAIL_SIDE * 2, THUMBNAIL_SIDE * 2)
    tile.fill(QColor(back))
    painter = QPainter(tile)
    font = QApplication.font()
    font.setPixelSize(64)
    painter.setFont(font)
    painter.setPen(QColor(text))
    painter.drawText(tile.rect(), Qt.AlignmentFlag.AlignCenter, letters)
    painter.end()
    return QIcon(tile)
