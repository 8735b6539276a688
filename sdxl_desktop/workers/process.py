"""The application's side of a worker: starts the process, sends it messages, receives its answers, kills it."""

from __future__ import annotations

import contextlib
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from sdxl_desktop.core import child_program, out_of_memory
from sdxl_desktop.core.errors import SdxlDesktopError, describe_error
from sdxl_desktop.workers import protocol

POLL_SECONDS = 0.05
END_SECONDS = 5.0
"""Timeout for a killed process to end: one that hangs in a driver does not end even then."""
_THREAD_END_SECONDS = 0.5
"""Timeout for the pipe threads to end: a subprocess of the worker may hold the pipes open."""
_STALLED_SECONDS = 30.0
"""Timeout for the next piece of an incomplete message."""
_SECONDS_AFTER_EXIT = 2.0
"""Timeout for remaining messages after the process has exited."""


class WorkerStartError(SdxlDesktopError):
    """The system could not start a process."""


@dataclass(frozen=True, slots=True)
class WorkerEnded:
    """The process has ended or is unusable; `why` is "" if the exit code tells the reason."""

    why: str = ""


class WorkerProcess:
    """One child process of this program, with a reader thread for its messages and a writer thread, which blocks while
    the process is stuck.

    `host` is the program argument that starts it, `expected` the types of its messages, `stderr` the file for its
    standard error, `environment` its environment variables (default: `offline_environment()`). Raises WorkerStartError.
    """

    def __init__(
        self, host: str, expected: Any, *, stderr: BinaryIO, environment: Mapping[str, str] | None = None
    ) -> None:
        self._expected = expected
        # not a SimpleQueue: with a signal at the wrong moment its timed get() waits forever (Python 3.11)
        self._messages: queue.Queue[Any] = queue.Queue()
        self._frames: queue.SimpleQueue[bytes | memoryview | None] = queue.SimpleQueue()
        self._arrived_at: float | None = None
        self._exited_at: float | None = None
        self._process = _start(host, stderr, offline_environment() if environment is None else environment)
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), name="reader", daemon=True)
        self._writer = threading.Thread(target=self._write, args=(self._process.stdin,), name="writer", daemon=True)
        try:
            self._reader.start()
            self._writer.start()
        except RuntimeError as problem:  # no thread could be started
            self._process.kill()
            raise _not_started(problem) from problem

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative signal number if a signal ended it."""
        return self._process.poll()

    def alive(self) -> bool:
        """Whether the process appears able to receive messages."""
        return self._reader.is_alive() and self._process.poll() is None

    def send(self, message: object) -> None:
        """Send `message`. If the process has ended, `receive` reports it. Raises MemoryError."""
        self._frames.put(protocol.pack(message))

    def receive(self) -> Any:
        """Return the next message, `WorkerEnded`, or None if nothing arrived for `POLL_SECONDS`."""
        try:
            return self._messages.get(timeout=POLL_SECONDS)
        except queue.Empty:
            pass
        arrived_at = self._arrived_at
        if arrived_at is not None and time.monotonic() - arrived_at > _STALLED_SECONDS:
            return WorkerEnded("It stopped in the middle of a message.")
        if self._process.poll() is not None:  # a subprocess of it may hold the pipe open
            self._exited_at = self._exited_at or time.monotonic()
            if time.monotonic() - self._exited_at > _SECONDS_AFTER_EXIT:
                return WorkerEnded()
        return None

    def end(self, *, grace: float = 0.0) -> None:
        """Give the process `grace` seconds to exit, then kill it and wait until it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._frames.put(None)
        for thread in (self._reader, self._writer):
            thread.join(_THREAD_END_SECONDS)

    def end_after(self, ended: WorkerEnded) -> None:
        """End the process that `ended` came from; if it exits by itself, wait for its exit code."""
        self.end(grace=0.0 if ended.why else END_SECONDS)

    def _read(self, stream: BinaryIO) -> None:
        why = "What it sent could not be read."
        try:
            with stream:
                while True:
                    self._messages.put(protocol.read(stream, self._expected, self._note))
        except (EOFError, OSError):
            why = ""
        except protocol.UnreadableMessageError as problem:
            why = f"What it sent could not be read. {problem}"
        finally:  # however this thread ends, receivers must not wait for more
            self._messages.put(WorkerEnded(why))

    def _note(self, begun: bool) -> None:
        self._arrived_at = time.monotonic() if begun else None

    def _write(self, stream: BinaryIO) -> None:
        with contextlib.suppress(OSError), stream:
            while (frame := self._frames.get()) is not None:
                protocol.write_frame(stream, frame)


def offline_environment() -> dict[str, str]:
    """Return the environment variables of a worker without network use."""
    return {**child_program.child_environment(), "HF_HUB_OFFLINE": "1"}


def exit_reason(code: int | None, last_line: str = "") -> str:
    """Return a sentence on why a worker ended with exit code `code` (None: unknown); `last_line` is the last line of
    its standard error ("" for none)."""
    if code is None:
        return ""
    if code == out_of_memory.OUT_OF_MEMORY_EXIT_CODE:
        return "There was not enough memory."
    if code == protocol.EXIT_UNREADABLE:
        return "It could not read what it was sent, which happens when there is not enough memory for it."
    if code == -getattr(signal, "SIGKILL", 9):
        return "It was killed from outside, which happens when the computer runs out of memory."
    if code < 0:
        return f"It crashed ({_signal_name(-code)}). {_sentence(last_line)}".strip()
    return f"It ended with exit code {code}. {_sentence(last_line)}".strip()


def _sentence(line: str) -> str:
    return line if not line or line.endswith((".", "!", "?", "…")) else f"{line}."


def _signal_name(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _start(host: str, stderr: BinaryIO, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            child_program.child_command(host),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            cwd=child_program.child_working_folder(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except OSError as problem:
        raise _not_started(problem) from problem


def _not_started(problem: Exception) -> WorkerStartError:
    return WorkerStartError(
        "A process for the work could not be started.",
        why=describe_error(problem),
        next_step="Close other programs and try again; if it fails again, reinstall the application.",
    )
