"""Being ready for the next run: which checkpoints there are, the chosen one's words counted, its engine warm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.bridge.background import Background
from sdxl_desktop.bridge.engine_thread import EngineThread
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import DEFAULT_SPEED
from sdxl_desktop.library.scan import Library
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.ui.desk import Desk

Counters = tuple[TokenCounter | None, TokenCounter | None]


class Readiness(QObject):
    """Follows the desk's checkpoint and speed. `library` says where checkpoints lie now, `execution` where they draw.

    `listed` carries those there are (tuple[Checkpoint, ...]) each time the folders were read, `chosen` the desk's own
    (Checkpoint or None) when it may be another, `failed` an error to show.
    """

    listed = Signal(object)
    chosen = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        desk: Desk,
        engine: EngineThread,
        background: Background,
        library: Callable[[], Library],
        execution: Callable[[], Execution],
    ) -> None:
        super().__init__(desk)
        self._desk, self._engine, self._background = desk, engine, background
        self._library, self._execution = library, execution
        self._listed: tuple[Checkpoint, ...] | None = None
        self._first: Callable[[], object] | None = None
        self._awake, self._closed = False, False
        self._warm_speed = DEFAULT_SPEED
        desk.checkpoint_chosen.connect(self.follow)
        desk.changed.connect(self._follow_speed)

    def begin(self, first: Callable[[], object] | None = None) -> None:
        """Find out which devices and checkpoints there are. `first` is called once the checkpoints are known; it draws
        at once, so nothing is warmed before it."""
        self._awake, self._first = True, first
        self._engine.find_devices()
        self.look()

    def close(self) -> None:
        """Whatever is still being read is of no use any more."""
        self._closed = True

    # which there are

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Those there were when the folders were read last."""
        return self._listed or ()

    def look(self) -> None:
        """Read the folders of checkpoints again."""
        library = self._library()
        self._background.run(lambda: _scan(library), self._take, self._not_found)

    def _not_found(self, problem: SdxlDesktopError) -> None:
        if not self._closed:
            self.failed.emit(problem)
            self._take(self.checkpoints)  # what cannot be read now was there, and may be again

    def _take(self, found: tuple[Checkpoint, ...]) -> None:
        if self._closed:
            return
        if found != self._listed:  # a folder is watched, and most of what happens in it changes nothing here
            self._listed = found
            self._desk.set_checkpoints(found)
        self.listed.emit(found)
        first, self._first = self._first, None
        if first is not None:
            first()

    # the chosen one

    def follow(self) -> None:
        """The desk's checkpoint may be another one now."""
        checkpoint = self._desk.checkpoint()
        self.chosen.emit(checkpoint)
        if checkpoint is None:
            return
        self.warm()

        def wanted() -> bool:
            return self._desk.checkpoint() is checkpoint and not self._closed

        def take(counters: Counters) -> None:
            if wanted():
                self._desk.set_counters(*counters)

        def failed(problem: SdxlDesktopError) -> None:
            if wanted():
                self.failed.emit(problem)

        self._background.run(lambda: _read_counters(checkpoint.folder), take, failed)

    def _follow_speed(self) -> None:
        """Another speed may need other parts, which can be compiled while the person goes on typing."""
        if self._desk.speed() is not self._warm_speed:
            self.warm()

    def warm(self) -> None:
        """Have the engine load and compile what the next run needs, as far as it has not."""
        checkpoint = self._desk.checkpoint()
        if self._awake and checkpoint is not None and self._first is None:
            self._warm_speed = self._desk.speed()
            self._engine.warm(checkpoint.folder, self._execution(), self._warm_speed)


def _read_counters(folder: Path) -> Counters:
    """The token counters of a checkpoint's two encoders; None where its tokenizer cannot be read."""

    def read(name: str) -> TokenCounter | None:
        try:
            return TokenCounter(folder / name)
        except SdxlDesktopError:
            return None

    return read("tokenizer"), read("tokenizer_2")


def _scan(library: Library) -> tuple[Checkpoint, ...]:
    try:
        return library.checkpoints()
    except OSError as problem:
        raise CheckpointError(
            "The checkpoints folder cannot be read.",
            why=f"{problem}.",
            next_step="Make it readable, or choose another folder in the settings.",
        ) from problem
