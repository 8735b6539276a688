"""Logs and shows every uncaught error once, from any thread, timer or callback."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.errors import wrap_error
from sdxl_desktop.ui.main_window import MainWindow

_log = logging.getLogger(__name__)


class _ErrorSignaller(QObject):
    unexpected = Signal(object)
    """SdxlDesktopError; emitted on any thread"""


@contextmanager
def report_uncaught_errors(window: MainWindow, *, loop: asyncio.AbstractEventLoop | None = None) -> Iterator[None]:
    """Context manager: log uncaught errors and show them in the window, on the window's own thread.

    Covers the main thread and slots, other threads, unraisable errors (finalizers), and callbacks and tasks of `loop`.
    Python's default handling also runs. The same error is shown once.
    """
    teller, shown = _ErrorSignaller(window), set[str]()
    teller.unexpected.connect(window.controller.show_error)

    def tell(problem: BaseException) -> None:
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            return
        error = wrap_error(problem, "Something failed unexpectedly.")
        if str(error) not in shown:
            shown.add(str(error))
            teller.unexpected.emit(error)

    with _install_hooks(tell, loop):
        try:
            yield
        finally:
            teller.deleteLater()


@contextmanager
def _install_hooks(report: Any, loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def anywhere(kind: type[BaseException], problem: BaseException, trace: types.TracebackType | None) -> None:
        before[0](kind, problem, trace)
        report(problem)

    def on_a_thread(raised: threading.ExceptHookArgs) -> None:
        before[1](raised)
        if raised.exc_value is not None:
            report(raised.exc_value)

    def unraisable(raised: Any) -> None:
        before[2](raised)
        if raised.exc_value is not None:
            report(raised.exc_value)

    def in_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, BaseException):
            sys.excepthook(type(problem), problem, problem.__traceback__)
        else:
            words = str(context.get("message", "The event loop reports an error without saying which."))
            _log.error("The event loop: %s", words)
            report(RuntimeError(words))

    sys.excepthook, threading.excepthook, sys.unraisablehook = anywhere, on_a_thread, unraisable
    if loop is not None:
        loop.set_exception_handler(in_the_loop)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        if loop is not None:
            loop.set_exception_handler(None)
