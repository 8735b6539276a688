"""Converts what was found, part by part: mapped weights in, a finished OpenVINO part in the workspace out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openvino as ov

from sdxl_desktop.core.parts import GRAPH, Part
from sdxl_desktop.formats.documents import read_json_if_there
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.found import Found, FoundPart
from sdxl_desktop.library.convert import compressing, loading, tracing
from sdxl_desktop.library.convert.descriptions import write_part_config
from sdxl_desktop.library.convert.job import ConversionPhase, ConversionReporter
from sdxl_desktop.library.convert.spool import Spool
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.convert.workspace import ConversionFolder

Adapt = Callable[[str, Any], None]
"""Changes a part's torch module, by the part's name, before it is traced: the place where a LoRA is fused."""


def convert(
    found: Found,
    weights: WeightFormat,
    workspace: ConversionFolder,
    reporter: ConversionReporter,
    adapt: Adapt | None = None,
) -> None:
    """Put every OpenVINO part of `found` that is not finished yet into `workspace`, one in memory at a time."""
    with _short_collections():
        _convert(found, weights, workspace, reporter, adapt)


def _convert(
    found: Found, weights: WeightFormat, workspace: ConversionFolder, reporter: ConversionReporter, adapt: Adapt | None
) -> None:
    pooled = _pooled_width(found, workspace)
    scored = bool(found.index.get("requires_aesthetics_score", found.family is Family.REFINER))
    for part in found.parts:
        outputs = []
        for output in tracing.OUTPUTS[part.name]:
            if size := workspace.part_bytes(output):
                reporter.go_to(output)
                reporter.begin(ConversionPhase.CHECKING, size)
            if not workspace.finished(output, reporter.advance):
                outputs.append(output)
        if not outputs:
            continue
        count, size = loading.wide_bytes(part)
        with Spool(workspace.spool / "weights", Spool.room(count, size)) as spool:
            module = loading.load(part, spool)
            if adapt is not None:
                adapt(part.name, module)
            for output in outputs:
                reporter.go_to(output)
                reporter.begin(ConversionPhase.TRACING)
                model = tracing.trace(output, part, module, scored=scored, pooled_width=pooled)
                _write(output, part, model, weights, workspace, reporter)
                del model
                gc.collect()
            del module
            gc.collect()


@contextmanager
def _short_collections() -> Iterator[None]:
    """Garbage is collected after each part; what libraries brought before takes half a second to look through, and is
    left out meanwhile."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _pooled_width(found: Found, workspace: ConversionFolder) -> int:
    """Of the second text encoder's projection, from its configuration; it may be there already."""
    config = next((part.config for part in found.parts if part.name == Part.TEXT_ENCODER_2), None)
    if config is None:
        config = read_json_if_there(workspace.whole / Part.TEXT_ENCODER_2 / "config.json")
    return int(config.get("projection_dim", 1280))


def _write(
    output: str,
    part: FoundPart,
    model: ov.Model,
    weights: WeightFormat,
    workspace: ConversionFolder,
    reporter: ConversionReporter,
) -> None:
    found = compressing.find_weights(model) if weights in (WeightFormat.INT8, WeightFormat.INT4) else []
    in_half_bytes = weights is WeightFormat.INT4 and output == Part.UNET
    compress = compressing.compress_to_int4 if in_half_bytes else compressing.compress_to_int8
    with (
        Spool(workspace.spool / "compressed", compressing.spool_room(found)) as spool,
        workspace.part(output, reporter.advance) as folder,
    ):
        if found:
            reporter.begin(ConversionPhase.COMPRESSING, sum(weight.count for weight in found))
            compress(model, found, spool, reporter.advance)
            found.clear()
        reporter.begin(ConversionPhase.WRITING)
        _save(model, folder, half=weights is WeightFormat.FP16)
        write_part_config(part, folder)
        reporter.begin(ConversionPhase.WRITING, sum(file.stat().st_size for file in folder.iterdir()))


def _save(model: ov.Model, folder: Path, *, half: bool) -> None:
    try:
        ov.save_model(model, folder / GRAPH, compress_to_fp16=half)
    except RuntimeError as problem:
        raise OSError(f"OpenVINO could not write it: {str(problem).splitlines()[-1]}") from problem
