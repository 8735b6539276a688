"""Paused runs on disk: a .safetensors file with the predictions so far, read as untrusted input."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from safetensors.numpy import load_file, save

from sdxl_desktop.core.atomic_write import write_atomically
from sdxl_desktop.core.errors import OutputError, PictureError, describe_error
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.core.request import MAX_COUNT, MAX_STEPS
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.safetensors_header import Header, read_header

MAX_PAUSED_BYTES = 2**30
"""Maximum bytes of one paused run: a thousand calls of the UNet for 2048 x 2048."""
_DETAILS_KEY = "sdxl-desktop-paused"
_LATENTS, _PREDICTIONS = "latents", "predictions"
_MAX_HEADER = 2**16
_MAX_ID = 200

_Whole = Annotated[int, msgspec.Meta(ge=0)]


class _Details(msgspec.Struct, frozen=True):
    """The values of `PausedRun`; `digest` is the hash of all numbers in the file."""

    picture: Annotated[int, msgspec.Meta(ge=0, lt=MAX_COUNT)]
    step: _Whole
    steps: Annotated[int, msgspec.Meta(ge=0, le=2 * MAX_STEPS)]
    content: Annotated[str, msgspec.Meta(max_length=_MAX_ID)]
    digest: Annotated[str, msgspec.Meta(max_length=_MAX_ID)]


def write_paused_run(path: Path, paused: PausedRun) -> None:
    """Write `paused`, in which a picture has begun, atomically and readable by this user only. Raises OutputError if it
    is too large or cannot be written."""
    try:
        if paused.latents is None or paused.predictions is None:
            raise ValueError("No picture has begun in it")
        if paused.nbytes > MAX_PAUSED_BYTES:
            raise ValueError("It is larger than paused pictures may be")
        tensors = {
            _LATENTS: np.ascontiguousarray(paused.latents),
            _PREDICTIONS: np.ascontiguousarray(paused.predictions),
        }
        details = _Details(paused.picture, paused.step, paused.steps, paused.content, _digest(paused))
        metadata = {_DETAILS_KEY: msgspec.json.encode(details).decode()}
        write_atomically(path, save(tensors, metadata=metadata), private=True)
    except (OSError, ValueError, MemoryError) as problem:
        raise OutputError(
            "What was drawn before the pause could not be written.",
            why=describe_error(problem) if isinstance(problem, OSError) else f"{problem}.",
            next_step=f"Make room in {path.parent} and let it be written to.",
        ) from problem


def read_paused_run(path: Path) -> PausedRun:
    """Return the paused run in `path`, exactly as it was written; raises PictureError for anything else."""
    try:
        header = read_header(path, _MAX_HEADER)
        _check_tensors(header)
        details = msgspec.json.decode(header.metadata[_DETAILS_KEY], type=_Details)
        values = load_file(path)
        paused = PausedRun(
            picture=details.picture,
            step=details.step,
            steps=details.steps,
            predictions=np.asarray(values[_PREDICTIONS], dtype=np.float32),
            latents=np.asarray(values[_LATENTS], dtype=np.float32),
            content=details.content,
        )
        if details.digest != _digest(paused) or details.step > details.steps:
            raise ValueError("it is damaged")
    except Exception as problem:  # untrusted file: any problem is reported in one sentence
        raise PictureError(
            f"{display_text(path.name)} does not hold a paused picture.",
            why="It is missing, damaged, or not a file of the queue.",
            next_step="The picture is drawn from the beginning.",
        ) from problem
    return paused


def _check_tensors(header: Header) -> None:
    """Raise ValueError unless the file holds a paused run of a permitted size and nothing else."""
    tensors = header.tensors
    if set(tensors) != {_LATENTS, _PREDICTIONS} or any(t.dtype != "F32" for t in tensors.values()):
        raise ValueError("not a paused run")
    latents, predictions = tensors[_LATENTS].shape, tensors[_PREDICTIONS].shape
    if len(latents) != 3 or predictions[1:] != latents or not math.prod(predictions):
        raise ValueError("its latents have an impossible shape")
    if 4 * (math.prod(predictions) + math.prod(latents)) > MAX_PAUSED_BYTES:
        raise ValueError("it is too large")


def _digest(paused: PausedRun) -> str:
    whole = hashlib.sha256()
    for value in (paused.latents, paused.predictions):
        if value is not None:
            whole.update(repr(value.shape).encode())
            whole.update(value.astype("<f4").tobytes())
    return whole.hexdigest()
