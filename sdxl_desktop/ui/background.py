"""Slow work off the main thread, its outcome back on it: always, whatever it raises and however long it takes."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from sdxl_desktop.core.errors import SdxlDesktopError, explained

T = TypeVar("T")

READ_SECONDS = 120.0
"""How long reading may take, after which whoever waits is told: a network share that has gone never answers."""


class TookTooLongError(SdxlDesktopError):
    """Something was read for so long that nobody waits for it any more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"Reading was given up after {seconds:g} seconds.",
            why="The disk or network share does not answer.",
            next_step="See whether it is connected, or copy the file to this computer, and try again.",
        )


class Background(Protocol):
    """Does `work` elsewhere, then calls `done` here with what it returned, or with the error that it raised.

    `done` is always called, unless the window closes first. `run` is for reading and looking, several things at once;
    `write` is for writing, one thing after the other.
    """

    def run(self, work: Callable[[], T], done: Callable[[T | SdxlDesktopError], None]) -> None: ...

    def write(self, work: Callable[[], T], done: Callable[[T | SdxlDesktopError], None]) -> None: ...


class LoopBackground:
    """Threads beside the asyncio loop, which is Qt's own.

    All writing is done by one thread, so that two pictures never choose the same file name; what was begun is finished
    even if the window closes. Each reading has a thread of its own, which is left behind when it does not come to an
    end: neither writing nor other reading waits for it, nor does the end of the program. After `close` no outcome
    arrives any more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, read_seconds: float = READ_SECONDS) -> None:
        self._loop = loop
        self._read_seconds = read_seconds
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writing")
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Callable[[], T], done: Callable[[T | SdxlDesktopError], None]) -> None:
        outcome: asyncio.Future[T | SdxlDesktopError] = self._loop.create_future()

        def settle(found: T | SdxlDesktopError) -> None:
            if not outcome.done():
                outcome.set_result(found)

        def read() -> None:
            found = attempt(work)
            with suppress(RuntimeError):  # the loop has gone, and with it whoever asked
                self._loop.call_soon_threadsafe(settle, found)

        threading.Thread(target=read, name="reading", daemon=True).start()
        self._when(outcome, done, self._read_seconds)

    def write(self, work: Callable[[], T], done: Callable[[T | SdxlDesktopError], None]) -> None:
        begun = self._writer.submit(lambda: attempt(work))  # at once: it is written even if the window closes now
        self._when(asyncio.wrap_future(begun, loop=self._loop), done, None)

    def _when(
        self,
        outcome: asyncio.Future[T | SdxlDesktopError],
        done: Callable[[T | SdxlDesktopError], None],
        seconds: float | None,
    ) -> None:
        async def both() -> None:
            try:
                found: T | SdxlDesktopError = await asyncio.wait_for(outcome, seconds)
            except TimeoutError:
                found = TookTooLongError(seconds or 0)
            try:
                done(found)
            except Exception as problem:  # an asyncio task would keep it to itself
                sys.excepthook(type(problem), problem, problem.__traceback__)

        task = self._loop.create_task(both())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        self._writer.shutdown(wait=False)
        for task in self._tasks:
            task.cancel()


def attempt(work: Callable[[], T]) -> T | SdxlDesktopError:
    """What `work` returns, or the error that it raises, to be told on another thread."""
    try:
        return work()
    except Exception as problem:
        return explained(problem, "Something in the background failed unexpectedly.")
