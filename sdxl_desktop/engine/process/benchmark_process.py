"""A `DeviceBenchmark` that runs in a worker process, so that native code that cannot be interrupted can be killed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core import child_program
from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.device_benchmark import BenchmarkCancelledError, PrecompileResult
from sdxl_desktop.engine.device_times import DeviceTimings
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit
from sdxl_desktop.workers.jobs import JobWorker, run_job


@dataclass(frozen=True, slots=True)
class DeviceBenchmarkJob:
    """A benchmark or precompile job for `checkpoint`."""

    checkpoint: Path
    execution: Execution


@dataclass(frozen=True, slots=True)
class MeasureDevicesJob(DeviceBenchmarkJob):
    """See `DeviceBenchmark.measure`; the result is also stored for the Automatic device."""

    size: Size
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrecompileSizesJob(DeviceBenchmarkJob):
    """See `DeviceBenchmark.precompile`."""

    sizes: tuple[Size, ...]
    speeds: tuple[SpeedPreset, ...]


class ProcessDeviceBenchmark:
    """Starts a worker for each call and kills it when the call is cancelled: finished compilations stay, an unfinished
    one is deleted when its folder is next accessed."""

    def measure(
        self,
        checkpoint: Path,
        size: Size,
        devices: Sequence[str],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> DeviceTimings:
        """See `DeviceBenchmark.measure`; empty `devices` means all. The result is also stored for the Automatic
        device."""
        job = MeasureDevicesJob(checkpoint, execution, size, tuple(devices))
        table: DeviceTimings = run_job(_MEASURING, job, emit, cancel)
        return table

    def precompile(
        self,
        checkpoint: Path,
        sizes: Sequence[Size],
        speeds: Sequence[SpeedPreset],
        execution: Execution,
        emit: Emit,
        cancel: CancelToken,
    ) -> PrecompileResult:
        """See `DeviceBenchmark.precompile`."""
        job = PrecompileSizesJob(checkpoint, execution, tuple(sizes), tuple(speeds))
        made: PrecompileResult = run_job(_PREPARING, job, emit, cancel)
        return made

    def close(self) -> None:
        """Do nothing: no resources are held between calls."""


def _worker(doing: str) -> JobWorker:
    def died(why: str) -> EngineError:
        next_step = "Try again; what was compiled so far is kept."
        return EngineError(f"{doing} ended before it was done.", why=why, next_step=next_step)

    return JobWorker(host=child_program.BENCHMARK_HOST, cancelled_error=BenchmarkCancelledError, died_error=died)


_MEASURING = _worker("Measuring the devices")
_PREPARING = _worker("Compiling ahead")
