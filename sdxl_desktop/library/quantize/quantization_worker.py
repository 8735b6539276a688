"""The quantization worker: runs one `QuantizationJob`.

If it is killed, the next run resumes at the first unfinished part or sample image.
"""

from __future__ import annotations

import warnings

from sdxl_desktop.library.convert.build_folder import ConversionFolder
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError
from sdxl_desktop.library.quantize.quantization_job import (
    Emit,
    QuantizationJob,
    QuantizationPhase,
    QuantizationProgress,
)
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the worker process; returns only when it ends."""
    HOST.serve()


def _work(job: QuantizationJob, emit: Emit) -> None:
    emit(QuantizationProgress(phase=QuantizationPhase.STARTING))
    workspace = ConversionFolder(job.home, job.key)
    with workspace.held(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.library.quantize.build_quantized import (
            build_quantized,  # torch, optimum-intel, OpenVINO, NNCF
        )

        build_quantized(job, workspace, emit)


def _out_of_memory(job: QuantizationJob) -> QuantizationError:
    return QuantizationError(
        "The quantization was stopped because it took too much memory.",
        why=f"It may take {format_bytes(job.memory_limit)} here.",
        next_step="Close other programs and quantize it again (what is finished is kept), or choose int8 or int4, "
        "which need little memory.",
    )


def _failed(cause: str) -> QuantizationError:
    return QuantizationError(
        "The checkpoint could not be quantized.",
        why=cause,
        next_step="Quantize it again; what is finished is kept. If it happens again, choose another method.",
    )


HOST = JobHost(
    job=QuantizationJob,
    work=_work,
    failed_error=_failed,
    out_of_memory_error=_out_of_memory,
    memory_limit=lambda job: job.memory_limit,
)
