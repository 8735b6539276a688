"""What nobody foresaw, wherever it is raised, is logged and shown once: no thread, timer or callback dies unheard."""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.errors import explained
from sdxl_desktop.ui.main_window import MainWindow

FILE = "window.log"
"""In the folder of logs."""
_MAX_BYTES, _BACKUPS = 2**20, 1
_log = logging.getLogger("sdxl_desktop.unexpected")


class _Teller(QObject):
    unexpected = Signal(object)
    """SdxlDesktopError; emitted on any thread"""


@contextmanager
def telling_the_unexpected(
    window: MainWindow, *, loop: asyncio.AbstractEventLoop | None = None, logs: Path | None = None
) -> Iterator[None]:
    """While entered, an error nobody caught is shown in the window, which hears of it on its own thread, and logged to
    a file in `logs`.

    It may be raised on the main thread or in a slot, on another thread, where no error can be raised (a finalizer), or
    in a callback or task of `loop`. What Python does with it is done, too. The same error is shown once.
    """
    teller, told = _Teller(window), set[str]()
    teller.unexpected.connect(window.verbs.show_problem)

    def tell(problem: BaseException) -> None:
        if isinstance(problem, KeyboardInterrupt | SystemExit):
            return
        with suppress(Exception):  # a full disk must not keep it from being shown
            _log.error("Unexpected", exc_info=problem)
        error = explained(problem, "Something failed unexpectedly.")
        if str(error) not in told:
            told.add(str(error))
            teller.unexpected.emit(error)

    with _logging_to(logs), _hooks(tell, loop):
        try:
            yield
        finally:
            teller.deleteLater()


@contextmanager
def _hooks(tell: Any, loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def anywhere(kind: type[BaseException], problem: BaseException, trace: types.TracebackType | None) -> None:
        before[0](kind, problem, trace)
        tell(problem)

    def on_a_thread(raised: threading.ExceptHookArgs) -> None:
        before[1](raised)
        if raised.exc_value is not None:
            tell(raised.exc_value)

    def unraisable(raised: Any) -> None:
        before[2](raised)
        if raised.exc_value is not None:
            tell(raised.exc_value)

    def in_the_loop(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if isinstance(problem, BaseException):
            sys.excepthook(type(problem), problem, problem.__traceback__)
        else:
            loop.default_exception_handler(context)

    sys.excepthook, threading.excepthook, sys.unraisablehook = anywhere, on_a_thread, unraisable
    if loop is not None:
        loop.set_exception_handler(in_the_loop)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
        if loop is not None:
            loop.set_exception_handler(None)


@contextmanager
def _logging_to(folder: Path | None) -> Iterator[None]:
    """While entered, the log is a file in `folder`, where it can be written. Nothing is made before there is an
    error."""
    if folder is None:
        yield
        return
    handler = _Lazy(folder / FILE)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    _log.addHandler(handler)
    propagate, _log.propagate = _log.propagate, False  # Python's own hooks print it already
    try:
        yield
    finally:
        _log.propagate = propagate
        _log.removeHandler(handler)
        handler.close()


class _Lazy(logging.handlers.RotatingFileHandler):
    """Makes its folder and file with the first line."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            file, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, delay=True, encoding="utf-8", errors="replace"
        )

    def _open(self) -> Any:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()

    def handleError(self, record: logging.LogRecord) -> None:
        """What cannot be logged is shown all the same."""
