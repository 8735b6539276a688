"""Runs a planned import: has a worker convert it, and moves the whole checkpoint to its place."""

from __future__ import annotations

import threading

from sdxl_desktop.core import program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.formats.found import Layout
from sdxl_desktop.library.checkpoint_names import check_unused
from sdxl_desktop.library.convert.forecast import check_room
from sdxl_desktop.library.convert.job import ConversionJob, Emit
from sdxl_desktop.library.convert.plan import ImportPlan
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.detect.errors import ImportFailedError
from sdxl_desktop.library.scan import read_checkpoint
from sdxl_desktop.workers.jobs import JobWorker, run_job
from sdxl_desktop.workers.memory import usual_limit


class ImportCancelledError(SdxlDesktopError):
    """The person stopped the import; what is finished is kept for the next time."""


def run_import(
    plan: ImportPlan,
    weights: WeightFormat | None,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    memory_limit: int | None = None,
) -> Checkpoint:
    """Do what `plan` says and return the checkpoint, which is in the library then.

    `weights` must be given but for a folder of OpenVINO parts, which is copied. Blocks for minutes; `emit` is called on
    this thread; `cancel` is polled. `memory_limit` in bytes bounds the conversion's own memory (default: what is free,
    less half a gigabyte). Raises SdxlDesktopError: what cannot be used, what failed, or ImportCancelledError.
    """
    _check_choice(plan, weights)
    workspace = plan.workspace(weights)
    check_room(plan.forecasts[weights], plan.home, done=workspace.done_bytes())
    check_unused(plan.name, plan.home)
    job = conversion_job(plan, weights, memory_limit or usual_limit())
    run_job(_WORKER, job, emit, cancel or threading.Event())
    workspace.move_to(plan.destination)
    return read_checkpoint(plan.destination)


def discard(plan: ImportPlan, weights: WeightFormat | None) -> None:
    """Throw away what an unfinished import has on the disk."""
    plan.workspace(weights).discard()


def _check_choice(plan: ImportPlan, weights: WeightFormat | None) -> None:
    if plan.advice:
        raise CheckpointError(f"{plan.path.name} is no whole checkpoint.", why=plan.advice)
    if weights is None and plan.layout is not Layout.OPENVINO:
        raise CheckpointError(
            "A weight format must be chosen.",
            next_step=f"Choose one of {', '.join(WeightFormat)}; int8 is a good start.",
        )
    if weights is not None and plan.layout is Layout.OPENVINO:
        raise CheckpointError(
            f"{plan.path.name} has OpenVINO parts already, which are copied as they are.",
            next_step="Leave the weight format out.",
        )


def conversion_job(plan: ImportPlan, weights: WeightFormat | None, memory_limit: int) -> ConversionJob:
    """What the worker is given."""
    return ConversionJob(
        path=plan.path.absolute(),
        title=plan.name,
        weights=weights,
        home=plan.home.absolute(),
        key=plan.workspace(weights).folder.name,
        memory_limit=memory_limit,
        extras=plan.extras,
    )


def _cancelled() -> ImportCancelledError:
    return ImportCancelledError("The import was stopped.", next_step="Import it again to go on where it was.")


def _died(why: str) -> ImportFailedError:
    return ImportFailedError(
        "The conversion ended before it was done.", why=why, next_step="Import it again; what is finished is kept."
    )


_WORKER = JobWorker(host=program.CONVERSION_HOST, cancelled=_cancelled, died=_died)
