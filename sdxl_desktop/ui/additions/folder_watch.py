"""Watches the folders of LoRAs and embeddings: what is copied into them or removed is noticed within a second."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

_DEBOUNCE_MS = 600
"""A copy makes many changes; they are reported together."""
_MAX_FOLDERS = 500


class AdditionFolderWatcher(QObject):
    """Emits `changed` shortly after a change in the watched folders."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folders: frozenset[str] = frozenset()
        self._missing: tuple[str, ...] = ()
        self._watcher = QFileSystemWatcher(self)
        self._timer = QTimer(self, singleShot=True, interval=_DEBOUNCE_MS)
        self._watcher.directoryChanged.connect(self._handle_change)
        self._timer.timeout.connect(self.changed)

    def watch(self, folders: Iterable[Path]) -> None:
        """Watch exactly these folders and, of one that does not exist, its nearest existing parent."""
        chosen = list(folders)[:_MAX_FOLDERS]
        self._folders = frozenset(map(str, chosen))
        self._missing = tuple(folder for folder in map(str, chosen) if not os.path.isdir(folder))
        wanted = {str(_existing(folder)) for folder in chosen}
        watched = set(self._watcher.directories())
        if gone := watched - wanted:
            self._watcher.removePaths(sorted(gone))
        if new := wanted - watched:
            self._watcher.addPaths(sorted(new))

    def _handle_change(self, folder: str) -> None:
        """A parent is watched only to see a missing folder appear: other changes in it do not matter."""
        if folder in self._folders or any(os.path.isdir(missing) for missing in self._missing):
            self._timer.start()

    def close(self) -> None:
        """Stop watching."""
        self._timer.stop()
        if watched := self._watcher.directories():
            self._watcher.removePaths(watched)


def _existing(folder: Path) -> Path:
    while not os.path.isdir(folder) and folder != folder.parent:
        folder = folder.parent
    return folder
