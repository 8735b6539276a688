"""Exits cleanly when the display is lost: the X server or Wayland compositor died, or the session ended.

Otherwise Qt writes a warning and calls C's `exit` inside its event loop while all threads run, which aborts the process
and leaves a core dump.
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
    """Context manager: on loss of the display, call `cleanup`, report on standard error and exit with `EXIT_CODE`.

    Nothing is closed in order: the current work is kept as after a crash.
    """

    def handle_qt_message(kind: QtMsgType, context: QMessageLogContext, words: str) -> None:
        with suppress(OSError, ValueError):  # standard error may be closed too
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
        # First the message: whatever touches the display in `cleanup` may end the process inside Xlib.
        print(
            "The display was lost, so the window was closed. What you were working on is kept: start SDXL Desktop "
            "again to go on with it.",
            file=sys.stderr,
            flush=True,
        )
        cleanup()
    finally:
        os._exit(EXIT_CODE)


def _skip_destructors_at_exit() -> None:
    """Cover Qt platforms that word the message differently: no destructor runs after C's `exit`. (If Python itself
    exits, its own cleanup is done by then.)"""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # not glibc
            libc = ctypes.CDLL(None)
            libc.on_exit(libc._exit, None)
