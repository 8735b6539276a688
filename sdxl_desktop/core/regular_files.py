"""Reads untrusted files: only regular ones, only up to a size, never blocking."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotARegularFileError(OSError):
    """A pipe, socket or device was found where a file was expected; reading it might never end."""


class FileTooLargeError(OSError):
    """The file exceeds the size limit."""


def open_regular(path: Path) -> BinaryIO:
    """Open `path` for reading in binary.

    Raises OSError if it cannot be opened, also for an invalid name, including IsADirectoryError for a folder and
    NotARegularFileError for anything that is neither a file nor a folder. Named pipes do not block, and devices are not
    opened at all: opening alone has side effects on some.
    """
    try:
        _check_is_regular(path, os.stat(path).st_mode)
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as problem:  # a NUL in the name
        raise OSError(errno.EINVAL, "No file can have such a name", str(path)) from problem
    try:
        _check_is_regular(path, os.fstat(descriptor).st_mode)  # it may have been replaced meanwhile
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of `path`, a regular file of at most `limit` bytes.

    Raises OSError like `open_regular`, and FileTooLargeError; nothing near the limit is allocated for a larger file,
    whatever size the system reports for it.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > limit else file.read(size + 1)
        if len(content) > size:  # it is growing, or reports no size
            content += file.read(limit + 1 - len(content))
    if max(size, len(content)) > limit:
        raise FileTooLargeError(errno.EFBIG, f"It is larger than {_format_bytes(limit)}", str(path))
    return content


def _check_is_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        raise NotARegularFileError(errno.EINVAL, "It is a pipe, socket or device, not a file", str(path))


def _format_bytes(limit: int) -> str:
    return f"{limit / 2**30:.3g} GiB" if limit >= 2**30 else f"{limit / 2**20:.3g} MiB"
