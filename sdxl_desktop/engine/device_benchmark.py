"""What can be done with a checkpoint's parts besides drawing: measuring them on every device, and compiling ahead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.errors import OutputError, SdxlDesktopError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache_entries import CompileCacheEntry
from sdxl_desktop.engine.device_times import DeviceTimings
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit


class BenchmarkCancelledError(SdxlDesktopError):
    """The person stopped it."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


@dataclass(frozen=True, slots=True)
class PrecompileResult:
    """`made` was compiled now, in `seconds` altogether; `fixed`: it serves the sizes asked for and no other; `kept`:
    all that is needed is on disk now, where there was a place for it."""

    compiled_entries: tuple[CompileCacheEntry, ...]
    seconds: float
    has_fixed_shapes: bool
    is_cached: bool = True


def not_kept(title: str, folder: Path) -> OutputError:
    """The error to tell where what was compiled of the checkpoint called `title` could not be kept in `folder`."""
    return OutputError(
        f"What was compiled of {title} could not be kept.",
        why=f"Nothing can be written to {folder}, or the disk is full.",
        next_step="Make room there, or let the folder be written to, and prepare it again.",
    )


class DeviceBenchmark(Protocol):
    """One thing at a time; every call blocks its thread, tells of `Progress`, and raises StoppedError when cancelled
    and what else is wrong with the checkpoint."""

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTimings:
        """Every part on each of `devices` by itself; a device that refuses a part says why in the table."""

    def precompile(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[SpeedPreset],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> PrecompileResult:
        """Compile what drawing at these sizes and speeds needs, where `execution` says, and keep it on disk."""

    def close(self) -> None:
        """Let everything go."""
