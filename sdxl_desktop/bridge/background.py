"""Work off the main thread: a function there, its outcome back here, and no failure that nobody hears of.

There is one mechanism. `Worker` is a thread that does one thing after the other: the engine's, the library's, the
one that writes. `BackgroundRunner` is what the window's parts are given: reading on threads of their own, writing on
one worker. Whatever is raised becomes an error that can be told, is logged, and goes to `failed`; without one, to
the window.
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
Fail = Callable[[SdxlDesktopError], object]

READ_TIMEOUT_S = 120.0
"""How long reading may take, after which whoever waits is told: a network share that has gone never answers."""
UNEXPECTED = "Something in the background failed unexpectedly."


class ReadTimeoutError(SdxlDesktopError):
    """Something was read for so long that nobody waits for it any more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Reading was given up after {seconds:g} seconds.",
            why="The disk or network share does not answer.",
            next_step="See whether it is connected, or copy the file to this computer, and try again.",
        )


class BackgroundRunner(Protocol):
    """Does `work` elsewhere, then calls `done` here with what it returned, or `failed` with the error that it raised.

    One of them is always called, unless the window closes first, or the `asker` has gone. Without `failed` the error is
    told to the person. `run` is for reading and looking, several things at once; `write` is for writing, one thing
    after the other.
    """

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: Fail | None = None,
        *,
        asker: QObject | None = None,
    ) -> None: ...

    def write(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: Fail | None = None,
        *,
        asker: QObject | None = None,
    ) -> None: ...

    def tell_failures(self, tell: Fail) -> None:
        """Let `tell` hear of every error that nobody else wants."""


class Outcome:
    """What came of some work, to be brought to the main thread: a value, or what was raised. `what` says what failed
    where nobody foresaw it."""

    def __init__(self, work: Callable[[], Any], what: str = UNEXPECTED) -> None:
        self._what = what
        self._value: Any = None
        self._problem: BaseException | None = None
        try:
            self._value = work()
        except BaseException as problem:  # SystemExit among it: whoever waits must hear that it is over
            self._problem = problem

    def deliver(self, done: Callable[[Any], object], failed: Fail, asker: QObject | None = None) -> None:
        """Tell whoever waits, on the main thread; what that raises is told like anything nobody foresaw."""
        error = self.noted()
        if asker is not None and not isValid(asker):
            return
        try:
            if error is None:
                done(self._value)
            else:
                failed(error)
        except Exception as problem:
            sys.excepthook(type(problem), problem, problem.__traceback__)

    def noted(self) -> SdxlDesktopError | None:
        """The error it ended with, which is in the log from now on."""
        return None if self._problem is None else wrap_error(self._problem, self._what)


