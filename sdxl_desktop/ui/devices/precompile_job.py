"""The precompile job, which continues while its dialog is closed and the window is used."""

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
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.device_benchmark import PrecompileResult, not_kept
from sdxl_desktop.engine.process.benchmark_process import ProcessDeviceBenchmark
from sdxl_desktop.ui.devices.device_formatting import format_rough_duration
from sdxl_desktop.ui.devices.stoppable_work import StoppableWork


@dataclass(frozen=True, slots=True)
class PrecompileStatus:
    """The job's status text; `fraction` of the current part, None if unknown."""

    running: bool = False
    text: str = ""
    fraction: float | None = None


class PrecompileJob(QObject):
    """Emits `changed` when `status` changes, `finished` when there may be new compiled parts."""

    changed = Signal()
    finished = Signal()

    def __init__(self, compiled: Path, parent: QObject | None = None) -> None:
        """`compiled` is the folder of compiled parts."""
        super().__init__(parent)
        self.status = PrecompileStatus()
        self._title, self._compiled = "", compiled
        self._work = StoppableWork(self)
        self._work.progressed.connect(self._handle_progress)
        self._work.done.connect(self._handle_result)
        self._work.failed.connect(self._handle_failure)

    def start(
        self, checkpoint: Checkpoint, sizes: Sequence[Size], speeds: Sequence[SpeedPreset], execution: Execution
    ) -> None:
        """Compile `checkpoint` for these sizes and speeds, on the devices of `execution`."""
        self._title, folder = checkpoint.title, checkpoint.folder.absolute()
        self._work.start(
            lambda emit, cancel: ProcessDeviceBenchmark().precompile(folder, sizes, speeds, execution, emit, cancel)
        )
        self._set_status(PrecompileStatus(running=True, text=f"Preparing {self._title}…"))

    def stop(self) -> None:
        """Stop the job; parts already compiled are kept."""
        if self._work.running:
            self._work.stop()
            self._set_status(PrecompileStatus(text="Stopped. What was compiled so far is kept."))
            self.finished.emit()

    def _handle_progress(self, progress: Progress) -> None:
        left = progress.seconds_left
        soon = "" if left is None else f", {format_rough_duration(left)} left"
        words = f"{progress.description.replace('_', ' ')}{soon}"
        self._set_status(PrecompileStatus(running=True, text=words, fraction=progress.fraction))

    def _handle_result(self, prepared: PrecompileResult) -> None:
        made = prepared.compiled_entries
        count = f"{len(made)} part{'s' if len(made) != 1 else ''}"
        words = f"Compiled {count} of {self._title} in {prepared.seconds:.1f} s."
        if not prepared.is_cached:
            words = str(not_kept(self._title, self._compiled))
        elif not made:
            words = f"Everything of {self._title} was compiled already."
        self._set_status(PrecompileStatus(text=words))
        self.finished.emit()

    def _handle_failure(self, problem: SdxlDesktopError) -> None:
        self._set_status(PrecompileStatus(text=str(problem)))
        self.finished.emit()

    def _set_status(self, standing: PrecompileStatus) -> None:
        self.status = standing
        self.changed.emit()
