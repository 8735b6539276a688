"""The worker's side: the setup of every worker process and its connection to the application.

A worker exits as soon as the application does, whatever it is doing.
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
    """Messages from and to the application. Every method exits the process if the application has ended or its message
    cannot be read."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        self._sending = threading.Lock()

    def receive(self, expected: Any) -> Any:
        """Return the next message, one of the types `expected`."""
        try:
            return protocol.read(self._incoming, expected)
        except (EOFError, OSError):
            os._exit(0)
        except BaseException:
            _end_unreadable()

    def listen(self, take: Callable[[Any], None], expected: Any) -> None:
        """Pass every further message to `take`, in a separate thread."""
        threading.Thread(target=self._listen, args=(take, expected), name="messages", daemon=True).start()

    def _listen(self, take: Callable[[Any], None], expected: Any) -> None:
        while True:
            message = self.receive(expected)
            try:
                take(message)
            except BaseException:  # without this thread no message would be received any more
                _end_unreadable()

    def send(self, message: object) -> None:
        """Send a message, from any thread. Raises what `protocol.pack` raises."""
        try:
            with self._sending:
                protocol.write(self._outgoing, message)
        except OSError:
            os._exit(0)


def connect(*, log_level: int = logging.WARNING, own_level: int | None = None) -> ApplicationConnection:
    """Set up this process as a worker: ignore Ctrl+C, log to standard error, lower the priority, exit when out of
    memory instead of hanging, and keep the pipes private. `own_level` is the log level of this program's modules, if it
    differs from that of libraries."""
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
    """Lower the priority, so that the window gets a core when needed and brushes stay smooth during computation."""
    lower = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS
    with suppress(psutil.Error, OSError):
        psutil.Process().nice(lower)


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipe ends, moved away from descriptors 0 and 1 so that no library can read from or print to them."""
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (0, 1):
            msvcrt.setmode(descriptor, os.O_BINARY)
    incoming, outgoing = os.dup(0), os.dup(1)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return open(incoming, "rb"), open(outgoing, "wb")
