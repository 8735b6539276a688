"""Being ready for the next run: which checkpoints there are, the chosen one's words counted, its engine warm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.library.scan import Library
from sdxl_desktop.library.token_count import TokenCounter
from sdxl_desktop.ui.parameters_panel import ParametersPanel

TokenCounters = tuple[TokenCounter | None, TokenCounter | None]


class CheckpointController(QObject):
    """Follows the desk's checkpoint and speed. `library` says where checkpoints lie now, `execution` where they draw.

    `listed` carries those there are (tuple[Checkpoint, ...]) each time the folders were read, `chosen` the desk's own
    (Checkpoint or None) when it may be another, `failed` an error to show.
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
        self._on_first_list: Callable[[], object] | None = None
        self._started, self._closed = False, False
        self._warmed_speed = DEFAULT_SPEED
        parameters_panel.checkpoint_selected.connect(self.handle_checkpoint_selected)
        parameters_panel.changed.connect(self._handle_speed_changed)

    def start(self, on_first_list: Callable[[], object] | None = None) -> None:
        """Find out which devices and checkpoints there are. `first` is called once the checkpoints are known; it draws
        at once, so nothing is warmed before it."""
        self._started, self._on_first_list = True, on_first_list
        self._engine.list_devices()
        self.rescan()

    def close(self) -> None:
        """Whatever is still being read is of no use any more."""
        self._closed = True

    # which there are

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Those there were when the folders were read last."""
        return self._checkpoints or ()

    def rescan(self) -> None:
        """Read the folders of checkpoints again."""
        library = self._library()
        self._background.read(lambda: _scan_library(library), self._handle_scanned, self._not_found)

    def _not_found(self, problem: SdxlDesktopError) -> None:
        if not self._closed:
            self.failed.emit(problem)
            self._handle_scanned(self.checkpoints)  # what cannot be read now was there, and may be again

    def _handle_scanned(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        if self._closed:
            return
        if checkpoints != self._checkpoints:  # a folder is watched, and most of what happens in it changes nothing here
            self._checkpoints = checkpoints
            self._parameters_panel.set_checkpoints(checkpoints)
        self.checkpoints_listed.emit(checkpoints)
        first, self._on_first_list = self._on_first_list, None
        if first is not None:
            first()

    # the chosen one

    def handle_checkpoint_selected(self) -> None:
        """The desk's checkpoint may be another one now."""
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
        """Another speed may need other parts, which can be compiled while the person goes on typing."""
        if self._parameters_panel.speed() is not self._warmed_speed:
            self.warm_up()

    def warm_up(self) -> None:
        """Have the engine load and compile what the next run needs, as far as it has not."""
        checkpoint = self._parameters_panel.checkpoint()
        if self._started and checkpoint is not None and self._on_first_list is None:
            self._warmed_speed = self._parameters_panel.speed()
            self._engine.warm_up(checkpoint.folder, self._execution(), self._warmed_speed)


def _read_counters(folder: Path) -> TokenCounters:
    """The token counters of a checkpoint's two encoders; None where its tokenizer cannot be read."""

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
