"""The conversion worker: runs one `ConversionJob`.

If it is killed, the next run resumes at the first unfinished part.
"""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import Any

from sdxl_desktop.core.file_hashes import sha256_of_file
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.detected_model import DetectedModel, ModelKind, ModelLayout
from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.library.convert.build_folder import SOURCE_FILE, SOURCE_SHA256, ConversionFolder
from sdxl_desktop.library.convert.config_writer import write_checkpoint_configs
from sdxl_desktop.library.convert.conversion_job import (
    ConversionJob,
    ConversionPhase,
    ConversionProgress,
    ConversionReporter,
    Emit,
)
from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.copy_openvino import copy_openvino_parts
from sdxl_desktop.library.convert.resource_estimate import format_bytes
from sdxl_desktop.library.convert.unet_swap import detect_unet, reusable_parts, reuse_parts
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.identify import identify, identify_file
from sdxl_desktop.library.detect.import_errors import ImportFailedError
from sdxl_desktop.workers.jobs import JobHost


def main() -> int:
    """Run the worker process; returns only when it ends."""
    HOST.serve()


def _run_in_build_folder(job: ConversionJob, emit: Emit) -> None:
    workspace = ConversionFolder(job.home, job.key)
    with workspace.held():
        _convert(job, workspace, emit)


def _convert(job: ConversionJob, workspace: ConversionFolder, emit: Emit) -> None:
    emit(ConversionProgress(phase=ConversionPhase.STARTING))
    extras = job.extras
    found = identify(job.path) if extras.reuse_parts_from is None else detect_unet(job.path, extras.reuse_parts_from)
    if found.kind is ModelKind.PICKLED:
        found = _convert_pickle(found, workspace, emit)
    if found.kind is not ModelKind.CHECKPOINT:
        raise ImportFailedError(f"{found.path.name} is a {found.kind}, not a whole checkpoint.")
    if found.layout is ModelLayout.OPENVINO or job.weights is None:
        copy_openvino_parts(found, workspace, job.title, emit)
    else:
        _convert_parts(found, job.weights, workspace, job.title, extras, emit)
    about = {"source": extras.source or job.path.name, "weights": job.weights or "", "family": found.family}
    if extras.lora is None and extras.reuse_parts_from is None:
        about |= _source_file(job.path if job.path.is_file() else found.path)
    workspace.finish(about | ({"licence": extras.licence} if extras.licence else {}))


def _source_file(path: Path) -> dict[str, str]:
    """Return name and hash of the one file that a checkpoint was made from, by which other programs know it."""
    return {SOURCE_FILE: path.name, SOURCE_SHA256: sha256_of_file(path)} if path.is_file() else {}


def _convert_pickle(found: DetectedModel, workspace: ConversionFolder, emit: Emit) -> DetectedModel:
    from sdxl_desktop.library.convert.unpickling import convert_pickle  # torch

    plain = workspace.folder / "unpickled" / f"{found.path.stem}{SAFETENSORS}"
    if not plain.is_file():
        reporter = ConversionReporter(emit, [])
        reporter.begin(ConversionPhase.UNPICKLING, found.path.stat().st_size)
        writing = plain.with_suffix(".writing")
        convert_pickle(found.path, writing, reporter.advance)
        writing.rename(plain)
    return identify_file(plain, config_folder=found.path.parent)


def _convert_parts(
    found: DetectedModel,
    weights: WeightFormat,
    workspace: ConversionFolder,
    title: str,
    extras: ConversionOptions,
    emit: Emit,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from sdxl_desktop.library.convert.conversion import convert_parts  # torch, diffusers, OpenVINO
        from sdxl_desktop.library.convert.tracing import OPENVINO_PARTS

        taken = reusable_parts(extras.reuse_parts_from) if extras.reuse_parts_from is not None else ()
        parts = [(part, 0) for part in taken] + [
            (output, part.bytes // len(OPENVINO_PARTS[part.name]))
            for part in found.parts
            for output in OPENVINO_PARTS[part.name]
        ]
        reporter = ConversionReporter(emit, parts)
        if extras.reuse_parts_from is not None:
            reuse_parts(extras.reuse_parts_from, workspace, reporter.checking, reporter.advance)
        with _lora_fusing(extras.lora, found, workspace) as adapt:
            convert_parts(found, weights, workspace, reporter, adapt)
    write_checkpoint_configs(
        found, workspace.whole, title, checkpoint_json=extras.checkpoint_json, scheduler_config=extras.scheduler_config
    )
    reporter.report_finishing()


def _lora_fusing(
    lora: Path | None, found: DetectedModel, workspace: ConversionFolder
) -> contextlib.AbstractContextManager[Any]:
    """Context that yields the module patch that fuses `lora`, or None without a LoRA."""
    if lora is None:
        return contextlib.nullcontext()
    from sdxl_desktop.library.convert.lora_fusing import fused_lora  # diffusers' loaders

    unet = next(part for part in found.parts if part.name == Part.UNET)
    return fused_lora(lora, unet.config, workspace.spool)


def _out_of_memory(job: ConversionJob) -> ImportFailedError:
    return ImportFailedError(
        "The conversion was stopped because it took too much memory.",
        why=f"It may take {format_bytes(job.memory_limit)} here.",
        next_step="Close other programs and import it again; what is finished is kept.",
    )


def _conversion_error(cause: str) -> ImportFailedError:
    return ImportFailedError(
        "The checkpoint could not be converted.",
        why=cause,
        next_step="Import it again; what is finished is kept. If it happens again, choose another file.",
    )


HOST = JobHost(
    job=ConversionJob,
    work=_run_in_build_folder,
    failed_error=_conversion_error,
    out_of_memory_error=_out_of_memory,
    memory_limit=lambda job: job.memory_limit,
)
