"""A generation session: the queue, the current run, and the results. The window and the command line use the same
methods and redraw from its state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from pathlib import Path
from typing import Protocol, assert_never

import numpy as np

from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, unforeseen_cause, where_the_log_is, wrap_error
from sdxl_desktop.core.events import (
    EngineEvent,
    Phase,
    Picture,
    PictureFinished,
    Pixels,
    Preview,
    Progress,
    RunCancelled,
    RunFailed,
    RunFinished,
    RunPaused,
)
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.run_log import format_error, format_request, prompts_extra
from sdxl_desktop.session.blend_history import BlendHistory
from sdxl_desktop.session.compositing import BlendSettings, same_drawing
from sdxl_desktop.session.current_run import CurrentRun, PauseKind
from sdxl_desktop.session.history_recording import ResultRecorder
from sdxl_desktop.session.queue.arrangement import RunSetup
from sdxl_desktop.session.queue.generation_queue import GenerationQueue
from sdxl_desktop.session.queue.queue_item import QueueItem
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

    def start(self, request: GenerationRequest, paused: PausedRun | None = None) -> None:
        """Run `request`, from where it was `paused`."""

    def pause(self) -> None:
        """Pause the run after its current step."""

    def cancel(self) -> None: ...


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
    recorder: ResultRecorder | None = None
    run: CurrentRun | None = None
    error: SdxlDesktopError | None = None
    message: str = ""
    finished: RunFinished | None = None
    results: list[Result] = field(default_factory=list)
    queue: GenerationQueue = field(default_factory=GenerationQueue)
    queue_changed: Callable[[], None] = lambda: None
    """Called after each change of `queue`, to store it."""
    loaded: RunSetup | None = None
    """What the last run had loaded; the waiting items are arranged after it."""
    discarded: list[DiscardedResult] = field(default_factory=list)
    blends: BlendHistory = field(default_factory=BlendHistory)

    @property
    def waiting(self) -> tuple[GenerationRequest, ...]:
        """The waiting requests, in the order in which they are drawn."""
        return tuple(item.request for item in self.queue.upcoming(self.loaded))

    @property
    def unfinished_requests(self) -> tuple[GenerationRequest, ...]:
        """All requests with pictures still to be drawn: the current one and those in the queue, without failed ones."""
        listed = self.queue.listed(self.loaded)
        return tuple(item.request for item in listed if item.remaining and not item.error and not item.transient)

    def generate(self, request: GenerationRequest) -> None:
        """Draw a request now, even if the queue is on hold; if something is running, after what waits."""
        self._add(QueueItem(request=request, bypasses_hold=True))

    def enqueue(self, request: GenerationRequest, *, first: bool = False) -> None:
        """Add a request to the queue, `first`: before all that wait. It starts if nothing is running, unless the queue
        is on hold."""
        self._add(QueueItem(request=request), first=first)

    def enqueue_all(self, requests: Sequence[GenerationRequest]) -> None:
        """Add requests to the queue, in this order."""
        self.error = None
        self.message = ""
        items = [QueueItem(request=request) for request in requests]
        self.change_queue(lambda queue: reduce(GenerationQueue.added, items, queue))

    def _add(self, item: QueueItem, *, first: bool = False) -> None:
        self.error = None
        self.message = ""
        self.change_queue(lambda queue: queue.added_next(item) if first else queue.added(item))

    def change_queue(self, change: Callable[[GenerationQueue], GenerationQueue]) -> None:
        """Apply an operation of the queue; what is its turn starts if nothing is running."""
        self._set_queue(change(self.queue))
        if self.error is None:
            self._start_next()
        self.changed()

    def _set_queue(self, queue: GenerationQueue) -> None:
        if queue is not self.queue:
            self.queue = queue
            self.queue_changed()

    def pause(self, kind: PauseKind = PauseKind.HOLD) -> None:
        """Pause the current run at its next step, and with HOLD the queue, so that nothing starts until
        `continue_queue`. The run is continued later with the same picture."""
        if kind is PauseKind.HOLD:
            self._set_queue(self.queue.held())
        run = self.run
        if run is not None and not run.cancelling and run.pausing is None:
            self.run = replace(run, pausing=kind)
            if run.has_steps:
                self.runner.pause()
            else:  # loading or compiling would take long to answer, and nothing is lost
                self.runner.cancel()
        self.changed()

    def continue_queue(self) -> None:
        """End the hold and the wait after an error: draw what waits."""
        self.error = None
        self.change_queue(GenerationQueue.released)

    def cancel(self) -> None:
        """Cancel the current run; the queue stays, and what waits follows. Does nothing if idle."""
        if self.run is not None:
            self.run = replace(self.run, cancelling=True)
            self.runner.cancel()
            self.changed()

    def clear_queue(self) -> int:
        """Clear the queue and return the number of items removed; the current run continues. `restore_queue` undoes
        it."""
        before = len(self.queue.items)
        self.change_queue(GenerationQueue.cleared)
        return before - len(self.queue.items)

    def restore_queue(self) -> None:
        """Restore the last removed items, each in its former place."""
        self.change_queue(GenerationQueue.with_removed_again)

    def dismiss_message(self) -> None:
        """Clear the error or message after the user has read it."""
        self.error = None
        self.message = ""
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
                self._count_finished(event.picture)
                self._add_result(
                    Result(picture=event.picture, request=self.run.request.of_picture(event.picture.index))
                )
            case RunFinished():
                devices = ", ".join(f"{part} on {device}" for part, device in event.devices.items())
                _log.info("Run finished: %d pictures; %s; %s", len(event.pictures), devices, event.timings)
                self.finished = event
                if self.recorder is not None:
                    self.recorder.run_finished(self.run.request, event)
                self._finish_run("")
            case RunPaused(paused) if not self.run.cancelling:
                self._keep_paused(paused)
            case RunCancelled() if self.run.pausing is not None and not self.run.cancelling:
                self._keep_paused(None)
            case RunCancelled() | RunPaused():
                _log.info("Run cancelled")
                self._finish_run("Cancelled.")
            case RunFailed():
                _log.error("Run failed: %s", format_error(event.error))
                self.error = event.error
                self._finish_run("", failed=str(event.error))
            case _:
                assert_never(event)
        self.changed()

    def _count_finished(self, picture: Picture) -> None:
        if self.run is not None:
            self.run = replace(self.run, finished_pictures=picture.index + 1)
            self._set_queue(self.queue.with_progress(self.run.item_id, picture.index + 1))

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
        if outcome.problem is None:
            self._record(outcome)
        for row, result in enumerate(self.results):
            if same_drawing(result, outcome):
                self.results[row] = replace(result, saved_to=outcome.saved_to, problem=outcome.problem)
                if result.saved_to is None and result.picture is not outcome.picture:
                    self.save_reblended(row)  # it was reblended while the file was being written
        for place, left in enumerate(self.discarded):
            if same_drawing(left.result, outcome):
                kept = replace(left.result, saved_to=outcome.saved_to, problem=outcome.problem)
                self.discarded[place] = replace(left, result=kept)

    def _record(self, result: Result) -> None:
        if self.recorder is not None and result.saved_to is not None:
            self.recorder.result_saved(result)

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

    # results of earlier sessions

    def add_earlier(self, earlier: Sequence[Result]) -> None:
        """Put results of earlier sessions, oldest first, before all others, without those whose file is in the list."""
        known = {result.saved_to for result in self.results}
        new = [result for result in earlier if result.saved_to not in known]
        if new:
            self.results[:0] = new
            self.changed()

    def show_earlier(self, result: Result) -> int:
        """Return the row of the result with the same file; if there is none, add `result` as the last one."""
        for row, own in enumerate(self.results):
            if own.saved_to == result.saved_to and own.saved_to is not None:
                return row
        self.results.append(result)
        self._drop_old_results()
        self.changed()
        return len(self.results) - 1

    def remove_files(self, files: Collection[Path]) -> tuple[DiscardedResult, ...]:
        """Remove the results that are saved in `files`, which were deleted; `put_back` undoes it."""
        removed = tuple(DiscardedResult(row, one) for row, one in enumerate(self.results) if one.saved_to in files)
        if removed:
            gone = {id(each.result) for each in removed}
            self.results = [result for result in self.results if id(result) not in gone]
            self.changed()
        return removed

    def put_back(self, removed: Sequence[DiscardedResult]) -> None:
        """Return removed results to their rows."""
        for each in removed:
            self.results.insert(min(each.row, len(self.results)), each.result)
        if removed:
            self.changed()

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
        is_first_file = self.results[index].saved_to is None
        self.results[index] = result
        if is_first_file:  # a further copy that a person saves somewhere is not a further picture
            self._record(result)
        if result.saved_to is not None:
            self.file_written(result.saved_to, result.picture.pixels)
        self.changed()
        return result

    def _finish_run(self, message: str, failed: str = "") -> None:
        """End the run. Its item leaves the queue, unless it `failed` after it had waited: then it can be tried
        again."""
        assert self.run is not None
        item = self.queue.find(self.run.item_id)
        if failed and item is not None and not item.bypasses_hold:
            self._end_run(self.queue.failed(item.id, failed), message)
            return
        queue = self.queue.without(self.run.item_id)
        is_over = self.run.pausing is PauseKind.HOLD and not queue.waiting  # it was finished before it could pause
        self._end_run(queue.released() if is_over else queue, message)

    def _keep_paused(self, paused: PausedRun | None) -> None:
        """End the run with its item kept in the queue, at the step where it was `paused`; None: where it was before."""
        assert self.run is not None
        _log.info("Run paused")
        where = f"Paused at step {paused.step} of {paused.steps}." if paused is not None and paused.step else "Paused."
        skip = self.run.pausing is PauseKind.SKIP
        self._end_run(self.queue.stopped(self.run.item_id, paused, skip=skip), where)

    def _end_run(self, queue: GenerationQueue, message: str) -> None:
        self.run = None
        self.message = message
        self._set_queue(queue)
        if self.error is None:
            self._start_next()

    def _start_next(self) -> None:
        item = None if self.run is not None else self.queue.next_item(self.loaded)
        if item is None:
            return
        request, paused = item.request, item.start
        self.run = CurrentRun(request, item.id, Progress(phase=Phase.STARTING), finished_pictures=item.finished)
        self.loaded = RunSetup.of(request)
        self._set_queue(self.queue.started(item.id))
        _log.info("Run: %s", format_request(request), extra=prompts_extra(request))
        self.runner.start(request, paused)


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
