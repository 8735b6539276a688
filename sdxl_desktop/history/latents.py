"""Latents on disk: a .safetensors file that says how its picture was made, so that it can be taken up again."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save, save_file

from sdxl_desktop import __version__
from sdxl_desktop.core.errors import OutputError, PictureError, RequestError
from sdxl_desktop.core.latents import Floats, KeptLatents
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.whole_file import whole_file
from sdxl_desktop.history.metadata import KEY, Record, decode_record, encode_record

SUFFIX = ".safetensors"
DETAILS = "sdxl-desktop-latents"
"""The metadata key beside that of the record: what `KeptLatents` says of itself, which need not be what was asked."""

_FINAL, _PREDICTIONS = "latents", "predictions"
_MAX_HEAD = 2**20


class _Details(msgspec.Struct, frozen=True):
    """`content` is the hash of all numbers in the file; "" in one of an earlier release."""

    seed: int
    steps: int
    scheduler: SchedulerName
    digest: str = ""
    content: str = ""


class _Tensor(msgspec.Struct):
    """One entry of a safetensors header."""

    dtype: str
    shape: list[int]
    data_offsets: list[int]


def write_latents(path: Path, latents: KeptLatents, request: GenerationRequest) -> None:
    """Write `latents` to `path` whole or not at all, with the record of the run; raises OutputError."""
    try:
        with whole_file(path) as beside:
            save_file(_tensors(latents), beside, metadata=_metadata(latents, request))
    except (OSError, SafetensorError) as problem:
        raise OutputError(
            f"The latents could not be written to {path}.",
            why=f"{getattr(problem, 'strerror', None) or problem}.",
            next_step="Choose another folder, or free space.",
        ) from problem


def encode_latents(latents: KeptLatents, request: GenerationRequest | None = None) -> bytes:
    """`latents` as the content of such a file; with the request of their run `read_latents` can read it too."""
    return save(_tensors(latents), metadata=_metadata(latents, request))


def read_latents(path: Path) -> tuple[KeptLatents, GenerationRequest]:
    """(the latents, the request that made them); raises PictureError when the file is none of ours."""
    try:
        with safe_open(path, framework="numpy") as file:  # type: ignore[no-untyped-call]
            metadata = file.metadata() or {}
            record = decode_record(metadata[KEY])
            details = _details(metadata, record)
            names = set(file.keys())
            final = _finite(_floats(file.get_tensor(_FINAL), 3))
            predictions = _finite(_floats(file.get_tensor(_PREDICTIONS), 4)) if _PREDICTIONS in names else None
            kept = _kept(final, predictions, details)
    except FileNotFoundError as problem:
        raise PictureError(f"There is no file {path}.", next_step="Check the path.") from problem
    except (OSError, SafetensorError, KeyError, ValueError, msgspec.MsgspecError, RequestError) as problem:
        raise PictureError(
            f"{path.name} does not hold kept latents.",
            why="It is not a file that --latents-out wrote, or it is damaged.",
            next_step="Give such a file, or draw the picture again.",
        ) from problem
    return kept, record.request


def decode_latents(content: bytes) -> KeptLatents:
    """The very latents that `encode_latents` was given; raises ValueError for anything else.

    The header is bounded and checked before a library looks at it.
    """
    tensors, metadata = _head(content)
    if not {_FINAL} <= set(tensors) <= {_FINAL, _PREDICTIONS} or any(t.dtype != "F32" for t in tensors.values()):
        raise ValueError("not kept latents")
    try:
        details = msgspec.json.decode(metadata[DETAILS], type=_Details)
        values = load(content)
    except (KeyError, msgspec.MsgspecError, SafetensorError) as problem:
        raise ValueError("not kept latents") from problem
    predictions = _floats(values[_PREDICTIONS], 4) if _PREDICTIONS in tensors else None
    return _kept(_floats(values[_FINAL], 3), predictions, details)


def _tensors(latents: KeptLatents) -> dict[str, Floats]:
    tensors = {_FINAL: np.ascontiguousarray(latents.final)}
    if latents.predictions is not None:
        tensors[_PREDICTIONS] = np.ascontiguousarray(latents.predictions)
    return tensors


def _metadata(latents: KeptLatents, request: GenerationRequest | None) -> dict[str, str]:
    content = _content(latents.final, latents.predictions)
    details = _Details(latents.seed, latents.steps, latents.scheduler, latents.digest, content)
    metadata = {DETAILS: msgspec.json.encode(details).decode()}
    if request is not None:
        record = Record(version=__version__, seed=latents.seed, request=request.recorded())
        metadata[KEY] = encode_record(record)
    return metadata


def _details(metadata: dict[str, str], record: Record) -> _Details:
    """What the file says of the latents; one from before there were details says it by its record."""
    if DETAILS in metadata:
        return msgspec.json.decode(metadata[DETAILS], type=_Details)
    sampling = record.request.sampling
    return _Details(record.seed, sampling.steps, sampling.scheduler)


def _head(content: bytes) -> tuple[dict[str, _Tensor], dict[str, str]]:
    """(the tensors, the metadata) of a safetensors file's header; raises ValueError."""
    (length,) = struct.unpack("<Q", content[:8].ljust(8, b"\xff"))
    if length > min(_MAX_HEAD, len(content) - 8):
        raise ValueError("the header of the latents is too long")
    try:
        head = msgspec.json.decode(content[8 : 8 + length], type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(head.pop("__metadata__", msgspec.Raw(b"{}")), type=dict[str, str])
        return {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in head.items()}, metadata
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise ValueError("the header of the latents is damaged") from problem


def _content(final: Floats, predictions: Floats | None) -> str:
    whole = hashlib.sha256(final.astype("<f4").tobytes())
    if predictions is not None:
        whole.update(predictions.astype("<f4").tobytes())
    return whole.hexdigest()


def _kept(final: Floats, predictions: Floats | None, details: _Details) -> KeptLatents:
    if details.content not in ("", _content(final, predictions)):
        raise ValueError("the latents are damaged")
    return KeptLatents(
        final=final,
        predictions=predictions,
        seed=details.seed,
        steps=details.steps,
        scheduler=details.scheduler,
        digest=details.digest,
    )


def _floats(values: object, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != dimensions:
        raise ValueError("not latents")
    return array


def _finite(values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise ValueError("not latents")
    return values
