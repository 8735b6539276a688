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

from sdxl_desktop.core.errors import OutputError, SdxlDesktopError, explained, unforeseen_cause, where_the_log_is
from sdxl_desktop.core.events import (
    Cancelled,
    Drawn,
    Event,
    Failed,
    Finished,
    Phase,
    Pixels,
    Preview,
    Progress,
)
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.run_log import problem_words, prompts_extra, run_words
from sdxl_desktop.session.blend import Blend, Blends, same_drawing
from sdxl_desktop.session.pictures import PictureStore, Result, SavedElsewhereError, save_as

_log = logging.getLogger(__name__)

MAX_RESULTS = 200
MAX_DISCARDED = 20
"""How many discarded results can be brought back."""
_NOT_SAVED = "The picture could not be saved."
_SAVE_AGAIN = "Save it under another name."
LATENTS_ROOM = 512 * 2**20
"""Bytes that the latents of all results may take."""


Saving = Callable[[], Result | SdxlDesktopError]
Elsewhere = Callable[[Saving, Callable[[Result | SdxlDesktopError], None]], None]
"""Runs the slow work of writing a picture, and brings its outcome back to the session's thread."""


class Runner(Protocol):
    """Takes one request at a time to an engine and brings its events back to `Session.handle`."""

    def start(self, request: GenerationRequest) -> None: ...

    def cancel(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Run:
    """The run in progress: what was asked, where it stands, the last preview and whether a stop was asked for."""

    request: GenerationRequest
    progress: Progress
    preview: Pixels | None = None
    cancelling: bool = False
    drawn: int = 0

    @property
    def rest(self) -> GenerationRequest:
        """What of the request is yet to be drawn: the same pictures without those that are."""
        sampling = self.request.sampling
        if not 0 < self.drawn < sampling.count:
            return self.request
        seed = (sampling.seed + self.drawn) % (MAX_SEED + 1)
        return replace(self.request, sampling=replace(sampling, seed=seed, count=sampling.count - self.drawn))


@dataclass(frozen=True, slots=True)
class Discarded:
    """A result that was taken out of the list, and the row it had."""

    row: int
    result: Result


@dataclass
class Session:
    """The verbs. Every change ends in one call of `changed`; all of it on one thread."""

    runner: Runner
    store: PictureStore
    changed: Callable[[], None] = lambda: None
    elsewhere: Elsewhere | None = None
    run: Run | None = None
    error: SdxlDesktopError | None = None
    message: str = ""
    finished: Finished | None = None
    results: list[Result] = field(default_factory=list)
    queue: deque[GenerationRequest] = field(default_factory=deque)
    cleared: tuple[GenerationRequest, ...] = ()
    discarded: list[Discarded] = field(default_factory=list)
    blends: Blends = field(default_factory=Blends)
    postponed: tuple[GenerationRequest, ...] = ()
    """What was not drawn before the last end; it is drawn when the person wants it."""

    @property
    def unfinished(self) -> tuple[GenerationRequest, ...]:
        """All that was asked for and is not drawn: what is in progress, what waits, and what was postponed."""
        run = self.run
        now = () if run is None or run.cancelling or run.drawn >= run.request.sampling.count else (run.rest,)
        return (*now, *self.queue, *self.postponed)

    def take_up(self) -> None:
        """Draw what was postponed."""
        requests, self.postponed = self.postponed, ()
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
            self.cleared = tuple(self.queue)
            self.queue.clear()
            self.changed()
            return len(self.cleared)
        return 0

    def restore_queue(self) -> None:
        """Let what was cleared last wait again, before what came since."""
        cleared, self.cleared = self.cleared, ()
        self.queue.extendleft(reversed(cleared))
        if self.error is None:
            self._start_next()
        self.changed()

    def dismiss(self) -> None:
        """The person has read the error or the message."""
        self.error = None
        self.message = ""
        self.changed()

    def resume(self) -> None:
        """Go on with the requests that an error has left waiting."""
        self.error = None
        self._start_next()
        self.changed()

    def handle(self, event: Event) -> None:
        """Bring the state up to date with what the engine told."""
        if self.run is None:  # a late word from a run that is over
            return
        match event:
            case Progress():
                self.run = replace(self.run, progress=event)
            case Preview():
                self.run = replace(self.run, preview=event.pixels)
            case Drawn():
                self.run = replace(self.run, drawn=self.run.drawn + 1)
                self._keep(Result(picture=event.picture, request=self.run.request))
            case Finished():
                _log.info(
                    "Run finished: %d pictures on %s, %s", len(event.pictures), dict(event.devices), event.timings
                )
                self.finished = event
                self._end("")
            case Cancelled():
                _log.info("Run cancelled")
                self._end("Cancelled.")
            case Failed():
                _log.error("Run failed: %s", problem_words(event.error))
                self.error = event.error
                self._end("")
            case _:
                assert_never(event)
        self.changed()

    def _keep(self, result: Result) -> None:
        self.results.append(result)
        self._make_room()
        self._lighten()
        self.blends.forget_but(self.results)
        store = self.store
        self._write(lambda: _autosave(store, result))

    def _make_room(self) -> None:
        """Let go of the oldest results beyond MAX_RESULTS, those with a file first, but of none that could not be
        written."""
        spare = [result for result in self.results[:-1] if result.problem is None]
        spare.sort(key=lambda result: result.saved_to is None)
        for oldest in spare[: max(0, len(self.results) - MAX_RESULTS)]:
            self.results = [result for result in self.results if result is not oldest]

    def _lighten(self) -> None:
        """Let go of the oldest latents when all of them take too much memory; their pictures stay."""
        room = LATENTS_ROOM
        for row in range(len(self.results) - 1, -1, -1):
            result = self.results[row]
            if result.picture.latents is None:
                continue
            room -= result.picture.latents.nbytes
            if room < 0:
                self.results[row] = replace(result, picture=replace(result.picture, latents=None))

    def _write(self, saving: Saving) -> None:
        if self.elsewhere is None:
            self._take(saving())
        else:
            self.elsewhere(saving, self._kept)

    def _kept(self, outcome: Result | SdxlDesktopError) -> None:
        self._take(outcome)
        self.changed()

    def _take(self, outcome: Result | SdxlDesktopError) -> None:
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
                    self.keep_blend(row)  # it was blended anew while the file was being written
        for place, left in enumerate(self.discarded):
            if same_drawing(left.result, outcome):
                kept = replace(left.result, saved_to=outcome.saved_to, problem=outcome.problem)
                self.discarded[place] = replace(left, result=kept)

    @property
    def unwritten(self) -> tuple[Result, ...]:
        """The results that could not be written: they are only here, or their file is older."""
        return tuple(result for result in self.results if result.problem is not None)

    def write_again(self) -> None:
        """Try once more to write what could not be written."""
        self.error, store = None, self.store
        for result in self.unwritten:
            self._write(partial(_written, store, result))
        self.changed()

    def save(self, index: int) -> Result:
        """Write result `index` to the pictures folder; raises OutputError and keeps the picture."""
        return self._saved(index, self.store.save(self.results[index]))

    def file_written(self, path: Path, pixels: Pixels) -> None:
        """`path` holds these pixels, uint8 [H, W, 3], now: results that are others are not saved there any more."""
        for row, result in enumerate(self.results):
            if result.saved_to == path and not np.array_equal(result.picture.pixels, pixels):
                self.results[row] = replace(result, saved_to=None)

    def save_as(self, index: int, path: Path) -> Result:
        """Write result `index` to `path`; raises OutputError and keeps the picture."""
        return self._saved(index, save_as(self.results[index], path))

    # candidates

    def discard(self, index: int) -> Result:
        """Take result `index` out of the list; a file that holds it stays. `restore` brings the last one back."""
        result = self.results.pop(index)
        self.discarded.append(Discarded(index, result))
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

    def reblend(self, index: int, blend: Blend) -> None:
        """Blend what was drawn into result `index` again, in its place; nothing is denoised. A file that holds the
        result is left as it is until `keep_blend`."""
        blended = self.blends.blended(self.results[index], blend)
        if blended is not self.results[index]:
            self.results[index] = blended
            self.changed()

    def keep_blend(self, index: int) -> None:
        """Write result `index` into its file again, if it has one."""
        result = self.results[index]
        path = result.saved_to
        if path is not None:
            self._write(lambda: _written_again(result, path))

    def _saved(self, index: int, result: Result) -> Result:
        self.results[index] = result
        if result.saved_to is not None:
            self.file_written(result.saved_to, result.picture.pixels)
        self.changed()
        return result

    def _end(self, message: str) -> None:
        self.run = None
        self.message = message
        if self.error is None:
            self._start_next()

    def _start_next(self) -> None:
        if self.run is None and self.queue:
            request = self.queue.popleft()
            self.run = Run(request, Progress(phase=Phase.STARTING))
            _log.info("Run: %s", run_words(request), extra=prompts_extra(request))
            self.runner.start(request)


def _autosave(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _or_unwritten(result, lambda: store.autosave(result))


def _written(store: PictureStore, result: Result) -> Result | SdxlDesktopError:
    return _or_unwritten(result, lambda: store.save(result))


def _written_again(result: Result, path: Path) -> Result | SdxlDesktopError:
    return _or_unwritten(result, lambda: save_as(result, path))


def _or_unwritten(result: Result, write: Callable[[], Result]) -> Result | SdxlDesktopError:
    """What `write` gives; or `result` as one that could not be written, with the reason and where it is now;
    or the error that says where it went instead."""
    try:
        return write()
    except SavedElsewhereError as problem:
        return problem
    except Exception as problem:  # whatever it is, the picture stays, and it is told
        failed = explained(problem, _NOT_SAVED, next_step=_SAVE_AGAIN)
        kept = f"It stays in the strip, marked as not saved. {failed.next_step}".rstrip()
        if failed.asks_for_help and where_the_log_is() not in kept:
            kept += f" {where_the_log_is()}"
        told = OutputError(failed.what, why=failed.why, next_step=kept)
        told.__cause__ = failed
        return replace(result, problem=told)
