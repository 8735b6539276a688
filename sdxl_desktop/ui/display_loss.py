"""Ends the program in order when the display goes: the X server or the Wayland compositor died, or the session ended.

Qt then writes a warning and calls C's `exit` from the middle of its event loop, with all threads at work, which aborts
the process and leaves a core dump.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

_LOST = ("The X11 connection broke", "The Wayland connection")
EXIT_CODE = 1


@contextmanager
def ending_when_the_display_is_lost(last: Callable[[], None]) -> Iterator[None]:
    """While entered, losing the display does `last`, says so on standard error and ends the process with `EXIT_CODE`.

    Nothing is put away: what is worked on is kept as after a crash.
    """

    def hear(kind: QtMsgType, context: QMessageLogContext, words: str) -> None:
        with suppress(OSError, ValueError):  # standard error may be gone too
            print(words, file=sys.stderr, flush=True)
        if words.startswith(_LOST):
            _end(last)

    before = qInstallMessageHandler(hear)
    _exit_at_once_when_a_library_exits()
    try:
        yield
    finally:
        qInstallMessageHandler(before)


def _end(last: Callable[[], None]) -> None:
    try:
        last()
        print(
            "The display was lost, so the window was closed. What you were working on is kept: start SDXL Desktop "
            "again to go on with it.",
            file=sys.stderr,
            flush=True,
        )
    finally:
        os._exit(EXIT_CODE)


def _exit_at_once_when_a_library_exits() -> None:
    """For what Qt's other platforms say in other words: no destructor runs after C's `exit`. (Python's own work is done
    by then, where it is Python that exits.)"""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL(None)
            libc.on_exit(libc._exit, None)
