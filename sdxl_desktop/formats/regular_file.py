"""Opens regular files only: a named pipe would block for ever, and a device has no end."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(file: Path) -> BinaryIO:
    """`file`, a link followed, opened for reading bytes. Never blocks. Raises OSError, for anything but a regular file
    too (a folder, a pipe, a socket, a device), and for a name that no file can have."""
    try:
        _check(file, os.stat(file).st_mode)  # before it is opened: opening alone does something to some devices
        descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as problem:  # a NUL in the name
        raise OSError(errno.EINVAL, "No file can have such a name", str(file)) from problem
    try:
        _check(file, os.fstat(descriptor).st_mode)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _check(file: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "It is a pipe, a socket or a device, not a file", str(file))
