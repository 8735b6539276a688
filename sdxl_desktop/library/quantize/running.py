"""Runs a planned quantization: starts its process, hears it, moves the whole checkpoint to its place."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable

import psutil

from sdxl_desktop.core import program
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.library.children import kill_on
from sdxl_desktop.library.quantize import events
from sdxl_desktop.library.quantize.errors import QuantizationCancelledError, QuantizationError
from sdxl_desktop.library.quantize.events import QuantizationProgress
from sdxl_desktop.library.quantize.forecast import check_room
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.plan import QuantizationPlan
from sdxl_desktop.library.scan import read_checkpoint

_SPARE = 512 * 2**20
_TAIL = 2000
_AGAIN = "Quantize it again; what is finished is kept."

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
    if plan.destination.exists():
        raise CheckpointError(
            f"There is a checkpoint called {plan.name} already.",
            next_step="Give another name, or remove that one first.",
        )
    limit = memory_limit or max(_SPARE, psutil.virtual_memory().available - _SPARE)
    _converse(job(plan, limit).line(), emit, cancel or threading.Event())
    workspace.move_to(plan.destination)
    return read_checkpoint(plan.destination)


def job(plan: QuantizationPlan, memory_limit: int) -> Job:
    """What its process is told."""
    return Job(
        source=str(plan.source.folder),
        source_name=plan.source.name,
        title=plan.name,
        method=plan.method.value,
        calibration=plan.calibration.line() if plan.calibration else "",
        home=str(plan.home),
        key=plan.workspace.folder.name,
        memory_limit=memory_limit,
    )


def discard(plan: QuantizationPlan) -> None:
    """Throw away what an unfinished quantization has on the disk."""
    plan.workspace.discard()


def _converse(job_line: str, emit: Emit, cancel: threading.Event) -> None:
    """Start the process, pass its progress on until it ends, kill it on a cancel; raises what it says went wrong."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            program.command(program.QUANTIZATION_HOST),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=program.environment(),
            text=True,
            encoding="utf-8",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        over = threading.Event()
        watch = threading.Thread(target=kill_on, args=(cancel, over, process), daemon=True, name="cancel")
        watch.start()
        try:
            last = _hear(process, job_line, emit)
        finally:
            over.set()
            watch.join()
            process.kill()
            process.wait()
        if isinstance(last, SdxlDesktopError):
            raise last
        if isinstance(last, events.Done):
            return
        if cancel.is_set():
            raise QuantizationCancelledError(
                "The quantization was stopped.", next_step="Quantize it again, the same way, to go on where it was."
            )
        log.seek(0)
        raise _died(process.returncode, log.read()[-_TAIL:].decode(errors="replace"))


def _hear(process: subprocess.Popen[str], job_line: str, emit: Emit) -> object:
    """Give the process its job and pass its progress on; returns its last word, if it had one."""
    assert process.stdin is not None
    assert process.stdout is not None
    last: object = None
    with process.stdin, process.stdout:
        with contextlib.suppress(OSError):  # it is gone already: what follows says why
            process.stdin.write(job_line + "\n")
            process.stdin.flush()
        for line in process.stdout:
            last = events.read_line(line)
            if not isinstance(last, QuantizationProgress):
                break  # its last word; a process that it started may hold the pipe open still
            emit(last)
    return last


def _died(code: int, said: str) -> QuantizationError:
    if code == -getattr(signal, "SIGKILL", 9):
        why = "It was killed from outside, which happens when the computer runs out of memory."
    else:
        why = f"It ended with exit code {code}. {said.strip().splitlines()[-1] if said.strip() else ''}".strip()
    return QuantizationError("The quantization ended before it was done.", why=why, next_step=_AGAIN)
