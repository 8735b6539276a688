"""The worker process that runs one `DeviceBenchmarkJob`: measuring or precompiling."""

from __future__ import annotations

import threading

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.out_of_memory import out_of_memory_error
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.device_benchmark import DeviceBenchmark, PrecompileResult
from sdxl_desktop.engine.device_times import DeviceTimings, timings_file, write_timings
from sdxl_desktop.engine.engine_protocol import Emit
from sdxl_desktop.engine.process.benchmark_process import DeviceBenchmarkJob, MeasureDevicesJob, PrecompileSizesJob
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the worker; never returns, the process exits."""
    HOST.serve()


def _work(job: DeviceBenchmarkJob, emit: Emit) -> DeviceTimings | PrecompileResult:
    from sdxl_desktop.engine.openvino.part_benchmark import OpenVinoDeviceBenchmark  # torch and OpenVINO

    paths = AppPaths.from_environment()
    workbench = OpenVinoDeviceBenchmark(paths)
    match job:
        case MeasureDevicesJob():
            return _measure(workbench, job, paths, emit)
        case PrecompileSizesJob():
            never = threading.Event()  # a cancel kills the process
            return workbench.precompile(job.checkpoint, job.sizes, job.speeds, job.execution, emit, never)
    raise TypeError(f"{type(job).__name__} is no job for a workbench")


def _measure(workbench: DeviceBenchmark, job: MeasureDevicesJob, paths: AppPaths, emit: Emit) -> DeviceTimings:
    from sdxl_desktop.engine.openvino import devices

    names = job.devices or [device.name for device in devices.available_devices()]
    table = workbench.measure(job.checkpoint, job.size, names, job.execution, emit, threading.Event())
    write_timings(timings_file(paths), table)
    return table


def _failed(cause: str) -> EngineError:
    return EngineError("It could not be done.", why=cause, next_step="Try again; what was compiled so far is kept.")


def _out_of_memory(job: DeviceBenchmarkJob) -> EngineError:
    return out_of_memory_error(
        "the checkpoint was measured" if isinstance(job, MeasureDevicesJob) else "parts were compiled"
    )


HOST = JobHost(job=DeviceBenchmarkJob, work=_work, failed_error=_failed, out_of_memory_error=_out_of_memory)
