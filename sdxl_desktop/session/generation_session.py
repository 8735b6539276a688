"""A generation session: queued requests, the current run, and the results. The window and the command line use the same
methods and redraw from its state."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
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
from sdxl_desktop.core.run_log import format_error, format_request, prompts_extra
from sdxl_desktop.session.blend_history import BlendHistory
from sdxl_desktop.session.compositing import BlendSettings, same_drawing
from sdxl_desktop.session.result_files import PictureStore, Result, SavedElsewhereError, save_as

_log = logging.getLogger(__name__)

MAX_RESULTS = 200
MAX_DISCARDED = 20
"""Maximum number of discarded results that can be restored."""
_NOT_SAVED = "The picture could not be saved."
_SAVE_AGAIN_HINT = "Save it under another name."
MAX_LATENTS_BYTES = 512 * 2**20
"""Maximum bytes of the latents of all results."""


SaveTask = Callable[[], Result | SdxlDesktopError]
RunInBackground = Callable[[SaveTask, Callable[[Result | SdxlDesktopError], None]], None]
"""Runs the slow writing of a picture and passes its outcome back on the session's thread."""


class RequestRunner(Protocol):
    """Passes one request at a time to an engine and its events to `GenerationSession.handle`."""

    def start(self, request: GenerationRequest) -> None: ...

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """The current run: its request, progress, last preview, and whether cancellation was requested."""

    request: GenerationRequest
    progress: Progress
    preview: Pixels | None = None
    cancelling: bool = False
    finished_pictures: int = 0

    @property
    def remaining(self) -> GenerationRequest:
        """The unfinished part of the request: the same pictures without the finished ones."""
        sampling = self.request.sampling
        if not 0 < self.finished_pictures < sampling.count:
            return self.request
        seed = (sampling.seed + self.finished_pictures) % (MAX_SEED + 1)
        left = replace(sampling, seed=seed, count=sampling.count - self.finished_pictures)
        return self.request.with_pictures(self.finished_pictures, left)


@dataclass(frozen=True, slots=True)
class DiscardedResult:
    """A discarded result and its former row."""

    row: int
    result: Result


