"""Atomic file writes: the existing file stays until its replacement is complete."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdxl_desktop.core.private_files import create_private, make_private_folder

_MAX_NAME_BYTES = 100
"""Maximum bytes of the target's name in the temporary name, which must fit wherever the target's name fits."""


@contextmanager
def atomic_file(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A context that yields a temporary path in the folder of `path`; the folder is created.

    What was written to it replaces `path` when the block ends and is deleted when the block raises. A `private` file
    exists from the start, empty and readable by this user only. Raises OSError.
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
        with suppress(OSError):  # the cause of the failed write may also prevent this
            temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Write `content` as the whole of `path`, readable by this user only if `private`. Raises OSError."""
    with atomic_file(path, private=private) as temporary:
        temporary.write_bytes(content)


def check_file_writable(path: Path) -> None:
    """Raise OSError if `atomic_file` cannot write to `path` now. An existing file stays, and no new file is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_path(path)
    temporary.touch(exist_ok=False)
    temporary.unlink()
    if not os.path.lexists(path):  # the name may be too long or invalid
        path.touch(exist_ok=False)
        path.unlink()


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{_truncate_name(path.name)}.part-{os.getpid()}-{secrets.token_hex(4)}")


def _truncate_name(name: str) -> str:
    while len(os.fsencode(name)) > _MAX_NAME_BYTES:
        name = name[: min(len(name) - 1, _MAX_NAME_BYTES)]
    return name
