"""Latents on disk: a .safetensors file that says how its picture was made, so that it can be taken up again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from sdxl_desktop import __version__
from sdxl_desktop.core.errors import OutputError, PictureError, RequestError
from sdxl_desktop.core.latents import Floats, KeptLatents
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.history.metadata import KEY, Record, decode_record, encode_record

SUFFIX = ".safetensors"
_FINAL, _PREDICTIONS = "latents", "predictions"


def write_latents(path: Path, latents: KeptLatents, request: GenerationRequest) -> None:
    """Write `latents` to `path` whole or not at all, with the record of the run; raises OutputError."""
    tensors = {_FINAL: np.ascontiguousarray(latents.final)}
    if latents.predictions is not None:
        tensors[_PREDICTIONS] = np.ascontiguousarray(latents.predictions)
    record = encode_record(Record(version=__version__, seed=latents.seed, request=request.recorded()))
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, beside, metadata={KEY: record})
        os.replace(beside, path)
    except (OSError, SafetensorError) as problem:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise OutputError(
            f"The latents could not be written to {path}.",
            why=f"{getattr(problem, 'strerror', None) or problem}.",
            next_step="Choose another folder, or free space.",
        ) from problem


def read_latents(path: Path) -> tuple[KeptLatents, GenerationRequest]:
    """(the latents, the request that made them); raises PictureError when the file is none of ours."""
    try:
        with safe_open(path, framework="numpy") as file:  # type: ignore[no-untyped-call]
            record = decode_record((file.metadata() or {})[KEY])
            names = set(file.keys())
            final = _floats(file.get_tensor(_FINAL), 3)
            predictions = _floats(file.get_tensor(_PREDICTIONS), 4) if _PREDICTIONS in names else None
    except FileNotFoundError as problem:
        raise PictureError(f"There is no file {path}.", next_step="Check the path.") from problem
    except (OSError, SafetensorError, KeyError, ValueError, msgspec.MsgspecError, RequestError) as problem:
        raise PictureError(
            f"{path.name} does not hold kept latents.",
            why="It is not a file that --latents-out wrote, or it is damaged.",
            next_step="Give such a file, or draw the picture again.",
        ) from problem
    sampling = record.request.sampling
    kept = KeptLatents(
        final=final, predictions=predictions, seed=record.seed, steps=sampling.steps, scheduler=sampling.scheduler
    )
    return kept, record.request


def _floats(values: object, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != dimensions or not np.isfinite(array).all():
        raise ValueError("not latents")
    return array
