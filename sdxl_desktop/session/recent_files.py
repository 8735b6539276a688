"""Recent files: the pictures and projects opened or saved last, stored between starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.path_text import path_to_text, text_to_path
from sdxl_desktop.core.state_file import read_state, update_state

MAX_RECENT = 12


@dataclass(frozen=True, slots=True)
class RecentFiles:
    """A list of paths as JSON in one file, read again on each access, so that several windows share it.

    It is a convenience: a file that cannot be read counts as an empty list.
    """

    file: Path

    def existing_paths(self) -> tuple[Path, ...]:
        """Return the files that currently exist, the newest first, absolute. Never raises."""
        return tuple(path for path in self._read() if _is_existing_file(path))

    def add(self, path: Path) -> None:
        """Put a file first, as it is spelled now; raises SettingsError if the list cannot be written.

        The same file by another spelling, or through a link, is not listed twice. A file that is missing, because its
        disk is not mounted, is dropped only if the list is full.
        """
        newest = Path(os.path.abspath(path))

        def first(paths: list[Path]) -> list[Path]:
            return _trimmed([newest, *(other for other in paths if not _same(other, newest))])

        self._change(first)

    def forget(self, path: Path) -> None:
        """Remove a file from the list; raises SettingsError."""
        gone = Path(os.path.abspath(path))
        self._change(lambda paths: [other for other in paths if not _same(other, gone)])

    def clear(self) -> None:
        """Clear the list; raises SettingsError."""
        self._change(lambda paths: [])

    def _read(self) -> list[Path]:
        return _paths(read_state(self.file, list[str], []))

    def _change(self, change: Callable[[list[Path]], list[Path]]) -> None:
        def changed(names: list[str]) -> list[str]:
            return [path_to_text(path) for path in change(_paths(names))]

        update_state(self.file, list[str], [], changed, "The list of recent files could not be saved.")


def _paths(names: Iterable[str]) -> list[Path]:
    paths = [text_to_path(name) for name in names if name and "\0" not in name]
    return [path for path in paths if path.is_absolute()][:MAX_RECENT]


def _trimmed(paths: list[Path]) -> list[Path]:
    """Return at most MAX_RECENT of them in order: missing ones are dropped first, then the oldest."""
    spare = len(paths) - MAX_RECENT
    kept: list[Path] = []
    for path in reversed(paths):
        if spare > 0 and not _is_existing_file(path):
            spare -= 1
        else:
            kept.append(path)
    return kept[::-1][:MAX_RECENT]


def _is_existing_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))
