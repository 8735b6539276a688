"""Draws many requests one after another with one engine: recorded, so that they can be interrupted and resumed."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.foreground import EXIT_CANCELLED, ForegroundRunner, catch_ctrl_c
from sdxl_desktop.cli.generate_run import STOPPING, print_message, progress_printer, with_device_names
from sdxl_desktop.cli.history_recording import ForegroundHistory
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.progress_display import display_for
from sdxl_desktop.cli.stdout_redirect import stdout_to_stderr
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.exclusive_write import numbered_names
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit, Engine, Pausing
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.metadata.picture_files import read_record
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.history_recording import HistoryRecorder
from sdxl_desktop.session.request_key import request_key
from sdxl_desktop.session.result_files import PictureStore, Result, save_under_free_name
from sdxl_desktop.session.run_progress import FinishedRun, RunProgress


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One picture: the `key` by which it is recognised when resuming, its `title` in messages, its `output`, how its
    request is made, and what the JSON report says of it."""

    key: str
    title: str
    output: Path
    build: Callable[[], GenerationRequest]
    report: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class RunCounts:
    """How many pictures were drawn, were there already, or failed; whether the rest was cancelled."""

    drawn: int = 0
    kept: int = 0
    failed: int = 0
    cancelled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNameStore(PictureStore):
    """Writes a picture to `output`, or to the next unused name if that exists: nothing is replaced."""

    output: Path

    def save(self, result: Result) -> Result:
        return save_under_free_name(result, numbered_names(self.output))


class _ReusedEngine:
    """One engine for all runs, opened by the first; it stays open when a run is over."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open_engine = open_engine
        self._engine: Engine | None = None

    def generate(
        self, request: GenerationRequest, emit: Emit, cancel: CancelToken, pausing: Pausing | None = None
    ) -> None:
        if self._engine is None:
            self._engine = self._open_engine()
        self._engine.generate(request, emit, cancel, pausing)

    def close(self) -> None:
        """Leave the engine open for the next run."""

    def shut_down(self) -> None:
        """Close the engine."""
        if self._engine is not None:
            self._engine.close()


@dataclass(frozen=True, slots=True)
class PlannedDrawing:
    """Draws planned runs and reports each: the picture's path, or with `as_json` one JSON object per line, on standard
    output; everything else on `console`."""

    entry_points: EntryPoints
    paths: AppPaths
    progress: RunProgress
    fallback_folders: tuple[Path, ...]
    console: Console
    as_json: bool

    def draw(self, runs: Sequence[PlannedRun]) -> RunCounts:
        """Draw the runs that are not finished, in order. One that fails is reported, and the others go on."""
        counts, engine = RunCounts(), _ReusedEngine(lambda: self.entry_points.engine(self.paths))
        answered = True
        with (
            catch_ctrl_c(self.entry_points.exit_process) as ctrl_c,
            ForegroundHistory(self.paths.history) as history,
        ):
            recorder = HistoryRecorder(
                history.write, lambda error: print_message(self.console, str(error)), checkpoint_title
            )
            for run in runs:
                if self._is_finished(run):
                    counts.kept += 1
                    self._report_picture(run, "kept")
                    continue
                if ctrl_c.is_set():
                    counts.cancelled = True
                    break
                answered = self._draw_one(run, engine, recorder, ctrl_c, counts)
                if counts.cancelled:
                    break
            if answered:
                with stdout_to_stderr():
                    engine.shut_down()
        if not answered:
            sys.stdout.flush()
            sys.stderr.flush()
            self.entry_points.exit_process(EXIT_CANCELLED)
        return counts

    def report_failure(self, title: str, problem: SdxlDesktopError, report: Mapping[str, object]) -> None:
        """Report a run that could not be drawn."""
        print_message(self.console, f"{title}: {problem}")
        if self.as_json:
            print(json_line({**report, "status": "failed", "error": str(problem)}), flush=True)

    def _is_finished(self, run: PlannedRun) -> bool:
        """Whether the picture exists. One that was written and, because of a kill, not recorded, is recorded now."""
        if run.key in self.progress.finished:
            return True
        with suppress(SdxlDesktopError, OSError):
            record = read_record(run.output)
            if record is not None and request_key(record.request) == request_key(run.build()):
                self.progress.add(FinishedRun(key=run.key, file=run.output.name, seed=record.seed))
                return True
        return False

    def _draw_one(
        self,
        run: PlannedRun,
        engine: _ReusedEngine,
        recorder: HistoryRecorder,
        ctrl_c: threading.Event,
        counts: RunCounts,
    ) -> bool:
        """Draw one picture and report it; False if a cancelled engine had to be abandoned."""
        try:
            request = run.build()
            request = replace(request, execution=with_device_names(self.entry_points, request.execution))
        except SdxlDesktopError as problem:
            counts.failed += 1
            self.report_failure(run.title, problem, run.report)
            return True
        store = NewNameStore(
            folder=run.output.parent, output=run.output, fallback_folders=(run.output.parent, *self.fallback_folders)
        )
        runner = ForegroundRunner(lambda: engine)
        session = GenerationSession(runner, store, recorder=recorder)
        with stdout_to_stderr(), display_for(self.console) as display:
            display.print_message(run.title)
            session.changed = progress_printer(session, display)
            session.generate(request)
            answered = runner.run_until_done(session, ctrl_c, lambda: display.print_message(STOPPING))
        self._finish(run, session, counts)
        counts.cancelled = counts.cancelled or ctrl_c.is_set()
        return answered

    def _finish(self, run: PlannedRun, session: GenerationSession, counts: RunCounts) -> None:
        result = next(iter(session.results), None)
        if result is not None and result.saved_to is not None and result.saved_to.parent == run.output.parent:
            self.progress.add(FinishedRun(key=run.key, file=result.saved_to.name, seed=result.picture.seed))
            counts.drawn += 1
            for note in result.picture.notes:
                print_message(self.console, note)
            self._report_picture(run, "drawn")
        elif session.error is not None:
            counts.failed += 1
            self.report_failure(run.title, session.error, run.report)
        else:
            counts.cancelled = True

    def _report_picture(self, run: PlannedRun, status: str) -> None:
        finished = self.progress.finished[run.key]
        file = self.progress.file.parent / finished.file
        if self.as_json:
            report = {**run.report, "status": status, "image": str(file), "seed": finished.seed}
            print(json_line(report), flush=True)
        elif status == "drawn":
            print(file, flush=True)


def checkpoint_title(request: GenerationRequest) -> str:
    """Return the title of the checkpoint that `request` draws with."""
    with suppress(SdxlDesktopError, OSError):
        return read_checkpoint(request.checkpoint).title
    return request.checkpoint.name
