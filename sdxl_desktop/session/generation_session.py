"""One person's sitting: requests queued, the run in progress, the pictures made. The window and the command line
drive it with the same verbs and redraw from its state."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, assert_never

import numpy as np

from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, unforeseen_cause, where_the_log_is, wrap_error
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    PictureFinished,
    Pixels,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
)
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.run_log import problem_words, prompts_extra, run_words
from sdxl_desktop.session.compositing import BlendHistory, BlendSettings, same_drawing
from sdxl_desktop.session.result_files import PictureStore, Result, SavedElsewhereError, save_as

_log = logging.getLogger(__name__)

MAX_RESULTS = 200
MAX_DISCARDED = 20
"""How many discarded results can be brought back."""
_NOT_SAVED = "The picture could not be saved."
_SAVE_AGAIN_HINT = "Save it under another name."
MAX_LATENTS_BYTES = 512 * 2**20
"""Bytes that the latents of all results may take."""


SaveTask = Callable[[], Result | SdxlDesktopError]
RunInBackground = Callable[[SaveTask, Callable[[Result | SdxlDesktopError], None]], None]
"""Runs the slow work of writing a picture, and brings its outcome back to the session's thread."""


class RequestRunner(Protocol):
    """Takes one request at a time to an engine and brings its events back to `GenerationSession.handle`."""

    def start(self, request: GenerationRequest) -> None: ...

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The run in progress: what was asked, where it stands, the last preview and whether a stop was asked for."""

    request: GenerationRequest
    progress: Progress
    preview: Pixels | None = None
    cancelling: bool = False
    finished_pictures: int = 0

    @property
    def remaining(self) -> GenerationRequest:
        """What of the request is yet to be drawn: the same pictures without those that are."""
        sampling = self.request.sampling
        if not 0 < self.finished_pictures < sampling.count:
            return self.request
        seed = (sampling.seed + self.finished_pictures) % (MAX_SEED + 1)
        return replace(
            self.request, sampling=replace(sampling, seed=seed, count=sampling.count - self.finished_pictures)
        )


@dataclass(frozen=True, slots=True)
class DiscardedResult:
    """A result that was taken out of the list, and the row it had."""

    row: int
    result: Result


@dataclass
class GenerationSession:
    """The verbs. Every change ends in one call of `changed`; all of it on one thread."""

    runner: RequestRunner
    store: PictureStore
    changed: Callable[[], None] = lambda: None
    run_in_background: RunInBackground | None = None
    run: CurrentRun | None = None
    error: SdxlDesktopError | None = None
    message: str = ""
    finished: RunFinished | None = None
    results: list[Result] = field(default_factory=list)
    queue: deque[GenerationRequest] = field(default_factory=deque)
    cleared_queue: tuple[GenerationRequest, ...] = ()
    discarded: list[DiscardedResult] = field(default_factory=list)
    blends: BlendHistory = field(default_factory=BlendHistory)
    postponed_requests: tuple[GenerationRequest, ...] = ()
    """What was not drawn before the last end; it is drawn when the person wants it."""

    @property
    def unfinished_requests(self) -> tuple[GenerationRequest, ...]:
        """All that was asked for and is not drawn: what is in progress, what waits, and what was postponed."""
        run = self.run
        now = (
            ()
            if run is None or run.cancelling or run.finished_pictures >= run.request.sampling.count
            else (run.remaining,)
        )
        return (*now, *self.queue, *self.postponed_requests)

    def resume_postponed(self) -> None:
        """Draw what was postponed."""
        requests, self.postponed_requests = self.postponed_requests, ()
        for request in requests:
            self.generate(request)

    def generate(self, request: GenerationRequest) -> None:
        """Queue a request; it starts at once when nothing runs."""
        self.error = None
        self.message = ""
        self.queue.append(request)
        self._start_next()
        self.changed()

    def cancel(self) -> None:
        """Stop the run in progress; those waiting are drawn next. Does nothing when idle."""
        if self.run is not None:
            self.run = replace(self.run, cancelling=True)
            self.runner.cancel()
            self.changed()

    def clear_queue(self) -> int:
        """Let nothing wait any more; a run in progress goes on. Returns how many it were; `restore_queue` brings them
        back."""
        if self.queue:
            self.cleared_queue = tuple(self.queue)
            self.queue.clear()
            self.changed()
            return len(self.cleared_queue)
        return 0

    def restore_queue(self) -> None:
        """Let what was cleared last wait again, before what came since."""
        cleared, self.cleared_queue = self.cleared_queue, ()
        self.queue.extendleft(reversed(cleared))
        if self.error is None:
            self._start_next()
        self.changed()

    def dismiss_message(self) -> None:
        """The person has read the error or the message."""
        self.error = None
        self.message = ""
        self.changed()

    def resume(self) -> None:
        """Go on with the requests that an error has left waiting."""
        self.error = None
        self._start_next()
        self.changed()

    def handle(self, event: EngineEvent) -> None:
        """Bring the state up to date with what the engine told."""
        if self.run is None:  # a late word from a run that is over
            return
        match event:
            case Progress():
                self.run = replace(self.run, progress=event)
            case Preview():
                self.run = replace(self.run, preview=event.pixels)
            case PictureFinished():
                self.run = replace(self.run, finished_pictures=self.run.finished_pictures + 1)
                self._add_result(Result(picture=event.picture, request=self.run.request))
            case RunFinished():
                _log.info(
                    "Run finished: %d pictures on %s, %s", len(event.pictures), dict(event.devices), event.timings
                )
                self.finished = event
                self._finish_run("")
            case RunCancelled():
                _log.info("Run cancelled")
                self._finish_run("Cancelled.")
            case RunFailed():
                _log.error("Run failed: %s", problem_words(event.error))
                self.error = event.error
                self._finish_run("")
            case _:
                assert_never(event)
        self.changed()

    def _add_result(self, result: Result) -> None:
        self.results.append(result)
        self._drop_old_results()
        self._drop_old_latents()
        self.blends.keep_only(self.results)
        store = self.store
        self._save_result(lambda: _autosave(store, result))

    def _drop_old_results(self) -> None:
        """Let go of the oldest results beyond MAX_RESULTS, those with a file first, but of none that could not be
        written."""
        spare = [result for result in self.results[:-1] if result.problem is None]
        spare.sort(key=lambda result: result.saved_to is None)
        for oldest in spare[: max(0, len(self.results) - MAX_RESULTS)]:
            self.results = [result for result in self.results if result is not oldest]

    def _drop_old_latents(self) -> None:
        """Let go of the oldest latents when all of them take too much memory; their pictures stay."""
        room = MAX_LATENTS_BYTES
        for row in range(len(self.results) - 1, -1, -1):
            result = self.results[row]
            if result.picture.latents is None:
                continue
            room -= result.picture.latents.nbytes
            if room < 0:
                self.results[row] = replace(result, picture=replace(result.picture, latents=None))

    def _save_result(self, saving: SaveTask) -> None:
        if self.run_in_background is None:
            self._apply_save_outcome(saving())
        else:
            self.run_in_background(saving, self._on_saved)

    def _on_saved(self, outcome: Result | SdxlDesktopError) -> None:
        self._apply_save_outcome(outcome)
        self.changed()

    def _apply_save_outcome(self, outcome: Result | SdxlDesktopError) -> None:
        problem = outcome if isinstance(outcome, SdxlDesktopError) else outcome.problem
        if problem is not None:
            words = problem_words(problem)
            _log.error("A picture was not saved where it should be: %s", words, exc_info=unforeseen_cause(problem))
        if isinstance(outcome, SavedElsewhereError):
            self.error, outcome = outcome, outcome.result
        elif isinstance(outcome, SdxlDesktopError):
            self.error = outcome
            return
        elif outcome.problem is not None:  # the picture stays in the window, unsaved
            self.error = outcome.problem
        for row, result in enumerate(self.results):
            if same_drawing(result, outcome):
                self.results[row] = replace(result, saved_to=outcome.saved_to, problem=outcome.problem)
                if result.saved_to is None and result.picture is not outcome.picture:
                    self.save_reblended(row)  # it was blended anew while the file was being written
        for place, left in enumerate(self.discarded):
            if same_drawing(left.result, outcome):
                kept = replace(left.result, saved_to=outcome.saved_to, problem=outcome.problem)
                self.discarded[place] = replace(left, result=kept)

    @property
    def unsaved_results(self) -> tuple[Result, ...]:
        """The results that could not be written: they are only here, or their file is older."""
        return tuple(result for result in self.results if result.problem is not None)

    def retry_saving(self) -> None:
        """Try once more to write what could not be written."""
        self.error, store = None, self.store
        for result in self.unsaved_results:
            self._save_result(partial(_save, store, result))
        self.changed()

    def save(self, index: int) -> Result:
        """Write result `index` to the pictures folder; raises OutputError and keeps the picture."""
        return self._replace_saved(index, self.store.save(self.results[index]))

    def file_written(self, path: Path, pixels: Pixels) -> None:
        """`path` holds these pixels, uint8 [H, W, 3], now: results that are others are not saved there any more."""
        for row, result in enumerate(self.results):
            if result.saved_to == path and not np.array_equal(result.picture.pixels, pixels):
                self.results[row] = replace(result, saved_to=None)

    def save_as(self, index: int, path: Path) -> Result:
        """Write result `index` to `path`; raises OutputError and keeps the picture."""
        return self._replace_saved(index, save_as(self.results[index], path))

    # candidates

    def discard(self, index: int) -> Result:
        """Take result `index` out of the list; a file that holds it stays. `restore` brings the last one back."""
        result = self.results.pop(index)
        self.discarded.append(DiscardedResult(index, result))
        del self.discarded[:-MAX_DISCARDED]
        self.changed()
        return result

    def restore(self) -> int | None:
        """Bring back what was discarded last, to its row, which is returned; None when there is nothing."""
        if not self.discarded:
            return None
        left = self.discarded.pop()
        row = min(left.row, len(self.results))
        self.results.insert(row, left.result)
        self.changed()
        return row

    def reblend(self, index: int, blend: BlendSettings) -> None:
        """Blend what was drawn into result `index` again, in its place; nothing is denoised. A file that holds the
        result is left as it is until `keep_blend`."""
        blended = self.blends.blended(self.results[index], blend)
        if blended is not self.results[index]:
            self.results[index] = blended
            self.changed()

    def save_reblended(self, index: int) -> None:
        """Write result `index` into its file again, if it has one."""
        result = self.results[index]
        path = result.saved_to
        if path is not None:
            self._save_result(lambda: _save_to(result, path))

    def _replace_saved(self, index: int, result: Result) -> Result:
        self.results[index] = result
        if result.saved_to is not None:
            self.file_written(result.saved_to, result.picture.pixels)
        self.changed()
        return result

    def _finish_run(self, message: str) -> None:
        self.run = None
        self.message = message
        if self.error is None:
            self._start_next()

    def _start_next(self) -> None:
        if self.run is None and self.queue:
            request = self.queue.popleft()
            self.run = CurrentRun(request, Progress(phase=Phase.STARTING))
            _log.info("Run: %s", run_words(request), extra=prompts_extra(request))
            self.runner.start(request)


def _autosave(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: store.autosave(result))


def _save(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: store.save(result))


def _save_to(result: Result, path: Path) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: save_as(result, path))


def _save_or_mark_unsaved(result: Result, write: Callable[[], Result]) -> Result | SdxlDesktopError:
    """What `write` gives; or `result` as one that could not be written, with the reason and where it is now;
    or the error that says where it went instead."""
    try:
        return write()
    except SavedElsewhereError as problem:
        return problem
    except Exception as problem:  # whatever it is, the picture stays, and it is told
        failed = wrap_error(problem, _NOT_SAVED, next_step=_SAVE_AGAIN_HINT)
        kept = f"It stays in the strip, marked as not saved. {failed.next_step}".rstrip()
        if failed.asks_for_help and where_the_log_is() not in kept:
            kept += f" {where_the_log_is()}"
        told = OutputError(failed.what, why=failed.why, next_step=kept)
        told.__cause__ = failed
        return replace(result, problem=told)
