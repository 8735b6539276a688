"""Thumbnails in memory: loaded off the main thread, the visible ones first, forgotten when they are not used."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from sdxl_desktop.bridge.background import Worker
from sdxl_desktop.core.errors import PictureError, SdxlDesktopError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.thumbnail_files import ThumbnailFiles
from sdxl_desktop.ui.qt_images import to_image

MAX_BYTES = 128 * 2**20
"""Enough for several screens of 3840 x 2160 full of thumbnails."""
_THREADS = 2
_BATCH = 3
"""Thumbnails that a thread loads before it asks again which are wanted."""


class Unavailable(Enum):
    """Why there is no thumbnail."""

    MISSING = "The file is not there any more"
    UNREADABLE = "The file cannot be read as a picture"


Thumbnail = QImage | Unavailable
_ReadThumbnail = Callable[[Path, int], UInt8Array]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A thumbnail that was loaded for `side` pixels."""

    side: int
    thumbnail: Thumbnail

    @property
    def nbytes(self) -> int:
        return self.thumbnail.sizeInBytes() if isinstance(self.thumbnail, QImage) else 0


class ThumbnailLoader(QObject):
    """Emits `loaded` with the files whose thumbnails have arrived. `want` replaces what is wanted: whatever has been
    scrolled away before its turn is never decoded."""

    loaded = Signal(object)
    """list[Path]"""

    def __init__(self, files: ThumbnailFiles, parent: QObject | None = None, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__(parent)
        self._files = files
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Path, _Kept] = OrderedDict()
        self._bytes = 0
        self._side = 0
        self._wanted: list[Path] = []
        self._loading: set[Path] = set()
        self._stale: set[Path] = set()
        self._workers = tuple(Worker(f"thumbnails {number}", self) for number in range(_THREADS))
        self._idle = list(self._workers)

    @property
    def nbytes(self) -> int:
        """Bytes of all thumbnails in memory; at most the limit, or one thumbnail."""
        return self._bytes

    @property
    def is_idle(self) -> bool:
        """Whether everything wanted has arrived."""
        return not self._wanted and not self._loading

    def thumbnail(self, file: Path) -> Thumbnail | None:
        """Return the thumbnail, perhaps still of another size; why there is none; or None if it is not in memory."""
        found = self._kept.get(file)
        if found is None:
            return None
        self._kept.move_to_end(file)
        return found.thumbnail

    def want(self, files: Sequence[Path], side: int) -> None:
        """Load the thumbnails of these files in this order, at most `side` pixels a side, and nothing else that was
        wanted before."""
        self._side = side
        self._wanted = [file for file in reversed(dict.fromkeys(files)) if self._is_needed(file)]
        self._start()

    def _is_needed(self, file: Path) -> bool:
        kept = self._kept.get(file)
        return file not in self._loading and (kept is None or kept.side != self._side)

    def forget(self, file: Path) -> None:
        """Forget the thumbnail of a file that has changed, been moved or deleted."""
        self._drop(file)
        if file in self._loading:
            self._stale.add(file)

    def outdate(self, file: Path) -> None:
        """Load the thumbnail of a file that may have changed again when it is wanted; until then it stays as it is."""
        kept = self._kept.get(file)
        if kept is not None:
            self._kept[file] = _Kept(0, kept.thumbnail)
        if file in self._loading:
            self._stale.add(file)

    def forget_unavailable(self) -> None:
        """Ask again for the files that could not be read."""
        for file in [file for file, kept in self._kept.items() if isinstance(kept.thumbnail, Unavailable)]:
            self._drop(file)

    def close(self) -> None:
        """Stop loading, without waiting for a disk that does not answer. Safe to call twice."""
        self._wanted.clear()
        for worker in self._workers:
            worker.close(finish=True)

    def _start(self) -> None:
        while self._wanted and self._idle:
            batch = [self._wanted.pop() for _ in range(min(_BATCH, len(self._wanted)))]
            self._loading.update(batch)
            self._load_batch(self._idle.pop(), batch, self._side)

    def _load_batch(self, worker: Worker, batch: list[Path], side: int) -> None:
        read = self._files.read

        def take(loaded: list[_Kept]) -> None:
            self._idle.append(worker)
            self._take(dict(zip(batch, loaded, strict=True)))

        def fail(_: SdxlDesktopError) -> None:  # not the file's fault, such as no memory; it was logged
            take([_Kept(side, Unavailable.UNREADABLE)] * len(batch))

        worker.submit(lambda: [_Kept(side, _load(read, file, side)) for file in batch], take, fail, owner=self)

    def _take(self, loaded: dict[Path, _Kept]) -> None:
        for file, kept in loaded.items():
            self._loading.discard(file)
            if file in self._stale:
                self._stale.discard(file)
                continue
            self._drop(file)
            self._kept[file] = kept
            self._bytes += kept.nbytes
        while self._bytes > self._max_bytes and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))
        self._start()
        self.loaded.emit(list(loaded))

    def _drop(self, file: Path) -> None:
        found = self._kept.pop(file, None)
        if found is not None:
            self._bytes -= found.nbytes


def _load(read: _ReadThumbnail, file: Path, side: int) -> Thumbnail:
    try:
        return to_image(read(file, side)).convertToFormat(QImage.Format.Format_RGB32)
    except (FileNotFoundError, NotADirectoryError):
        return Unavailable.MISSING
    except (OSError, ValueError, PictureError):
        return Unavailable.UNREADABLE
