"""Convert a detected model part by part, from memory-mapped weights to finished OpenVINO parts."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.formats.detected_model import DetectedModel, DetectedPart
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.convert import module_loading, tracing, weight_compression
from sdxl_desktop.library.convert.build_folder import ConversionFolder
from sdxl_desktop.library.convert.config_writer import write_part_config
from sdxl_desktop.library.convert.conversion_job import ConversionPhase, ConversionReporter
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.library.convert.weight_format import WeightFormat

ModulePatch = Callable[[str, Any], None]
"""Modifies a part's torch module, given the part's name, before it is traced; used to fuse LoRAs."""


def convert_parts(
    found: DetectedModel,
    weight_format: WeightFormat,
    workspace: ConversionFolder,
    reporter: ConversionReporter,
    patch_module: ModulePatch | None = None,
) -> None:
    """Write every unfinished OpenVINO part of `found` to `workspace`, with one part in memory at a time."""
    with _frozen_garbage_collector():
        _convert(found, weight_format, workspace, reporter, patch_module)


def _convert(
    found: DetectedModel,
    weight_format: WeightFormat,
    workspace: ConversionFolder,
    reporter: ConversionReporter,
    patch_module: ModulePatch | None,
) -> None:
    pooled = _pooled_width(found, workspace)
    scored = bool(found.model_index.get("requires_aesthetics_score", found.family is Family.REFINER))
    for part in found.parts:
        outputs = []
        for output in tracing.OPENVINO_PARTS[part.name]:
            if size := workspace.part_bytes(output):
                reporter.go_to(output)
                reporter.begin(ConversionPhase.CHECKING, size)
            if not workspace.finished(output, reporter.advance):
                outputs.append(output)
        if not outputs:
            continue
        count, size = module_loading.upcast_buffer_size(part)
        with MemmapBuffer(workspace.spool / "weights", MemmapBuffer.required_bytes(count, size)) as buffer:
            module = module_loading.load_module(part, buffer)
            if patch_module is not None:
                patch_module(part.name, module)
            for output in outputs:
                reporter.go_to(output)
                reporter.begin(ConversionPhase.TRACING)
                model = tracing.trace_part(output, part, module, requires_aesthetics_score=scored, pooled_width=pooled)
                _write_part(output, part, model, weight_format, workspace, reporter)
                del model
                gc.collect()
            del module
            gc.collect()


@contextmanager
def _frozen_garbage_collector() -> Iterator[None]:
    """Garbage is collected after each part; objects that libraries created before take half a second to scan, so they
    are frozen meanwhile."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _pooled_width(found: DetectedModel, workspace: ConversionFolder) -> int:
    """Return the width of the second text encoder's projection from its configuration; that part may exist already."""
    config = next((part.config for part in found.parts if part.name == Part.TEXT_ENCODER_2), None)
    if config is None:
        config = read_json_or_empty(workspace.whole / Part.TEXT_ENCODER_2 / "config.json")
    return int(config.get("projection_dim", 1280))


def _write_part(
    output: str,
    part: DetectedPart,
    model: ov.Model,
    weight_format: WeightFormat,
    workspace: ConversionFolder,
    reporter: ConversionReporter,
) -> None:
    found = weight_compression.find_weights(model) if weight_format in (WeightFormat.INT8, WeightFormat.INT4) else []
    in_half_bytes = weight_format is WeightFormat.INT4 and output == Part.UNET
    compress = weight_compression.compress_to_int4 if in_half_bytes else weight_compression.compress_to_int8
    with (
        MemmapBuffer(workspace.spool / "compressed", weight_compression.buffer_bytes(found)) as buffer,
        workspace.part(output, reporter.advance) as folder,
    ):
        if found:
            reporter.begin(ConversionPhase.COMPRESSING, sum(weight.count for weight in found))
            compress(model, found, buffer, reporter.advance)
            found.clear()
        reporter.begin(ConversionPhase.WRITING)
        _save_model(model, folder, half=weight_format is WeightFormat.FP16)
        write_part_config(part, folder)
        reporter.begin(ConversionPhase.WRITING, sum(file.stat().st_size for file in folder.iterdir()))


def _save_model(model: ov.Model, folder: Path, *, half: bool) -> None:
    try:
        ov.save_model(model, folder / GRAPH, compress_to_fp16=half)
    except RuntimeError as problem:
        raise OSError(f"OpenVINO could not write it: {str(problem).splitlines()[-1]}") from problem