@dataclass
class GenerationSession:
    """Operations on the session. Each change calls `changed` once; everything runs on one thread."""

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
    """Requests left unfinished by the last session; generated when the user asks for it."""

    @property
    def unfinished_requests(self) -> tuple[GenerationRequest, ...]:
        """All unfinished requests: the current, the queued and the postponed ones."""
        run = self.run
        now = (
            ()
            if run is None or run.cancelling or run.finished_pictures >= run.request.sampling.count
            else (run.remaining,)
        )
        return (*now, *self.queue, *self.postponed_requests)

    def resume_postponed(self) -> None:
        """Generate the postponed requests."""
        requests, self.postponed_requests = self.postponed_requests, ()
        for request in requests:
            self.generate(request)

    def generate(self, request: GenerationRequest) -> None:
        """Queue a request; it starts immediately if nothing is running."""
        self.error = None
        self.message = ""
        self.queue.append(request)
        self._start_next()
        self.changed()

    def generate_all(self, requests: Sequence[GenerationRequest]) -> None:
        """Queue several requests, as `generate` does each."""
        self.error = None
        self.message = ""
        self.queue.extend(requests)
        self._start_next()
        self.changed()

    def cancel(self) -> None:
        """Cancel the current run; queued requests follow. Does nothing if idle."""
        if self.run is not None:
            self.run = replace(self.run, cancelling=True)
            self.runner.cancel()
            self.changed()

    def clear_queue(self) -> int:
        """Clear the queue and return the number of requests removed; the current run continues. `restore_queue` undoes
        it."""
        if self.queue:
            self.cleared_queue = tuple(self.queue)
            self.queue.clear()
            self.changed()
            return len(self.cleared_queue)
        return 0

    def restore_queue(self) -> None:
        """Restore the last cleared requests, ahead of those queued since."""
        cleared, self.cleared_queue = self.cleared_queue, ()
        self.queue.extendleft(reversed(cleared))
        if self.error is None:
            self._start_next()
        self.changed()

    def dismiss_message(self) -> None:
        """Clear the error or message after the user has read it."""
        self.error = None
        self.message = ""
        self.changed()

    def resume(self) -> None:
        """Continue with the requests that were left queued after an error."""
        self.error = None
        self._start_next()
        self.changed()

    def handle(self, event: EngineEvent) -> None:
        """Update the state from an engine event."""
        if self.run is None:  # a late event of a finished run
            return
        match event:
            case Progress():
                self.run = replace(self.run, progress=event)
            case Preview():
                self.run = replace(self.run, preview=event.pixels)
            case PictureFinished():
                self.run = replace(self.run, finished_pictures=self.run.finished_pictures + 1)
                self._add_result(
                    Result(picture=event.picture, request=self.run.request.of_picture(event.picture.index))
                )
            case RunFinished():
                devices = ", ".join(f"{part} on {device}" for part, device in event.devices.items())
                _log.info("Run finished: %d pictures; %s; %s", len(event.pictures), devices, event.timings)
                self.finished = event
                self._finish_run("")
            case RunCancelled():
                _log.info("Run cancelled")
                self._finish_run("Cancelled.")
            case RunFailed():
                _log.error("Run failed: %s", format_error(event.error))
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
        """Drop the oldest results beyond MAX_RESULTS, saved ones first, but none that could not be written."""
        spare = [result for result in self.results[:-1] if result.problem is None]
        spare.sort(key=lambda result: result.saved_to is None)
        for oldest in spare[: max(0, len(self.results) - MAX_RESULTS)]:
            self.results = [result for result in self.results if result is not oldest]

    def _drop_old_latents(self) -> None:
        """Drop the oldest latents if all together exceed MAX_LATENTS_BYTES; their pictures stay."""
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
            words = format_error(problem)
            _log.error("A picture was not saved where it should be: %s", words, exc_info=unforeseen_cause(problem))
        if isinstance(outcome, SavedElsewhereError):
            self.error, outcome = outcome, outcome.result
        elif isinstance(outcome, SdxlDesktopError):
            self.error = outcome
            return
        elif outcome.problem is not None:  # the result stays in the window, unsaved
            self.error = outcome.problem
        for row, result in enumerate(self.results):
            if same_drawing(result, outcome):
                self.results[row] = replace(result, saved_to=outcome.saved_to, problem=outcome.problem)
                if result.saved_to is None and result.picture is not outcome.picture:
                    self.save_reblended(row)  # it was reblended while the file was being written
        for place, left in enumerate(self.discarded):
            if same_drawing(left.result, outcome):
                kept = replace(left.result, saved_to=outcome.saved_to, problem=outcome.problem)
                self.discarded[place] = replace(left, result=kept)

    @property
    def unsaved_results(self) -> tuple[Result, ...]:
        """The results that could not be written: in memory only, or newer than their file."""
        return tuple(result for result in self.results if result.problem is not None)

    def retry_saving(self) -> None:
        """Retry writing the unsaved results."""
        self.error, store = None, self.store
        for result in self.unsaved_results:
            self._save_result(partial(_save, store, result))
        self.changed()

    def save(self, index: int) -> Result:
        """Write result `index` to the pictures folder; raises OutputError and keeps the picture."""
        return self._replace_saved(index, self.store.save(self.results[index]))

    def file_written(self, path: Path, pixels: Pixels) -> None:
        """Record that `path` now holds these pixels, uint8 [H, W, 3]: other results are no longer saved there."""
        for row, result in enumerate(self.results):
            if result.saved_to == path and not np.array_equal(result.picture.pixels, pixels):
                self.results[row] = replace(result, saved_to=None)

    def save_as(self, index: int, path: Path) -> Result:
        """Write result `index` to `path`; raises OutputError and keeps the picture."""
        return self._replace_saved(index, save_as(self.results[index], path))

    # candidates

    def discard(self, index: int) -> Result:
        """Remove result `index` from the list; its file stays. `restore` undoes the last discard."""
        result = self.results.pop(index)
        self.discarded.append(DiscardedResult(index, result))
        del self.discarded[:-MAX_DISCARDED]
        self.changed()
        return result

    def restore(self) -> int | None:
        """Restore the last discarded result to its row and return the row; None if there is none."""
        if not self.discarded:
            return None
        left = self.discarded.pop()
        row = min(left.row, len(self.results))
        self.results.insert(row, left.result)
        self.changed()
        return row

    def reblend(self, index: int, blend: BlendSettings) -> None:
        """Blend result `index` again in place, without denoising. Its file is unchanged until `save_reblended`."""
        blended = self.blends.blended(self.results[index], blend)
        if blended is not self.results[index]:
            self.results[index] = blended
            self.changed()

    def save_reblended(self, index: int) -> None:
        """Rewrite the file of result `index`, if it has one."""
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
            _log.info("Run: %s", format_request(request), extra=prompts_extra(request))
            self.runner.start(request)


def _autosave(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: store.autosave(result))


def _save(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: store.save(result))


def _save_to(result: Result, path: Path) -> Result | SdxlDesktopError:
    return _save_or_mark_unsaved(result, lambda: save_as(result, path))


def _save_or_mark_unsaved(result: Result, write: Callable[[], Result]) -> Result | SdxlDesktopError:
    """Return the result of `write`; or `result` marked as unsaved, with the reason and its present file; or the error
    that says where it was written instead."""
    try:
        return write()
    except SavedElsewhereError as problem:
        return problem
    except Exception as problem:  # any error is reported, and the picture stays
        failed = wrap_error(problem, _NOT_SAVED, next_step=_SAVE_AGAIN_HINT)
        kept = f"It stays in the strip, marked as not saved. {failed.next_step}".rstrip()
        if failed.asks_for_help and where_the_log_is() not in kept:
            kept += f" {where_the_log_is()}"
        error = OutputError(failed.what, why=failed.why, next_step=kept)
        error.__cause__ = failed
        return replace(result, problem=error)
