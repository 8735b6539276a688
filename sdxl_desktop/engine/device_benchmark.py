"""Protocol for measuring a checkpoint's parts on every device and for precompiling them."""

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
    """The user cancelled the operation."""

    def __init__(self) -> None:
        super().__init__("Cancelled.")


@dataclass(frozen=True, slots=True)
class PrecompileResult:
    """`compiled_entries` were compiled in this call, in `seconds` altogether; `has_fixed_shapes`: they serve only the
    requested sizes; `is_cached`: everything needed is on disk now, where there was a folder for it."""

    compiled_entries: tuple[CompileCacheEntry, ...]
    seconds: float
    has_fixed_shapes: bool
    is_cached: bool = True


def not_kept(title: str, folder: Path) -> OutputError:
    """Return the error for compiled parts of the checkpoint `title` that could not be stored in `folder`."""
    return OutputError(
        f"The compiled parts of {title} could not be kept.",
        why=f"Nothing can be written to {folder}, or the disk is full.",
        next_step="Free disk space there, or make the folder writable, and prepare it again.",
    )


class DeviceBenchmark(Protocol):
    """One operation at a time. Every call blocks its thread, emits `Progress`, and raises BenchmarkCancelledError when
    cancelled, or the error that makes the checkpoint unusable."""

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTimings:
        """Measure every part on each of `devices`; if a device rejects a part, the result has the reason."""

    def precompile(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[SpeedPreset],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> PrecompileResult:
        """Compile what these sizes and speeds need for the devices of `execution`, and store it on disk."""

    def close(self) -> None:
        """Release all resources."""
