"""Runs a planned quantization: starts its process, hears it, moves the whole checkpoint to its place."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sdxl_desktop.core import program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.library.children.memory import usual_limit
from sdxl_desktop.library.children.parent import Child, converse, why_it_died
from sdxl_desktop.library.children.words import passing_on
from sdxl_desktop.library.convert.plan import check_unused
from sdxl_desktop.library.quantize.errors import QuantizationCancelledError, QuantizationError
from sdxl_desktop.library.quantize.events import QuantizationProgress, read_line
from sdxl_desktop.library.quantize.forecast import check_room
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.plan import QuantizationPlan
from sdxl_desktop.library.scan import read_checkpoint

_log = logging.getLogger(__name__)

Emit = Callable[[QuantizationProgress], None]


def run_quantization(
    plan: QuantizationPlan,
    emit: Emit,
    cancel: threading.Event | None = None,
    *,
    memory_limit: int | None = None,
) -> Checkpoint:
    """Do what `plan` says and return the checkpoint, which is in the library then. The source is only read.

    Blocks for minutes to hours; `emit` is called on this thread; `cancel` is polled. `memory_limit` in bytes bounds the
    process's own memory (default: what is free, less half a gigabyte). Raises SdxlDesktopError: what cannot be used,
    what failed, or QuantizationCancelledError.
    """
    workspace = plan.workspace
    check_room(plan.forecast, plan.home, done=workspace.done_bytes())
    check_unused(plan.name, plan.home)
    _log.info("Quantizing %s to %s: %s", plan.source.folder, plan.destination, plan.method.value)
    line = job(plan, memory_limit or usual_limit()).line()
    converse(_CHILD, line, passing_on(read_line, emit), cancel or threading.Event())
    workspace.move_to(plan.destination)
    _log.info("Quantized: %s", plan.destination)
    return read_checkpoint(plan.destination)


def job(plan: QuantizationPlan, memory_limit: int) -> Job:
    """What its process is told."""
    return Job(
        source=str(plan.source.folder.absolute()),
        source_name=plan.source.name,
        title=plan.name,
        method=plan.method.value,
        calibration=plan.calibration.line() if plan.calibration else "",
        home=str(plan.home.absolute()),
        key=plan.workspace.folder.name,
        memory_limit=memory_limit,
    )


def discard(plan: QuantizationPlan) -> None:
    """Throw away what an unfinished quantization has on the disk."""
    plan.workspace.discard()


def _stopped() -> QuantizationCancelledError:
    return QuantizationCancelledError(
        "The quantization was stopped.", next_step="Quantize it again, the same way, to go on where it was."
    )


def _died(code: int, said: str) -> QuantizationError:
    return QuantizationError(
        "The quantization ended before it was done.",
        why=why_it_died(code, said),
        next_step="Quantize it again; what is finished is kept.",
    )


_CHILD = Child(host=program.QUANTIZATION_HOST, stopped=_stopped, died=_died)
