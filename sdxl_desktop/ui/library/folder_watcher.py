"""Watches a checkpoint folder: checkpoints copied into it or removed from it are noticed within a second."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QFileSystemWatcher, QObject, QTimer, Signal

from sdxl_desktop.library.scan import Library

_DEBOUNCE_MS = 400
"""A copy makes hundreds of changes; they are reported together."""
_MAX_FOLDERS = 2000


class FolderWatcher(QObject):
    """Emits `changed` shortly after a change in the folder.

    The folder's subfolders and their components are watched, too, so that a copy is noticed when its last component
    begins. While the folder does not exist, its nearest existing parent is watched instead.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library: Library | None = None
        self._watcher = QFileSystemWatcher(self)
        self._debounce_timer = QTimer(self, singleShot=True, interval=_DEBOUNCE_MS)
        self._watcher.directoryChanged.connect(self._start_debounce)
        self._debounce_timer.timeout.connect(self._emit_changed)

    def watch(self, library: Library) -> None:
        """Watch the user folder of `library` from now on, and nothing else."""
        self._library = library
        self._update_watched_folders()

    def _start_debounce(self) -> None:
        if not self._debounce_timer.isActive():
            self._debounce_timer.start()

    def _emit_changed(self) -> None:
        was_there = bool(self._watched_library_folders())
        self._update_watched_folders()
        if was_there or self._watched_library_folders():
            self.changed.emit()

    def _watched_library_folders(self) -> list[str]:
        """Return the watched folders inside the user folder; none while it does not exist."""
        own = str(self._library.user_folder) if self._library is not None else ""
        return [folder for folder in self._watcher.directories() if own and folder.startswith(own)]

    def _update_watched_folders(self) -> None:
        """Watch exactly the folders that exist now."""
        if self._library is None:
            return
        wanted = {str(folder) for folder in _folders_to_watch(self._library)}
        watched = set(self._watcher.directories())
        if gone := watched - wanted:
            self._watcher.removePaths(sorted(gone))
        if new := wanted - watched:
            self._watcher.addPaths(sorted(new))

    def close(self) -> None:
        """Stop watching."""
        self._library = None
        self._debounce_timer.stop()
        if watched := self._watcher.directories():
            self._watcher.removePaths(watched)


def _folders_to_watch(library: Library) -> list[Path]:
    """Return the library's folder and the component folders of its checkpoints."""
    found = list(library.watched_folders())
    for checkpoint in found[1:]:
        found += _subfolders(checkpoint)
        if len(found) > _MAX_FOLDERS:
            break
    return found


def _subfolders(folder: Path) -> list[Path]:
    try:
        return [inner for inner in folder.iterdir() if inner.is_dir()]
    except OSError:
        return []
