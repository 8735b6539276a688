"""Run a planned import: convert in a worker, then move the complete checkpoint into place."""

from __future__ import annotations

import threading

from sdxl_desktop.core import child_program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.formats.detected_model import ModelLayout
from sdxl_desktop.library.checkpoint_names import check_name_unused
from sdxl_desktop.library.convert.conversion_job import ConversionJob, Emit
from sdxl_desktop.library.convert.import_plan import ImportPlan
from sdxl_desktop.library.convert.resource_estimate import check_resources
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.import_errors import ImportFailedError
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.workers.jobs import JobWorker, run_job
from sdxl_desktop.workers.memory import default_memory_limit


class ImportCancelledError(SdxlDesktopError):
    """The user cancelled the import; finished work is kept for the next run."""


def run_import(
    plan: ImportPlan,
    weight_format: WeightFormat | None,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    memory_limit: int | None = None,
) -> Checkpoint:
    """Execute `plan` and return the checkpoint, which is then in the library.

    `weight_format` is required, except for a folder of OpenVINO parts, which is copied. Blocks for minutes; `emit` is
    called on this thread; `cancel` is polled. `memory_limit` in bytes bounds the worker's own memory (default: free
    memory less half a gigabyte). Raises SdxlDesktopError for unusable input or a failure, or ImportCancelledError.
    """
    _check_weight_format(plan, weight_format)
    workspace = plan.build_folder(weight_format)
    check_resources(plan.estimates[weight_format], plan.library_folder, finished_bytes=workspace.done_bytes())
    check_name_unused(plan.name, plan.library_folder)
    job = conversion_job(plan, weight_format, memory_limit or default_memory_limit())
    run_job(_WORKER, job, emit, cancel or threading.Event())
    workspace.move_to(plan.destination)
    return read_checkpoint(plan.destination)


def discard_import(plan: ImportPlan, weight_format: WeightFormat | None) -> None:
    """Delete the files of an unfinished import."""
    plan.build_folder(weight_format).discard()


def _check_weight_format(plan: ImportPlan, weight_format: WeightFormat | None) -> None:
    if plan.advice:
        raise CheckpointError(f"{plan.path.name} is no whole checkpoint.", why=plan.advice)
    if weight_format is None and plan.layout is not ModelLayout.OPENVINO:
        raise CheckpointError(
            "A weight format must be chosen.",
            next_step=f"Choose one of {', '.join(WeightFormat)}; int8 is a good start.",
        )
    if weight_format is not None and plan.layout is ModelLayout.OPENVINO:
        raise CheckpointError(
            f"{plan.path.name} has OpenVINO parts already, which are copied as they are.",
            next_step="Leave the weight format out.",
        )


def conversion_job(plan: ImportPlan, weights: WeightFormat | None, memory_limit: int) -> ConversionJob:
    """Return the job for the worker."""
    return ConversionJob(
        path=plan.path.absolute(),
        title=plan.name,
        weights=weights,
        home=plan.library_folder.absolute(),
        key=plan.build_folder(weights).folder.name,
        memory_limit=memory_limit,
        extras=plan.options,
    )


def _cancelled() -> ImportCancelledError:
    return ImportCancelledError("The import was stopped.", next_step="Import it again to go on where it was.")


def _crashed_error(why: str) -> ImportFailedError:
    return ImportFailedError(
        "The conversion ended before it was done.", why=why, next_step="Import it again; what is finished is kept."
    )


_WORKER = JobWorker(host=child_program.CONVERSION_HOST, cancelled_error=_cancelled, died_error=_crashed_error)
