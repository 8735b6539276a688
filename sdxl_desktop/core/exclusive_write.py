"""Names that nothing has yet: a file is written under one whole or not at all, however many programs try at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path


class FileNameTakenError(Exception):
    """Something has the name already; nothing was changed."""


def write_exclusively(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write to a name beside `path`, in a folder that is made, and give the file its name then.

    Raises NameTakenError when something is called `path`, however late it came; OSError, and what `write` raises.
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
    """Call `beside` `path`, which `os.replace` would do over whatever is called so."""
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
    """The same on a disk without hard links."""
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
    """`path`, then "name-2", "name-3" and so on, with its ending."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def first_free_name(path: Path) -> Path:
    """The first of `numbered` that nothing has now; `write_exclusively` says when it is taken by then."""
    return next(name for name in numbered_names(path) if not os.path.lexists(name))
