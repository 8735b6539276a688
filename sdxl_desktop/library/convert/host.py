"""The worker that converts: does one `ConversionJob`.

Being killed costs nothing: the next one goes on with the first part that is not finished.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.found import Found, Kind, Layout
from sdxl_desktop.library.convert.copying import copy_parts
from sdxl_desktop.library.convert.descriptions import write_descriptions
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.forecast import gigabytes
from sdxl_desktop.library.convert.grafting import parts_of, take_parts, unet_alone
from sdxl_desktop.library.convert.job import (
    ConversionJob,
    ConversionPhase,
    ConversionProgress,
    ConversionReporter,
    Emit,
)
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import ConversionFolder
from sdxl_desktop.library.detect.errors import ImportFailedError
from sdxl_desktop.library.detect.identify import identify, identify_file
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the conversion process; returns only by ending it."""
    HOST.serve()


def _work(job: ConversionJob, emit: Emit) -> None:
    workspace = ConversionFolder(job.home, job.key)
    with workspace.held():
        _convert(job, workspace, emit)


def _convert(job: ConversionJob, workspace: ConversionFolder, emit: Emit) -> None:
    emit(ConversionProgress(phase=ConversionPhase.STARTING))
    extras = job.extras
    found = identify(job.path) if extras.parts_of is None else unet_alone(job.path, extras.parts_of)
    if found.kind is Kind.PICKLED:
        found = _unpickled(found, workspace, emit)
    if found.kind is not Kind.CHECKPOINT:
        raise ImportFailedError(f"{found.path.name} is a {found.kind}, not a whole checkpoint.")
    if found.layout is Layout.OPENVINO or job.weights is None:
        copy_parts(found, workspace, job.title, emit)
    else:
        _convert_parts(found, job.weights, workspace, job.title, extras, emit)
    about = {"source": extras.source or job.path.name, "weights": job.weights or "", "family": found.family}
    workspace.finish(about | ({"licence": extras.licence} if extras.licence else {}))


def _unpickled(found: Found, workspace: ConversionFolder, emit: Emit) -> Found:
    from sdxl_desktop.library.convert.unpickling import unpickle  # torch

    plain = workspace.folder / "unpickled" / f"{found.path.stem}.safetensors"
    if not plain.is_file():
        reporter = ConversionReporter(emit, [])
        reporter.begin(ConversionPhase.UNPICKLING, found.path.stat().st_size)
        writing = plain.with_suffix(".writing")
        unpickle(found.path, writing, reporter.advance)
        writing.rename(plain)
    return identify_file(plain, setups=found.path.parent)


def _convert_parts(
    found: Found, weights: WeightFormat, workspace: ConversionFolder, title: str, extras: Extras, emit: Emit
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.library.convert.converting import convert  # torch, diffusers, OpenVINO
        from sdxl_desktop.library.convert.tracing import OUTPUTS

        taken = parts_of(extras.parts_of) if extras.parts_of is not None else ()
        parts = [(part, 0) for part in taken] + [
            (output, part.bytes // len(OUTPUTS[part.name])) for part in found.parts for output in OUTPUTS[part.name]
        ]
        reporter = ConversionReporter(emit, parts)
        if extras.parts_of is not None:
            take_parts(extras.parts_of, workspace, reporter.checking, reporter.advance)
        with _fusing(extras.lora, found, workspace) as adapt:
            convert(found, weights, workspace, reporter, adapt)
    write_descriptions(found, workspace.whole, title, card=extras.card, scheduler=extras.scheduler)
    reporter.finishing()


def _fusing(lora: Path | None, found: Found, workspace: ConversionFolder) -> contextlib.AbstractContextManager[Any]:
    """What changes parts before they are traced, None for nothing."""
    if lora is None:
        return contextlib.nullcontext()
    from sdxl_desktop.library.convert.fusing import fused  # diffusers' loaders

    unet = next(part for part in found.parts if part.name == Part.UNET)
    return fused(lora, unet.config, workspace.spool)


def _out_of_memory(job: ConversionJob) -> ImportFailedError:
    return ImportFailedError(
        "The conversion was stopped because it took too much memory.",
        why=f"It may take {gigabytes(job.memory_limit)} here.",
        next_step="Close other programs and import it again; what is finished is kept.",
    )


def _failed(cause: str) -> ImportFailedError:
    return ImportFailedError(
        "The checkpoint could not be converted.",
        why=cause,
        next_step="Import it again; what is finished is kept. If it happens again, choose another file.",
    )


HOST = JobHost(
    job=ConversionJob,
    work=_work,
    failed=_failed,
    out_of_memory=_out_of_memory,
    memory_limit=lambda job: job.memory_limit,
)