class Worker(QObject):
    """Does one thing after the other on a thread of its own; outcomes come back to the thread of this object.

    The thread lives while there is something to do. One that may not be `left` behind is waited for by the end of the
    program, too.
    """

    _over = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None, *, left: bool = True) -> None:
        super().__init__(parent)
        self._name, self._left = name, left
        self._state = threading.Lock()  # guards what follows
        self._waiting: deque[Callable[[], None]] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._over.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def do(
        self,
        work: Callable[[], T],
        done: Callable[[T], object],
        failed: Fail,
        *,
        what: str = UNEXPECTED,
        asker: QObject | None = None,
    ) -> None:
        """Do `work` when its turn comes; after `close` nothing. `what` says what failed where it raises what nobody
        foresaw."""

        def turn() -> None:
            self._bring(Outcome(work, what), done, failed, asker)

        with self._state:
            if self._closed:
                return
            self._waiting.append(turn)
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=self._left)
        try:
            self._thread.start()
        except Exception as problem:  # there may be no room for another thread
            with self._state:
                self._waiting.clear()
                self._thread = None
            self._bring(Outcome(_raising(problem), what), done, failed, asker)

    def _work(self) -> None:
        while True:
            with self._state:
                if not self._waiting:
                    self._thread = None
                    return
                turn = self._waiting.popleft()
            turn()

    def _bring(self, outcome: Outcome, done: Callable[[Any], object], failed: Fail, asker: QObject | None) -> None:
        try:
            self._over.emit((outcome, done, failed, asker))
        except RuntimeError:  # this object has gone, and with it whoever asked
            outcome.noted()

    @Slot(object)
    def _deliver(self, brought: tuple[Outcome, Callable[[Any], object], Fail, QObject | None]) -> None:
        outcome, done, failed, asker = brought
        if self._closed:
            outcome.noted()
        else:
            outcome.deliver(done, failed, asker)

    def wait(self, seconds: float) -> bool:
        """Wait until there is nothing to do, for so long at most; whether that is so."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return self._thread is None

    def close(self, *, finish: bool = False) -> None:
        """Take nothing more, and bring no outcome back any more. What is being done is waited for, and what waits is
        dropped; or all of it is to `finish`, with nobody waiting here. Safe to call twice."""
        with self._state:
            self._closed = True
            thread = self._thread
            if not finish:
                self._waiting.clear()
        if not finish and thread is not None:
            thread.join()


class AsyncioBackgroundRunner(QObject):
    """The window's `BackgroundRunner`, beside the asyncio loop, which is Qt's own.

    All writing is done by one worker, so that two pictures never choose the same file name; what was asked for is
    finished even if the window closes. Each reading is awaited for so long and has a thread of its own, which is left
    behind when it does not come to an end: neither writing nor other reading waits for it, nor does the end of the
    program.
    After `close` no outcome arrives any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, read_seconds: float = READ_TIMEOUT_S) -> None:
        super().__init__()
        self._loop = loop
        self._read_seconds = read_seconds
        self._writer = Worker("writing", self, left=False)
        self._tasks: set[asyncio.Task[None]] = set()
        self._tell: Fail = _raise_unheard

    def tell_failures(self, tell: Fail) -> None:
        self._tell = tell

    def read(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: Fail | None = None,
        *,
        asker: QObject | None = None,
    ) -> None:
        reading = self._loop.create_task(self._read(task, callback, failed or self._tell, asker))
        self._tasks.add(reading)
        reading.add_done_callback(self._tasks.discard)

    async def _read(
        self, work: Callable[[], Any], done: Callable[[Any], object], failed: Fail, asker: QObject | None
    ) -> None:
        arrived: asyncio.Future[Outcome] = self._loop.create_future()

        def settle(outcome: Outcome) -> None:
            if not arrived.done():
                arrived.set_result(outcome)

        def read() -> None:
            outcome = Outcome(work)
            try:
                self._loop.call_soon_threadsafe(settle, outcome)
            except RuntimeError:  # the loop has gone, and with it whoever asked
                outcome.noted()

        try:
            threading.Thread(target=read, name="reading", daemon=True).start()
            outcome = await asyncio.wait_for(arrived, self._read_seconds)
        except TimeoutError:
            outcome = Outcome(_raising(ReadTimeoutError(self._read_seconds)))
        except Exception as problem:  # there may be no room for another thread
            outcome = Outcome(_raising(problem))
        outcome.deliver(done, failed, asker)

    def write(
        self,
        task: Callable[[], T],
        callback: Callable[[T], object],
        failed: Fail | None = None,
        *,
        asker: QObject | None = None,
    ) -> None:
        self._writer.do(task, callback, failed or self._tell, asker=asker)

    def close(self) -> None:
        self._writer.close(finish=True)
        for task in self._tasks:
            task.cancel()


def _raising(problem: Exception) -> Callable[[], Any]:
    def work() -> Any:
        raise problem

    return work


def _raise_unheard(error: SdxlDesktopError) -> None:
    """Before there is a window that tells: as what nobody caught."""
    raise error
