"""Slow work off the main thread, its answer back on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from sdxl_desktop.core.errors import SdxlDesktopError

T = TypeVar("T")


class Background(Protocol):
    """Runs `work` elsewhere, then `done` with what it returned, here. `work` answers for its own errors."""

    def run(self, work: Callable[[], T], done: Callable[[T], None]) -> None: ...


class LoopBackground:
    """One thread beside the asyncio loop, which is Qt's own: one thing after the other, so that two pictures never
    choose the same file name. After `close` no answer arrives any more, but what was begun is finished."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="background")
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        async def both() -> None:
            done(await asyncio.wrap_future(begun, loop=self._loop))

        begun = self._thread.submit(work)  # at once: a picture is written even if the window closes now
        task = self._loop.create_task(both())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        self._thread.shutdown(wait=False)
        for task in self._tasks:
            task.cancel()


def attempt(work: Callable[[], T]) -> T | SdxlDesktopError:
    """What `work` returns, or the error that it raises, to be told on another thread."""
    try:
        return work()
    except SdxlDesktopError as problem:
        return problem
