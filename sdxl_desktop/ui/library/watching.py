"""Watches a folder of checkpoints: what is copied into it or vanishes from it is noticed within a second."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from sdxl_desktop.library.scan import Library

_GATHER_MS = 400
"""A copy makes hundreds of changes; they are told together."""
_MOST_FOLDERS = 2000


class FolderWatch(QObject):
    """Emits `changed` some time after something in the folder did.

    The folder's own folders and their parts are watched, too, so that a copy is noticed when its last part begins.
    While the folder is not there, its nearest parent is watched, until it is.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library: Library | None = None
        self._watcher = QFileSystemWatcher(self)
        self._gather = QTimer(self, singleShot=True, interval=_GATHER_MS)
        self._watcher.directoryChanged.connect(self._notice)
        self._gather.timeout.connect(self._tell)

    def watch(self, library: Library) -> None:
        """Watch the person's folder of `library` from now on, and nothing else."""
        self._library = library
        self._follow()

    def _notice(self) -> None:
        if not self._gather.isActive():
            self._gather.start()

    def _tell(self) -> None:
        was_there = bool(self._inside_watched())
        self._follow()
        if was_there or self._inside_watched():
            self.changed.emit()

    def _inside_watched(self) -> list[str]:
        """The watched folders in the person's own; none while that is not there."""
        own = str(self._library.own) if self._library is not None else ""
        return [folder for folder in self._watcher.directories() if own and folder.startswith(own)]

    def _follow(self) -> None:
        """Watch exactly the folders that are there now."""
        if self._library is None:
            return
        wanted = {str(folder) for folder in _folders(self._library)}
        watched = set(self._watcher.directories())
        if gone := watched - wanted:
            self._watcher.removePaths(sorted(gone))
        if new := wanted - watched:
            self._watcher.addPaths(sorted(new))

    def close(self) -> None:
        """Watch nothing any more."""
        self._library = None
        self._gather.stop()
        if watched := self._watcher.directories():
            self._watcher.removePaths(watched)


def _folders(library: Library) -> list[Path]:
    """The library's own, and the parts of its checkpoints."""
    found = list(library.watched_folders())
    for checkpoint in found[1:]:
        found += _inside(checkpoint)
        if len(found) > _MOST_FOLDERS:
            break
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return [inner for inner in folder.iterdir() if inner.is_dir()]
    except OSError:
        return []
