"""Prepares the next run: lists checkpoints, loads the selected one's token counters, warms up the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.request import Execution, GenerationRequest
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.library.scan import Library
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.ui.parameters_panel import ParametersPanel

TokenCounters = tuple[TokenCounter | None, TokenCounter | None]


class CheckpointController(QObject):
    """Follows the parameters panel's checkpoint and speed. `library` returns the current checkpoint library,
    `execution` the devices to run on.

    `checkpoints_listed` carries the checkpoints (tuple[Checkpoint, ...]) after each scan, `checkpoint_selected` the
    panel's checkpoint (Checkpoint or None) when it may have changed, `failed` an error to show.
    """

    checkpoints_listed = Signal(object)
    checkpoint_selected = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        parameters_panel: ParametersPanel,
        engine: EngineThread,
        background: BackgroundRunner,
        library: Callable[[], Library],
        execution: Callable[[], Execution],
    ) -> None:
        super().__init__(parameters_panel)
        self._parameters_panel, self._engine, self._background = parameters_panel, engine, background
        self._library, self._execution = library, execution
        self._checkpoints: tuple[Checkpoint, ...] | None = None
        self._waiting: list[Callable[[], object]] = []
        self._started, self._closed = False, False
        self._warmed_speed = DEFAULT_SPEED
        parameters_panel.checkpoint_selected.connect(self.handle_checkpoint_selected)
        parameters_panel.changed.connect(self._handle_speed_changed)

    def start(self) -> None:
        """List devices and checkpoints."""
        self._started = True
        self._engine.list_devices()
        self.rescan()

    def close(self) -> None:
        """Ignore the results of pending reads."""
        self._closed = True

    # list of checkpoints

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """The checkpoints found by the last scan."""
        return self._checkpoints or ()

    def title_of(self, request: GenerationRequest) -> str:
        """Return the title of the request's checkpoint; the name of its folder if it is not in the list."""
        folder = request.checkpoint
        return next((each.title for each in self.checkpoints if each.folder == folder), folder.name)

    def when_listed(self, run: Callable[[], object]) -> None:
        """Call `run` as soon as the checkpoints are known: now, or once after the first scan unless `forget_waiting` is
        called before. It may start a run, so nothing is warmed up ahead of it."""
        if self._checkpoints is not None:
            run()
        elif run not in self._waiting:
            self._waiting.append(run)

    def forget_waiting(self) -> None:
        """Do not call what waits for the first scan."""
        self._waiting.clear()

    def rescan(self) -> None:
        """Scan the checkpoint folders again."""
        library = self._library()
        self._background.read(lambda: _scan_library(library), self._handle_scanned, self._not_found)

    def _not_found(self, problem: SdxlDesktopError) -> None:
        if not self._closed:
            self.failed.emit(problem)
            self._handle_scanned(self.checkpoints)  # keep the last list: the folder may be readable again later

    def _handle_scanned(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        if self._closed:
            return
        if checkpoints != self._checkpoints:  # most changes in a watched folder do not change the list
            self._checkpoints = checkpoints
            self._parameters_panel.set_checkpoints(checkpoints)
        self.checkpoints_listed.emit(checkpoints)
        waiting, self._waiting = self._waiting, []
        for run in waiting:
            run()
        if waiting:
            self.warm_up()

    # selected checkpoint

    def handle_checkpoint_selected(self) -> None:
        """Handle a possible change of the parameters panel's checkpoint."""
        checkpoint = self._parameters_panel.checkpoint()
        self.checkpoint_selected.emit(checkpoint)
        if checkpoint is None:
            return
        self.warm_up()

        def wanted() -> bool:
            return self._parameters_panel.checkpoint() is checkpoint and not self._closed

        def take(counters: TokenCounters) -> None:
            if wanted():
                self._parameters_panel.set_counters(*counters)

        def failed(problem: SdxlDesktopError) -> None:
            if wanted():
                self.failed.emit(problem)

        self._background.read(lambda: _read_counters(checkpoint.folder), take, failed)

    def _handle_speed_changed(self) -> None:
        """Warm up for another speed: it may need other parts, compiled while the user keeps typing."""
        if self._parameters_panel.speed() is not self._warmed_speed:
            self.warm_up()

    def warm_up(self) -> None:
        """Let the engine load and compile what the next run needs, unless it already has."""
        checkpoint = self._parameters_panel.checkpoint()
        if self._started and checkpoint is not None and not self._waiting:
            self._warmed_speed = self._parameters_panel.speed()
            self._engine.warm_up(checkpoint.folder, self._execution(), self._warmed_speed)


def _read_counters(folder: Path) -> TokenCounters:
    """Return the token counters of the checkpoint's two text encoders; None for an unreadable tokenizer."""

    def read(name: str) -> TokenCounter | None:
        try:
            return TokenCounter(folder / name)
        except SdxlDesktopError:
            return None

    return read("tokenizer"), read("tokenizer_2")


def _scan_library(library: Library) -> tuple[Checkpoint, ...]:
    try:
        return library.checkpoints()
    except OSError as problem:
        raise CheckpointError(
            "The checkpoints folder cannot be read.",
            why=f"{problem}.",
            next_step="Make it readable, or choose another folder in the settings.",
        ) from problem
