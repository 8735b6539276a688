"""Generation in the foreground: the engine runs in a thread, the main thread handles its events and Ctrl+C.

The thread allows immediate handling of Ctrl+C, even while native code compiles for a minute.
"""

from __future__ import annotations

import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Protocol

from sdxl_desktop.core.events import EngineEvent, Phase, RunCancelled, RunFailed
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Pausing
from sdxl_desktop.session.generation_session import GenerationSession

EXIT_CANCELLED = 130
_UNPOLLED_PHASES = {Phase.STARTING, Phase.LOADING, Phase.COMPILING}
_CANCEL_GRACE_SECONDS = 0.8
_POLL_SECONDS = 0.1


class RunEngine(Protocol):
    """What a run needs of an `Engine`."""

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None: ...

    def close(self) -> None: ...


@dataclass
class ForegroundRunner:
    """A `RequestRunner` for a session without a window. `open_engine` does the heavy imports, inside the thread."""

    open_engine: Callable[[], RunEngine]
    # not a SimpleQueue: if a signal arrives at the wrong moment, its timed get() never returns (Python 3.11)
    _events: queue.Queue[EngineEvent] = field(default_factory=queue.Queue)
    _cancel: threading.Event = field(default_factory=threading.Event)
    _pause: threading.Event = field(default_factory=threading.Event)
    _cancelled_at: float | None = None
    _thread: threading.Thread | None = None

    def start(self, request: GenerationRequest, paused: PausedRun | None = None) -> None:
        self._thread = threading.Thread(target=self._work, args=(request, paused), daemon=True, name="engine")
        self._thread.start()

    def pause(self) -> None:
        self._pause.set()

    def cancel(self) -> None:
        self._cancelled_at = time.monotonic()
        self._cancel.set()

    def _work(self, request: GenerationRequest, paused: PausedRun | None) -> None:
        try:
            engine = self.open_engine()
            try:
                engine.generate(request, self._events.put, self._cancel, Pausing(self._pause, paused))
            finally:
                engine.close()
        except Exception as problem:  # the last resort for a run: the terminal must be notified of its end
            self._events.put(RunFailed.unexpected(problem))

    def run_until_done(
        self, session: GenerationSession, ctrl_c: threading.Event, on_cancel: Callable[[], None]
    ) -> bool:
        """Pass events to the session until its run is over, and cancel it once `ctrl_c` is set.

        Returns False if a cancelled engine had to be abandoned while working.
        """
        while session.run is not None:
            if ctrl_c.is_set() and self._cancelled_at is None:
                on_cancel()
                session.cancel()
            try:
                session.handle(self._events.get(timeout=_POLL_SECONDS))
            except queue.Empty:
                if self._is_overdue(session):
                    session.handle(RunCancelled())
                    return False
        if self._thread is not None:
            self._thread.join()  # closes the engine, which must not happen while Python shuts down
        return True

    def _is_overdue(self, session: GenerationSession) -> bool:
        """Whether a cancelled engine is stuck in native code that cannot poll. Abandoning it loses no picture."""
        if self._cancelled_at is None or session.run is None:
            return False
        cannot_poll = session.run.progress.phase in _UNPOLLED_PHASES
        return cannot_poll and time.monotonic() - self._cancelled_at > _CANCEL_GRACE_SECONDS


@contextmanager
def catch_ctrl_c(leave: Callable[[int], object]) -> Iterator[threading.Event]:
    """Yield an event that the first Ctrl+C sets; the second calls `leave(130)` immediately."""
    heard = threading.Event()

    def pressed(number: int, frame: FrameType | None) -> None:
        if heard.is_set():
            leave(EXIT_CANCELLED)
        heard.set()

    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)
