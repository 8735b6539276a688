"""Keeps the queue on disk: writes each change in the background, and takes over what earlier windows left."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.queue_store import LeftQueue, QueueStore

_log = logging.getLogger(__name__)


class QueueKeeper:
    """Writes the queue of `session` after each change. `failed` gets each new reason why it could not be written."""

    def __init__(
        self,
        session: GenerationSession,
        store: QueueStore,
        background: BackgroundRunner,
        failed: Callable[[SdxlDesktopError], object],
    ) -> None:
        self._session, self._store, self._background, self._failed = session, store, background, failed
        self._is_scheduled = self._closed = False
        self._reported = ""
        session.queue_changed = self._schedule

    def _schedule(self) -> None:
        """Write the queue soon: as it is then, so that one write stands for several quick changes."""
        if not self._is_scheduled and not self._closed:
            self._is_scheduled = True
            self._background.write(self._write, lambda _: self._report(None), self._report)

    def _write(self) -> None:
        self._is_scheduled = False
        if not self._closed:
            self._store.save(self._session.queue)

    def _report(self, problem: SdxlDesktopError | None) -> None:
        text = "" if problem is None else str(problem)
        if problem is not None and text != self._reported and not self._closed:
            self._failed(problem)
        self._reported = text

    def take_left(self, found: Callable[[LeftQueue], object], ready: Callable[[], object]) -> None:
        """Add what earlier windows left to the queue, call `found` with it if there is something, and then `ready`."""

        def take(left: LeftQueue) -> None:
            if self._closed:
                return
            self._session.change_queue(lambda queue: queue.merged(left.items))
            if left.folders:
                self._background.write(lambda: self._move(left), lambda _: None, self._report)
            if left.items or left.damaged:
                found(left)
            ready()

        self._background.read(self._store.take_left, take, self._failed)

    def _move(self, left: LeftQueue) -> None:
        """Store what was taken over in this window's own files, and only then delete those of the earlier ones."""
        self._store.save(self._session.queue)
        self._store.forget_left(left)

    def save_now(self) -> None:
        """Write the queue before this returns; what goes wrong is logged: the window or the system is ending."""
        try:
            self._store.save(self._session.queue)
        except SdxlDesktopError:
            _log.exception("The queue could not be saved at the end")

    def close(self) -> None:
        """Write the queue and leave it to the next start. Safe to call twice."""
        if not self._closed:
            self.save_now()
            self._closed = True
            self._store.close()
