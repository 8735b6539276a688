"""Recent files: the pictures and projects that were opened or saved last, kept between starts."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.session.kept_file import read_kept, write_kept

MAX_RECENT = 12


@dataclass(frozen=True, slots=True)
class RecentFiles:
    """A list of paths as JSON in one file, read anew each time, so that several windows share it.

    It is no more than a convenience: a file that cannot be read counts as an empty list.
    """

    file: Path

    def listed(self) -> tuple[Path, ...]:
        """The files that are there at the moment, the newest first, absolute. Never raises."""
        return tuple(path for path in self._read() if _is_there(path))

    def add(self, path: Path) -> None:
        """Put a file first, as it is spelled now; raises SettingsError when the list cannot be written.

        The same file by another spelling, or through a link, is not listed twice. A file that is missing, because its
        disk is away, is forgotten only when there is no room for it.
        """
        newest = Path(os.path.abspath(path))
        others = [other for other in self._read() if not _same(other, newest)]
        self._write(_most_useful([newest, *others]))

    def forget(self, path: Path) -> None:
        """Take a file off the list; raises SettingsError."""
        self._write([other for other in self._read() if not _same(other, Path(os.path.abspath(path)))])

    def clear(self) -> None:
        """Forget all of them; raises SettingsError."""
        self._write([])

    def _read(self) -> list[Path]:
        names = read_kept(self.file, list[str]) or []
        paths = [Path(name) for name in names if name and "\0" not in name]
        return [path for path in paths if path.is_absolute()][:MAX_RECENT]

    def _write(self, paths: Iterable[Path]) -> None:
        # a name that is no text (its bytes no UTF-8) cannot stand in JSON; it is rare enough to be left out
        names = [str(path) for path in paths if _is_text(str(path))]
        write_kept(self.file, names, "The list of recent files could not be saved.")


def _most_useful(paths: list[Path]) -> list[Path]:
    """At most MAX_RECENT of them in their order: those that are missing make room first, then the oldest."""
    spare = len(paths) - MAX_RECENT
    kept: list[Path] = []
    for path in reversed(paths):
        if spare > 0 and not _is_there(path):
            spare -= 1
        else:
            kept.append(path)
    return kept[::-1][:MAX_RECENT]


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError, ValueError):
        return os.path.samefile(one, other)
    return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
