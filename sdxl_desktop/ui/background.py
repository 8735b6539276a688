"""Slow work off the main thread, its answer back on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Background(Protocol):
    """Runs `work` elsewhere, then `done` with what it returned, here. `work` answers for its own errors."""

    def run(self, work: Callable[[], T], done: Callable[[T], None]) -> None: ...


class LoopBackground:
    """On the threads of the running asyncio loop, which is Qt's own. After `close` no answer arrives any more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Callable[[], T], done: Callable[[T], None]) -> None:
        async def both() -> None:
            done(await asyncio.to_thread(work))

        task = self._loop.create_task(both())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
