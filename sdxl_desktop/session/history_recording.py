"""Indexes the results of a session in the history, as soon as their files are written."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import RunFinished
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.history.pictures import new_picture
from sdxl_desktop.session.result_files import Result

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History  # loads the database's libraries

_log = logging.getLogger(__name__)
_MAX_OPEN_RUNS = 16
"""How many runs may wait for their pictures to be written, or for their end."""

WriteToHistory = Callable[[Callable[["History"], None], Callable[[SdxlDesktopError], None]], None]
"""Runs a task that writes to the history, in order, and passes its error to the callback."""


class ResultRecorder(Protocol):
    """Is told of each result whose file was written, and of each run that has finished."""

    def result_saved(self, result: Result) -> None: ...

    def run_finished(self, request: GenerationRequest, finished: RunFinished) -> None: ...


@dataclass(eq=False)
class _Run:
    """A run with the entries of its pictures so far."""

    request: GenerationRequest
    entries: list[int] = field(default_factory=list)
    finished: RunFinished | None = None


class HistoryRecorder:
    """Records results in the history. A history that fails is reported once; drawing and saving go on, and the pictures
    are found by the next scan of their folder.

    `title_of` returns the title of a request's checkpoint.
    """

    def __init__(
        self,
        write: WriteToHistory,
        report: Callable[[SdxlDesktopError], object],
        title_of: Callable[[GenerationRequest], str] = lambda request: request.checkpoint.name,
    ) -> None:
        self._write = write
        self._report = report
        self._title_of = title_of
        self._runs: deque[_Run] = deque(maxlen=_MAX_OPEN_RUNS)  # used by the tasks only, which run in order
        self._reported = False

    def result_saved(self, result: Result) -> None:
        """Index a result, whose file is written."""
        file = result.saved_to
        if file is None:
            return
        title = self._title_of(result.request)

        def task(history: History) -> None:
            run = self._run_of(result.request)
            new = new_picture(file.absolute(), result.picture, result.request, title)
            if run.finished is not None:
                new = replace(new, timings=run.finished.timings, devices=run.finished.devices)
            run.entries.append(history.add(new))
            self._reported = False

        self._write(task, self.failed)

    def run_finished(self, request: GenerationRequest, finished: RunFinished) -> None:
        """Add timings and devices to the pictures of a run; those that are still being written get them afterwards."""

        def task(history: History) -> None:
            run = self._run_of(request)
            run.finished = RunFinished(pictures=(), timings=finished.timings, devices=finished.devices)
            if run.entries:
                history.set_run(run.entries, finished.timings, finished.devices)

        self._write(task, self.failed)

    def failed(self, error: SdxlDesktopError) -> None:
        """Report an error of the history, once until it works again."""
        _log.warning("The history failed: %s", error)
        if not self._reported:
            self._reported = True
            self._report(error)

    def _run_of(self, request: GenerationRequest) -> _Run:
        for run in self._runs:
            if run.request is request:
                return run
        run = _Run(request)
        self._runs.append(run)
        return run
