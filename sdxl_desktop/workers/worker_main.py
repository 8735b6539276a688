"""The worker's own side: what every worker process does first, and its connection to the application.

A worker ends as soon as the application is gone, whatever it is doing.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO, NoReturn

import psutil

from sdxl_desktop.core import out_of_memory
from sdxl_desktop.core.app_log import log_to_stderr
from sdxl_desktop.workers import protocol

log = logging.getLogger(__name__)

NICENESS = 5


class ApplicationConnection:
    """Messages from and to the application. Every method ends the process where the application is gone, or where what
    it sends cannot be read."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._sending = threading.Lock()

    def receive(self, expected: Any) -> Any:
        """The next message, one of the types `expected`."""
        try:
            return protocol.read(self._incoming, expected)
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:
            _end_unreadable()

    def listen(self, take: Callable[[Any], None], expected: Any) -> None:
        """From now on give every message to `take`, in a thread of its own."""
        threading.Thread(target=self._listen, args=(take, expected), name="messages", daemon=True).start()

    def _listen(self, take: Callable[[Any], None], expected: Any) -> None:
        while True:
            message = self.receive(expected)
            try:
                take(message)
            except BaseException:  # whatever ends this thread, nobody would hear the application any more
                _end_unreadable()

    def send(self, message: object) -> None:
        """Send from any thread. Raises what `protocol.pack` raises."""
        try:
            with self._sending:
                protocol.write(self._outgoing, message)
        except OSError:
            os._exit(0)


def connect(*, log_level: int = logging.WARNING, own_level: int | None = None) -> ApplicationConnection:
    """Make this process a worker: it leaves Ctrl+C to the application, logs to standard error, gives way to the window,
    ends where it would hang for want of memory, and keeps its pipes to itself. `own_level` is for the log lines of our
    own modules, where they are to be more than those of libraries."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log_to_stderr(log_level, own=own_level)
    _lower_priority()
    connection = ApplicationConnection(*_private_pipes())
    out_of_memory.exit_when_out_of_memory()
    return connection


def _end_unreadable() -> NoReturn:
    try:
        log.exception("A message could not be read")
    finally:
        os._exit(protocol.EXIT_UNREADABLE)


def _lower_priority() -> None:
    """Let the window have a core whenever it wants one, so that a brush stays smooth while all of them compute."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS
    with suppress(psutil.Error, OSError):
        psutil.Process().nice(lower)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two ends of the pipe, moved away from 0 and 1 so that no library can read or print into them."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    incoming, outgoing = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return open(incoming, "rb"), open(outgoing, "wb")
