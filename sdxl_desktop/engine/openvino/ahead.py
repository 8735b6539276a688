"""The UNet is read and compiled while the rest of the engine is still being imported.

Between a launch and the first step these take longest, and neither needs the other. Imports openvino alone.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import openvino as ov

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.parts import GRAPH, WEIGHTS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.engine.compile_key import FIXED, CompileKey, content_id, hashes_in, known_content_id
from sdxl_desktop.engine.compiled_store import Origin
from sdxl_desktop.engine.device_times import read_table, table_file
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.caching import cut
from sdxl_desktop.engine.openvino.parts import Compiler, mend_unet, settled

_AT_ONCE = 256 << 20
"""Bytes of weights that are read in less time than starting to compile them ahead would save."""


def begin(compiler: Compiler, paths: AppPaths, checkpoint: Path, execution: Execution, speed: Speed) -> None:
    """Let `compiler` begin with the UNet of `checkpoint` as a run with `speed` will ask for it.

    Not for devices that want fixed shapes, nor for large weights that were never read before: what they are called must
    be known first, so they are only begun to be read. Whatever is wrong is left to the run to find and to tell.
    """
    with suppress(Exception):
        execution = devices.resolved(execution, read_table(table_file(paths)))
        caching, part = speed.plan.caching, checkpoint / Part.UNET
        depth = 0 if caching is None else caching.depth
        if (content := _content_id(part, hashes_in(paths.cache))) is None:
            return
        key = CompileKey(
            checkpoint=content,
            component=Part.UNET,
            device=execution.device_for(Part.UNET),
            precision=execution.precision_on(execution.device_for(Part.UNET)),
            threads=execution.threads,
        )
        key = settled(key, lambda: devices.is_scaled(_read(part, 0)))
        if key.shape != FIXED:
            key = replace(key, checkpoint=f"{key.checkpoint}-deep{depth}") if depth else key
            compiler.begin(key, lambda: _read(part, depth), Origin(checkpoint))


def _content_id(part: Path, hashes: FileHashes) -> str | None:
    """None while it takes long to find out, in another thread."""
    known = known_content_id(part, hashes)
    if known is None and (part / WEIGHTS).stat().st_size <= _AT_ONCE:
        return content_id(part, hashes)
    if known is None:
        threading.Thread(target=_remember, args=(part, hashes), name="hash-ahead", daemon=True).start()
    return known


def _remember(part: Path, hashes: FileHashes) -> None:
    with suppress(OSError):
        content_id(part, hashes)


def _read(part: Path, depth: int) -> ov.Model:
    """The UNet's graph, mended; cut at the join `depth` unless that is 0."""
    model = devices.core.read_model(part / GRAPH)
    mend_unet(model)
    if not depth:
        return model
    if len(cut.joins(model)) < depth:
        raise EngineError("This UNet has fewer joins.")
    return cut.full_graph(model, depth)
