"""Runs work off the main thread and delivers its outcome there; no failure goes unreported.

There is one mechanism. `Worker` is a thread that runs tasks one after the other: the engine's, the library's and the
writer's. `BackgroundRunner` is for the window's parts: reading on separate threads, writing on one worker. Every
exception becomes a reportable error, is logged, and goes to `failed`; without one, to the window.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, Qt, Signal, Slot
from shiboken6 import isValid

from sdxl_desktop.core.errors import SdxlDesktopError, wrap_error

T = TypeVar("T")
FailureCallback = Callable[[SdxlDesktopError], object]

READ_TIMEOUT_S = 120.0
"""Timeout for reading, after which the caller is notified: a disconnected network share never answers."""
UNEXPECTED = "Something in the background failed unexpectedly."


class ReadTimeoutError(SdxlDesktopError):
    """Reading took too long and was abandoned."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Reading was given up after {seconds:g} seconds.",
            why="The disk or network share does not answer.",
            next_step="See whether it is connected, or copy the file to this computer, and try again.",
        )


class BackgroundRunner(Protocol):
    """Runs `task` elsewhere, then calls `callback` on the main thread with its result, or `failed` with its error.

    One of them is always called, unless the window closes first, or `owner` was destroyed. Without `failed` the
    error is shown to the user. `read` is for reading, with several tasks in parallel; `write` is for writing, one task
    after the other.
    """

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None: ...

    def write(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None: ...

    def set_failure_handler(self, handler: FailureCallback) -> None:
        """Set the handler for errors that no one else handles."""


class Outcome:
    """The result of a task, for delivery to the main thread: a value or an exception. `what` describes the failure if
    the exception is unexpected."""

    def __init__(self, work: Callable[[], Any], what: str = UNEXPECTED) -> None:
        self._what = what
        self._value: Any = None
        self._problem: BaseException | None = None
        try:
            self._value = work()
        except BaseException as problem:  # including SystemExit: the caller must learn that it is over
            self._problem = problem

    def deliver(self, done: Callable[[Any], object], failed: FailureCallback, owner: QObject | None = None) -> None:
        """Call the callback on the main thread; exceptions of the callback are reported as unexpected errors."""
        error = self.log_error()
        if owner is not None and not isValid(owner):
            return
        try:
            if error is None:
                done(self._value)
            else:
                failed(error)
        except Exception as problem:
            sys.excepthook(type(problem), problem, problem.__traceback__)

    def log_error(self) -> SdxlDesktopError | None:
        """Log the error, if any, and return it."""
        return None if self._problem is None else wrap_error(self._problem, self._what)


class Worker(QObject):
    """Runs tasks one after the other on its own thread; outcomes are delivered on the thread of this object.

    The thread lives while there are tasks. The end of the program waits for it unless it is a `daemon`.
    """

    _outcome_ready = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None, *, daemon: bool = True) -> None:
        super().__init__(parent)
        self._name, self._daemon = name, daemon
        self._state = threading.Lock()  # guards the following attributes
        self._waiting: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._outcome_ready.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def submit(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: FailureCallback,
        *,
        what: str = UNEXPECTED,
        owner: QObject | None = None,
    ) -> None:
        """Run `work` in turn; ignored after `close`. `what` describes the failure if it raises an unexpected
        exception."""

        def turn() -> None:
            self._post_outcome(Outcome(work, what), done, failed, owner)

        with self._state:
            if self._closed:
                return
            self._waiting.append(turn)
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=self._daemon)
        try:
            self._thread.start()
        except Exception as problem:  # there may be no memory for another thread
            with self._state:
                self._waiting.clear()
                self._thread = None
            self._post_outcome(Outcome(_raising(problem), what), done, failed, owner)

    def _work(self) -> None:
        while True:
            with self._state:
                if not self._waiting:
                    self._thread = None
                    return
                turn = self._waiting.popleft()
            turn()

    def _post_outcome(
        self, outcome: Outcome, done: Callable[[Any], object], failed: FailureCallback, owner: QObject | None
    ) -> None:
        try:
            self._outcome_ready.emit((outcome, done, failed, owner))
        except RuntimeError:  # this object is destroyed, and its callers with it
            outcome.log_error()

    @Slot(object)
    def _deliver(self, brought: tuple[Outcome, Callable[[Any], object], FailureCallback, QObject | None]) -> None:
        outcome, done, failed, asker = brought
        if self._closed:
            outcome.log_error()
        else:
            outcome.deliver(done, failed, asker)

    def wait(self, seconds: float) -> bool:
        """Wait at most `seconds` until there are no tasks; return whether that is so."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self._thread is None

    def close(self, *, finish: bool = False) -> None:
        """Accept no more tasks and deliver no more outcomes. Wait for the current task and drop pending ones; or with
        `finish` let all of them finish, without waiting here. Safe to call twice."""
        with self._state:
            self._closed = True
            thread = self._thread
            if not finish:
                self._waiting.clear()
        if not finish and thread is not None:
            thread.join()


class AsyncioBackgroundRunner(QObject):
    """The window's `BackgroundRunner`, on the asyncio loop, which is Qt's own.

    One worker does all writing, so that two pictures never choose the same file name; requested writes are finished
    even if the window closes. Each read has a thread of its own and a timeout; a thread that does not end is left
    behind: neither writing nor other reads wait for it, nor does the end of the program. After `close` no outcome is
    delivered.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, read_seconds: float = READ_TIMEOUT_S) -> None:
        super().__init__()
        self._loop = loop
        self._read_seconds = read_seconds
        self._writer = Worker("writing", self, daemon=False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._tell: FailureCallback = _raise_unheard

    def set_failure_handler(self, handler: FailureCallback) -> None:
        self._tell = handler

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        reading = self._loop.create_task(self._read(task, callback, failed or self._tell, owner))
        self._tasks.add(reading)
        reading.add_done_callback(self._tasks.discard)

    async def _read(
        self, work: Callable[[], Any], done: Callable[[Any], object], failed: FailureCallback, owner: QObject | None
    ) -> None:
        arrived: asyncio.Future[Outcome] = self._loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not arrived.done():
                arrived.set_result(outcome)

        def read() -> None:
            outcome = Outcome(work)
            try:
                self._loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:  # the loop is closed, and its callers are gone
                outcome.log_error()

        try:
            threading.Thread(target=read, name="reading", daemon=True).start()
            outcome = await asyncio.wait_for(arrived, self._read_seconds)
        except TimeoutError:
            outcome = Outcome(_raising(ReadTimeoutError(self._read_seconds)))
        except Exception as problem:  # there may be no memory for another thread
            outcome = Outcome(_raising(problem))
        outcome.deliver(done, failed, owner)

    def write(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: FailureCallback | None = None,
        *,
        owner: QObject | None = None,
    ) -> None:
        self._writer.submit(task, callback, failed or self._tell, owner=owner)

    def close(self) -> None:
        self._writer.close(finish=True)
        for task in self._tasks:
            task.cancel()


def _raising(problem: Exception) -> Callable[[], Any]:
    def work() -> Any:
        raise problem

    return work


def _raise_unheard(error: SdxlDesktopError) -> None:
    """Raise `error` as uncaught, before there is a window to report it."""
    raise error
