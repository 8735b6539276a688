"""Compiling ahead, which goes on while its dialog is closed and the window is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import Progress
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.process.workbench import ProcessWorkbench
from sdxl_desktop.engine.workbench import Prepared, not_kept
from sdxl_desktop.ui.devices.words import duration_words
from sdxl_desktop.ui.devices.work import StoppableWork


@dataclass(frozen=True, slots=True)
class Standing:
    """Where it stands, in words; `fraction` of the part in progress, None where it is not known."""

    running: bool = False
    words: str = ""
    fraction: float | None = None


class Preparing(QObject):
    """`changed` tells that `standing` did; `done` that something new may be kept compiled."""

    changed = Signal()
    done = Signal()

    def __init__(self, compiled: Path, parent: QObject | None = None) -> None:
        """`compiled` is the folder that what is compiled is kept in."""
        super().__init__(parent)
        self.standing = Standing()
        self._title, self._compiled = "", compiled
        self._work = StoppableWork(self)
        self._work.progressed.connect(self._hear)
        self._work.done.connect(self._take)
        self._work.failed.connect(self._fail)

    def start(
        self, checkpoint: Checkpoint, sizes: Sequence[Size], speeds: Sequence[Speed], execution: Execution
    ) -> None:
        """Compile `checkpoint` for these, where `execution` says."""
        self._title, folder = checkpoint.title, checkpoint.folder.absolute()
        self._work.start(
            lambda emit, cancel: ProcessWorkbench().prepare(folder, sizes, speeds, execution, emit, cancel)
        )
        self._set(Standing(running=True, words=f"Preparing {self._title}…"))

    def stop(self) -> None:
        """End it; what was compiled whole stays."""
        if self._work.running:
            self._work.stop()
            self._set(Standing(words="Stopped. What was compiled so far is kept."))
            self.done.emit()

    def _hear(self, progress: Progress) -> None:
        left = progress.seconds_left
        soon = "" if left is None else f", {duration_words(left)} left"
        words = f"{progress.words.replace('_', ' ')}{soon}"
        self._set(Standing(running=True, words=words, fraction=progress.fraction))

    def _take(self, prepared: Prepared) -> None:
        made = prepared.made
        count = f"{len(made)} part{'s' if len(made) != 1 else ''}"
        words = f"Compiled {count} of {self._title} in {prepared.seconds:.1f} s."
        if not prepared.kept:
            words = str(not_kept(self._title, self._compiled))
        elif not made:
            words = f"Everything of {self._title} was compiled already."
        self._set(Standing(words=words))
        self.done.emit()

    def _fail(self, problem: SdxlDesktopError) -> None:
        self._set(Standing(words=str(problem)))
        self.done.emit()

    def _set(self, standing: Standing) -> None:
        self.standing = standing
        self.changed.emit()
