"""Names that nothing has yet: a file is written under one whole or not at all, however many programs try at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path


class NameTakenError(Exception):
    """Something has the name already; nothing was changed."""


def write_new(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` write to a name beside `path`, in a folder that is made, and give the file its name then.

    Raises NameTakenError when something is called `path`, however late it came; OSError, and what `write` raises.
    """
    if os.path.lexists(path):
        raise NameTakenError(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        write(beside)
        _give_name(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def _give_name(beside: Path, path: Path) -> None:
    """Call `beside` `path`, which `os.replace` would do over whatever is called so."""
    try:
        if os.name == "nt":
            os.rename(beside, path)
        else:
            os.link(beside, path)
    except FileExistsError as taken:
        raise NameTakenError(path) from taken
    except OSError:
        if os.name == "nt":
            raise
        _reserve_and_replace(beside, path)


def _reserve_and_replace(beside: Path, path: Path) -> None:
    """The same on a disk without hard links."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError as taken:
        raise NameTakenError(path) from taken
    try:
        os.replace(beside, path)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def numbered(path: Path) -> Iterator[Path]:
    """`path`, then "name-2", "name-3" and so on, with its ending."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def unused(path: Path) -> Path:
    """The first of `numbered` that nothing has now; whoever writes to it by `write_new` hears when it is taken."""
    return next(name for name in numbered(path) if not os.path.lexists(name))
