"""The quantization's own process: takes one job from its standard input, does it, tells how it goes in lines of JSON.

It ends as soon as the application is gone, and when it takes more memory than it may. Being killed costs little: the
next one goes on with the first part, or the first sample picture, that is not finished.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

from sdxl_desktop.library.children.computing import Computing
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.workspace import ConversionFolder
from sdxl_desktop.library.quantize.errors import QuantizationError
from sdxl_desktop.library.quantize.events import QuantizationProgress, Stage
from sdxl_desktop.library.quantize.job import Job
from sdxl_desktop.library.quantize.telling import Emit


def do(job: Job, out: BinaryIO) -> int:
    """Do `job`, telling on `out`; returns the exit code."""
    return _HOST.do(job, out)


def main() -> int:
    """Run the quantization process; returns only by ending it."""
    _HOST.serve()


def _work(job: Job, emit: Emit) -> None:
    emit(QuantizationProgress(stage=Stage.STARTING))
    workspace = ConversionFolder(Path(job.home), job.key)
    with workspace.held(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.library.quantize.making import make  # torch, optimum-intel, OpenVINO, NNCF

        make(job, workspace, emit)


def _too_much(job: Job) -> QuantizationError:
    return QuantizationError(
        "The quantization was stopped because it took too much memory.",
        why=f"It may take {gigabytes(job.memory_limit)} here.",
        next_step="Close other programs and quantize it again (what is finished is kept), or choose int8 or int4, "
        "which need little memory.",
    )


def _failed(cause: str) -> QuantizationError:
    return QuantizationError(
        "The checkpoint could not be quantized.",
        why=cause,
        next_step="Quantize it again; what is finished is kept. If it happens again, choose another method.",
    )


_HOST = Computing(read=Job.read, work=_work, too_much=_too_much, failed=_failed)
