"""Reads and compiles the UNet while the rest of the engine is still being imported.

Between launch and first step these take longest, and they are independent. This module imports only openvino.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import openvino as ov

from sdxl_desktop.core.errors import EngineError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.parts import GRAPH, WEIGHTS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.compile_cache import BlobOrigin
from sdxl_desktop.engine.compile_key import FIXED, CompileKey, cached_content_id, content_id, shared_file_hashes
from sdxl_desktop.engine.device_times import read_timings, timings_file
from sdxl_desktop.engine.openvino import devices
from sdxl_desktop.engine.openvino.part_compiler import Compiler, patch_unet, resolve_key
from sdxl_desktop.engine.openvino.step_caching import graph_cut

_MAX_BYTES_TO_HASH_NOW = 256 << 20
"""Weights up to this size in bytes are hashed in less time than precompiling saves."""


def precompile_unet(
    compiler: Compiler, paths: AppPaths, checkpoint: Path, execution: Execution, speed: SpeedPreset
) -> None:
    """Start compiling the UNet of `checkpoint` in `compiler` as a run with `speed` will need it.

    Not for devices that need fixed shapes, nor for large weights not hashed before: their content id is needed first,
    so only hashing starts. Errors are ignored; the run will report them.
    """
    with suppress(Exception):
        execution = devices.resolve_devices(execution, read_timings(timings_file(paths)))
        caching, part = speed.plan.step_caching, checkpoint / Part.UNET
        depth = 0 if caching is None else caching.depth
        if (content := _content_id_if_fast(part, shared_file_hashes(paths.cache))) is None:
            return
        key = CompileKey(
            content_id=content,
            component=Part.UNET,
            device=execution.device_for(Part.UNET),
            precision=execution.precision_on(execution.device_for(Part.UNET)),
            threads=execution.threads,
        )
        key = resolve_key(key, lambda: devices.has_activation_scale(_read_unet(part, 0)))
        if key.shape != FIXED:
            key = replace(key, content_id=f"{key.content_id}-deep{depth}") if depth else key
            compiler.precompile(key, lambda: _read_unet(part, depth), BlobOrigin(checkpoint))


def _content_id_if_fast(part: Path, hashes: FileHashCache) -> str | None:
    """Return the content id; None if it takes long and is computed in another thread."""
    known = cached_content_id(part, hashes)
    if known is None and (part / WEIGHTS).stat().st_size <= _MAX_BYTES_TO_HASH_NOW:
        return content_id(part, hashes)
    if known is None:
        threading.Thread(target=_cache_content_id, args=(part, hashes), name="hash-ahead", daemon=True).start()
    return known


def _cache_content_id(part: Path, hashes: FileHashCache) -> None:
    with suppress(OSError):
        content_id(part, hashes)


def _read_unet(part: Path, depth: int) -> ov.Model:
    """Return the patched UNet graph, cut at skip connection `depth` unless that is 0."""
    model = devices.core.read_model(part / GRAPH)
    patch_unet(model)
    if not depth:
        return model
    if len(graph_cut.find_skip_connections(model)) < depth:
        raise EngineError("This UNet has fewer skip connections.")
    return graph_cut.full_model(model, depth)
