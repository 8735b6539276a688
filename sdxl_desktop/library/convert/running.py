"""Runs a planned import: starts the conversion's process, hears it, moves the whole checkpoint to its place."""

from __future__ import annotations

import contextlib
import json
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
from sdxl_desktop.library.convert import events
from sdxl_desktop.library.convert.events import ConversionProgress
from sdxl_desktop.library.convert.forecast import check_room
from sdxl_desktop.library.convert.plan import ImportPlan
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import Workspace
from sdxl_desktop.library.detect.errors import ImportFailedError
from sdxl_desktop.library.detect.found import Layout
from sdxl_desktop.library.scan import read_checkpoint

_SPARE = 512 * 2**20
_TAIL = 2000

Emit = Callable[[ConversionProgress], None]


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
    if plan.destination.exists():
        raise CheckpointError(
            f"There is a checkpoint called {plan.name} already.",
            next_step="Give another name, or remove that one first.",
        )
    limit = memory_limit or max(_SPARE, psutil.virtual_memory().available - _SPARE)
    _converse(_job(plan, weights, limit), emit, cancel or threading.Event())
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


def _job(plan: ImportPlan, weights: WeightFormat | None, limit: int) -> str:
    workspace: Workspace = plan.workspace(weights)
    return json.dumps(
        {
            "path": str(plan.path),
            "title": plan.name,
            "weights": weights.value if weights else "",
            "home": str(plan.home),
            "key": workspace.folder.name,
            "memory_limit": limit,
            "extras": plan.extras.to_json(),
        }
    )


def _converse(job: str, emit: Emit, cancel: threading.Event) -> None:
    """Start the process, pass its progress on until it ends, kill it on a cancel; raises what it says went wrong."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            program.command(program.CONVERSION_HOST),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=program.environment(),
            text=True,
            encoding="utf-8",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        over = threading.Event()
        watch = threading.Thread(target=kill_on, args=(cancel, over, process), daemon=True, name="cancel")
        watch.start()
        last: object = None
        try:
            with process.stdin, process.stdout:
                with contextlib.suppress(OSError):  # it is gone already: what follows says why
                    process.stdin.write(job + "\n")
                    process.stdin.flush()
                for line in process.stdout:
                    last = events.read_line(line)
                    if not isinstance(last, ConversionProgress):
                        break  # its last word; a process that it started may hold the pipe open still
                    emit(last)
        finally:
            over.set()
            watch.join()
            process.kill()
            process.wait()
        if isinstance(last, SdxlDesktopError):
            raise last
        if cancel.is_set() and not isinstance(last, events.Done):
            raise ImportCancelledError("The import was stopped.", next_step="Import it again to go on where it was.")
        if not isinstance(last, events.Done):
            log.seek(0)
            raise _died(process.returncode, log.read()[-_TAIL:].decode(errors="replace"))


def _died(code: int, said: str) -> ImportFailedError:
    if code == -getattr(signal, "SIGKILL", 9):
        why = "It was killed from outside, which happens when the computer runs out of memory."
    else:
        why = f"It ended with exit code {code}. {said.strip().splitlines()[-1] if said.strip() else ''}".strip()
    return ImportFailedError(
        "The conversion ended before it was done.", why=why, next_step="Import it again; what is finished is kept."
    )
