"""Writing a file whole or not at all: what is there stays until what replaces it is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdxl_desktop.core.private_files import create_private, make_private_folder

_MAX_NAME_BYTES = 100
"""Of the name that is written to, in the temporary name: that one must fit wherever the name itself fits."""


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A name in the folder of `path`, which is made, to write to.

    What was written there takes the place of `path` when the block ends, and is thrown away when it raises. A
    `private` one is there already, empty, and only this person can read it from the beginning. Raises OSError.
    """
    if private:
        make_private_folder(path.parent)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    try:
        if private:
            create_private(temporary)
        yield temporary
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):  # what hindered writing may hinder this too
            temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """`content` as the whole of `path`, for this person only if `private`. Raises OSError."""
    with atomic_file(path, private=private) as temporary:
        temporary.write_bytes(content)


def check_file_writable(path: Path) -> None:
    """Raise OSError if `atomic_file` cannot write to `path` now. What is there stays, and nothing new is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    temporary.touch(exist_ok=False)
    temporary.unlink()
    if not os.path.lexists(path):  # the name itself may be too long, or not allowed
        path.touch(exist_ok=False)
        path.unlink()


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{_truncate_name(path.name)}.part-{os.getpid()}-{secrets.token_hex(4)}")


def _truncate_name(name: str) -> str:
    while len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = name[: min(len(name) - 1, _MAX_NAME_BYTES)]
    return name
