"""Writes a file under a new name, atomically, even if several programs try at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path


class FileNameTakenError(Exception):
    """The name already exists; nothing was changed."""


def write_exclusively(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path next to `path`, in a folder that is created if missing, then rename the file.

    Raises FileNameTakenError if `path` exists, even if it was created meanwhile; OSError, and what `write` raises.
    """
    if os.path.lexists(path):
        raise FileNameTakenError(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        write(temporary)
        _rename_exclusively(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _rename_exclusively(temporary: Path, path: Path) -> None:
    """Rename `temporary` to `path`; unlike `os.replace`, never overwrite an existing file."""
    try:
        if os.name == "nt":
            os.rename(temporary, path)
        else:
            os.link(temporary, path)
    except FileExistsError as taken:
        raise FileNameTakenError(path) from taken
    except OSError:
        if os.name == "nt":
            raise
        _reserve_and_replace(temporary, path)


def _reserve_and_replace(temporary: Path, path: Path) -> None:
    """The same for a file system without hard links."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError as taken:
        raise FileNameTakenError(path) from taken
    try:
        os.replace(temporary, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def numbered_names(path: Path) -> Iterator[Path]:
    """Yield `path`, then "name-2", "name-3" and so on, with its suffix."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def first_free_name(path: Path) -> Path:
    """Return the first of `numbered_names` that does not exist; `write_exclusively` detects it if the name is taken
    later."""
    return next(name for name in numbered_names(path) if not os.path.lexists(name))
