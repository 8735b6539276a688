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

_LOSS_MESSAGES = ("The X11 connection broke", "The Wayland connection")
EXIT_CODE = 1


@contextmanager
def exit_on_display_loss(cleanup: Callable[[], None]) -> Iterator[None]:
    """While entered, losing the display does `last`, says so on standard error and ends the process with
    `OUT_OF_MEMORY_EXIT_CODE`.

    Nothing is put away: what is worked on is kept as after a crash.
    """

    def handle_qt_message(kind: QtMsgType, context: QMessageLogContext, words: str) -> None:
        with suppress(OSError, ValueError):  # standard error may be gone too
            print(words, file=sys.stderr, flush=True)
        if words.startswith(_LOSS_MESSAGES):
            _exit(cleanup)

    before = qInstallMessageHandler(handle_qt_message)
    _skip_destructors_at_exit()
    try:
        yield
    finally:
        qInstallMessageHandler(before)


def _exit(cleanup: Callable[[], None]) -> None:
    try:
        cleanup()
        print(
            "The display was lost, so the window was closed. What you were working on is kept: start SDXL Desktop "
            "again to go on with it.",
            file=sys.stderr,
            flush=True,
        )
    finally:
        os._exit(EXIT_CODE)


def _skip_destructors_at_exit() -> None:
    """For what Qt's other platforms say in other words: no destructor runs after C's `exit`. (Python's own work is done
    by then, where it is Python that exits.)"""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            libc = ctypes.CDLL(None)
            libc.on_exit(libc._exit, None)
