"""Reserve standard output for results: output of libraries is redirected to standard error."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

_STDOUT, _STDERR = 1, 2


@contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Redirect standard output to standard error within the context, for Python and native code."""
    try:
        kept = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    except OSError:  # one of them is closed: native code cannot print there either
        with redirect_stdout(sys.stderr):
            yield
        return
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _flush_native()
        os.dup2(kept, _STDOUT)
        os.close(kept)


def _flush_native() -> None:
    if sys.platform != "win32":
        ctypes.CDLL(None).fflush(None)
