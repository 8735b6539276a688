"""The worker that measures and compiles ahead: does one `WorkbenchJob`."""

from __future__ import annotations

import threading

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.shortage import not_enough_memory
from sdxl_desktop.engine.device_times import DeviceTable, table_file, write_table
from sdxl_desktop.engine.process.workbench import MeasureJob, PrepareJob, WorkbenchJob
from sdxl_desktop.engine.protocol import Emit
from sdxl_desktop.engine.workbench import Prepared, Workbench
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the process; returns only by ending it."""
    HOST.serve()


def _work(job: WorkbenchJob, emit: Emit) -> DeviceTable | Prepared:
    from sdxl_desktop.engine.openvino.workbench import OpenVinoWorkbench  # torch and OpenVINO

    paths = AppPaths.from_environment()
    workbench = OpenVinoWorkbench(paths)
    match job:
        case MeasureJob():
            return _measure(workbench, job, paths, emit)
        case PrepareJob():
            never = threading.Event()  # a cancel kills the process
            return workbench.prepare(job.checkpoint, job.sizes, job.speeds, job.execution, emit, never)
    raise TypeError(f"{type(job).__name__} is no job for a workbench")


def _measure(workbench: Workbench, job: MeasureJob, paths: AppPaths, emit: Emit) -> DeviceTable:
    from sdxl_desktop.engine.openvino import devices

    names = job.devices or [device.name for device in devices.available()]
    table = workbench.measure(job.checkpoint, job.size, names, job.execution, emit, threading.Event())
    write_table(table_file(paths), table)
    return table


def _failed(cause: str) -> EngineError:
    return EngineError("It could not be done.", why=cause, next_step="Try again; what was compiled so far is kept.")


def _out_of_memory(job: WorkbenchJob) -> EngineError:
    return not_enough_memory("the checkpoint was measured" if isinstance(job, MeasureJob) else "parts were compiled")


HOST = JobHost(job=WorkbenchJob, work=_work, failed=_failed, out_of_memory=_out_of_memory)
