"""Run a planned quantization: quantize in a worker, then move the complete checkpoint into place."""

from __future__ import annotations

import logging
import threading

from sdxl_desktop.core import child_program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.library.checkpoint_names import check_name_unused
from sdxl_desktop.library.quantize.quantization_errors import QuantizationCancelledError, QuantizationError
from sdxl_desktop.library.quantize.quantization_estimate import check_resources
from sdxl_desktop.library.quantize.quantization_job import Emit, QuantizationJob
from sdxl_desktop.library.quantize.quantization_plan import QuantizationPlan
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.workers.jobs import JobWorker, run_job
from sdxl_desktop.workers.memory import default_memory_limit

_log = logging.getLogger(__name__)


def run_quantization(
    plan: QuantizationPlan,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    memory_limit: int | None = None,
) -> Checkpoint:
    """Execute `plan` and return the checkpoint, which is then in the library. The source is only read.

    Blocks for minutes to hours; `emit` is called on this thread; `cancel` is polled. `memory_limit` in bytes bounds the
    worker's own memory (default: free memory less half a gigabyte). Raises SdxlDesktopError for unusable input or a
    failure, or QuantizationCancelledError.
    """
    workspace = plan.build_folder
    check_resources(plan.forecast, plan.library_folder, finished_bytes=workspace.done_bytes())
    check_name_unused(plan.name, plan.library_folder)
    _log.info("Quantizing %s to %s: %s", plan.source.folder, plan.destination, plan.method.value)
    job = quantization_job(plan, memory_limit or default_memory_limit())
    run_job(_WORKER, job, emit, cancel or threading.Event())
    workspace.move_to(plan.destination)
    _log.info("Quantized: %s", plan.destination)
    return read_checkpoint(plan.destination)


def quantization_job(plan: QuantizationPlan, memory_limit: int) -> QuantizationJob:
    """Return the job for the worker."""
    return QuantizationJob(
        source=plan.source.folder.absolute(),
        source_name=plan.source.name,
        title=plan.name,
        method=plan.method,
        calibration=plan.calibration,
        home=plan.library_folder.absolute(),
        key=plan.build_folder.folder.name,
        memory_limit=memory_limit,
    )


def discard_quantization(plan: QuantizationPlan) -> None:
    """Delete the files of an unfinished quantization."""
    plan.build_folder.discard()


def _cancelled() -> QuantizationCancelledError:
    return QuantizationCancelledError(
        "The quantization was stopped.", next_step="Quantize it again, the same way, to go on where it was."
    )


def _crashed_error(why: str) -> QuantizationError:
    return QuantizationError(
        "The quantization ended before it was done.", why=why, next_step="Quantize it again; what is finished is kept."
    )


_WORKER = JobWorker(host=child_program.QUANTIZATION_HOST, cancelled_error=_cancelled, died_error=_crashed_error)
