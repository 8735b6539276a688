"""The quantization's own process: takes one job from its standard input, does it, tells how it goes in lines of JSON.

It ends as soon as the application is gone, and when it takes more memory than it may. Being killed costs little: the
next one goes on with the first part, or the first sample picture, that is not finished.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import psutil

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.host import OUT_OF_MEMORY, without_telemetry
from sdxl_desktop.library.convert.workspace import Workspace
from sdxl_desktop.library.quantize import events
from sdxl_desktop.library.quantize.errors import QuantizationError
from sdxl_desktop.library.quantize.events import QuantizationProgress, Stage
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.memory import own_memory

_NICENESS = 5
_SECONDS_BETWEEN_LOOKS = 0.1


def do(job: Job, out: TextIO) -> int:
    """Do `job`, telling on `out`; returns the exit code. The last net under everything that libraries raise."""

    def emit(progress: QuantizationProgress) -> None:
        print(events.progress_line(progress), file=out, flush=True)

    try:
        emit(QuantizationProgress(stage=Stage.STARTING))
        workspace = Workspace(Path(job.home), job.key)
        with workspace.held(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            without_telemetry()
            from sdxl_desktop.library.quantize.making import make  # torch, optimum-intel, OpenVINO, NNCF

            make(job, workspace, emit)
    except SdxlDesktopError as problem:
        print(events.error_line(problem), file=out, flush=True)
        return 1
    except MemoryError:
        print(events.error_line(_too_much(job.memory_limit)), file=out, flush=True)
        return OUT_OF_MEMORY
    except Exception as problem:
        logging.getLogger(__name__).exception("The quantization failed unexpectedly")
        words = str(problem).splitlines()
        failed = QuantizationError(
            "The checkpoint could not be quantized.",
            why=f"{type(problem).__name__}: {words[0][:300] if words else ''}".rstrip(": ") + ".",
            next_step="Quantize it again; what is finished is kept. If it happens again, choose another method.",
        )
        print(events.error_line(failed), file=out, flush=True)
        return 1
    print(events.done_line(), file=out, flush=True)
    return 0


def main() -> int:
    """Run the quantization process; returns only by ending it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.ERROR)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with suppress(psutil.Error, OSError):
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICENESS)
    out = _private_output()
    job = Job.read(sys.stdin.readline())
    threading.Thread(target=_end_with_the_application, daemon=True, name="application").start()
    threading.Thread(target=_watch_memory, args=(job.memory_limit, out), daemon=True, name="memory").start()
    code = do(job, out)
    out.flush()
    os._exit(code)  # what torch and OpenVINO hold is let go at once, instead of piece by piece


def _private_output() -> TextIO:
    """What was standard output, where no library can print any more."""
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "w", encoding="utf-8")


def _end_with_the_application() -> None:
    sys.stdin.read()  # returns when the pipe is closed, whatever the reason
    os._exit(0)


def _watch_memory(limit: int, out: TextIO) -> None:
    """End the process, saying why, when its own memory passes `limit` bytes: before the computer starts to swap."""
    process = psutil.Process()
    while True:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
        if own_memory(process) > limit:
            print(events.error_line(_too_much(limit)), file=out, flush=True)
            os._exit(OUT_OF_MEMORY)


def _too_much(limit: int) -> QuantizationError:
    return QuantizationError(
        "The quantization was stopped because it took too much memory.",
        why=f"It may take {gigabytes(limit)} here.",
        next_step="Close other programs and quantize it again (what is finished is kept), or choose int8 or int4, "
        "which need little memory.",
    )
