"""Latents on disk: a .safetensors file with the record of its picture, from which a run can be resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save, save_file

from sdxl_desktop import __version__
from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.core.errors import OutputError, PictureError, describe_error
from sdxl_desktop.core.exclusive_write import FileNameTakenError, write_exclusively
from sdxl_desktop.core.latents import Floats, SavedLatents
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride
from sdxl_desktop.core.request import MAX_SEED, MAX_SIDE, MAX_STEPS, GenerationRequest
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.safetensors_header import Header, HeaderError, parse_header, read_header
from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.metadata.picture_files import METADATA_KEY, PictureRecord, decode_record, encode_record

SUFFIX = SAFETENSORS
DETAILS_KEY = "sdxl-desktop-latents"
"""Metadata key, next to the record's, for the fields of `SavedLatents`, which may differ from the request's."""

_FINAL, _PREDICTIONS = "latents", "predictions"
MAX_HEADER = 2**20
"""Maximum header bytes of such a file."""
_MAX_CHANNELS = 64


class _LatentDetails(msgspec.Struct, frozen=True):
    """`content` is the hash of all numbers in the file; "" in files of an earlier release."""

    seed: Annotated[int, msgspec.Meta(ge=0, le=MAX_SEED)]
    steps: Annotated[int, msgspec.Meta(ge=1)]
    scheduler: SchedulerName
    digest: str = ""
    content: str = ""
    timesteps: tuple[int, ...] | None = None
    noise: NoiseScheduleOverride | None = None


def write_latents(path: Path, latents: SavedLatents, request: GenerationRequest, *, new: bool = False) -> None:
    """Write `latents` to `path` atomically, with the record of the run; raises OutputError. A `new` file never replaces
    another: FileNameTakenError is raised instead."""

    def write(temporary: Path) -> None:
        save_file(_tensors(latents), temporary, metadata=_metadata(latents, request))

    try:
        if new:
            write_exclusively(path, write)
        else:
            with atomic_file(path) as temporary:
                write(temporary)
    except FileNameTakenError:
        raise
    except Exception as problem:
        raise OutputError(
            f"The latents could not be written to {path}.",
            why=describe_error(problem),
            next_step="Choose another folder, or free space.",
        ) from problem


def holds_latents(header: Header) -> bool:
    """Whether a file with this header was written by `write_latents`, as far as the header shows."""
    return {DETAILS_KEY, METADATA_KEY} <= set(header.metadata) or (
        METADATA_KEY in header.metadata and _FINAL in header.tensors
    )


def encode_latents(latents: SavedLatents, request: GenerationRequest | None = None) -> bytes:
    """Encode `latents` as the content of such a file; with the request of their run `read_latents` can read it too."""
    return save(_tensors(latents), metadata=_metadata(latents, request))


def read_latents(path: Path) -> tuple[SavedLatents, GenerationRequest]:
    """Return (the latents, the request that made them); raises PictureError for any other file."""
    try:
        header = read_header(path, MAX_HEADER)
        _check_tensors(header)
        record = decode_record(header.metadata[METADATA_KEY])
        details = _details(header.metadata, record)
        with safe_open(path, framework="numpy") as file:
            final = _check_finite(_as_float32(file.get_tensor(_FINAL), 3))
            predictions = None
            if _PREDICTIONS in header.tensors:
                predictions = _check_finite(_as_float32(file.get_tensor(_PREDICTIONS), 4))
        kept = _saved_latents(final, predictions, details)
    except HeaderError as problem:
        if problem.missing:
            raise PictureError(f"There is no file {path}.", next_step="Check the path.") from problem
        raise _not_latents_error(path) from problem
    except MemoryError as problem:
        raise PictureError(
            f"{display_text(path.name)} does not fit in memory.", next_step="Close other programs."
        ) from problem
    except Exception as problem:  # untrusted file: any problem is reported in one sentence
        raise _not_latents_error(path) from problem
    return kept, record.request


def decode_latents(content: bytes) -> SavedLatents:
    """Return the exact latents that `encode_latents` was given; raises ValueError for anything else.

    The header is bounded and checked before a library reads it.
    """
    try:
        header = parse_header(content, MAX_HEADER)
        _check_tensors(header)
        details = msgspec.json.decode(header.metadata[DETAILS_KEY], type=_LatentDetails)
        values = load(content)
    except (HeaderError, KeyError, msgspec.MsgspecError, SafetensorError, RecursionError) as problem:
        raise ValueError("not kept latents") from problem
    predictions = _as_float32(values[_PREDICTIONS], 4) if _PREDICTIONS in header.tensors else None
    return _saved_latents(_as_float32(values[_FINAL], 3), predictions, details)


def _check_tensors(header: Header) -> None:
    """Raise ValueError unless the file holds latents and nothing else, so that no other tensor is ever read."""
    tensors = header.tensors
    if not {_FINAL} <= set(tensors) <= {_FINAL, _PREDICTIONS} or any(t.dtype != "F32" for t in tensors.values()):
        raise ValueError("not kept latents")


def _not_latents_error(path: Path) -> PictureError:
    return PictureError(
        f"{display_text(path.name)} does not hold kept latents.",
        why="It is not a file that --latents-out wrote, or it is damaged.",
        next_step="Give such a file, or draw the picture again.",
    )


def _tensors(latents: SavedLatents) -> dict[str, Floats]:
    tensors = {_FINAL: np.ascontiguousarray(latents.final)}
    if latents.predictions is not None:
        tensors[_PREDICTIONS] = np.ascontiguousarray(latents.predictions)
    return tensors


def _metadata(latents: SavedLatents, request: GenerationRequest | None) -> dict[str, str]:
    content = _content_hash(latents.final, latents.predictions)
    details = _LatentDetails(
        latents.seed,
        latents.steps,
        latents.scheduler,
        latents.digest,
        content,
        latents.timesteps,
        latents.noise,
    )
    metadata = {DETAILS_KEY: msgspec.json.encode(details).decode()}
    if request is not None:
        record = PictureRecord(version=__version__, seed=latents.seed, request=request.for_metadata())
        metadata[METADATA_KEY] = encode_record(record)
    return metadata


def _details(metadata: Mapping[str, str], record: PictureRecord) -> _LatentDetails:
    """Return the file's details of the latents; for older files without details, those of its record."""
    if DETAILS_KEY in metadata:
        return msgspec.json.decode(metadata[DETAILS_KEY], type=_LatentDetails)
    sampling = record.request.sampling
    return _LatentDetails(
        record.seed, sampling.steps, sampling.scheduler, timesteps=sampling.timesteps, noise=sampling.noise
    )


def _content_hash(final: Floats, predictions: Floats | None) -> str:
    whole = hashlib.sha256(final.astype("<f4").tobytes())
    if predictions is not None:
        whole.update(predictions.astype("<f4").tobytes())
    return whole.hexdigest()


def _saved_latents(final: Floats, predictions: Floats | None, details: _LatentDetails) -> SavedLatents:
    """Raises ValueError for values that no run can have written, and if the content hash does not match."""
    shapes = [final.shape, final.shape if predictions is None else predictions.shape[1:]]
    if shapes[0] != shapes[1] or not 0 < final.shape[0] <= _MAX_CHANNELS or not 0 < max(final.shape[1:]) <= MAX_SIDE:
        raise ValueError("the latents have an impossible shape")
    if not 0 <= details.seed <= MAX_SEED or not 1 <= details.steps <= MAX_STEPS:
        raise ValueError("the latents say an impossible seed or number of steps")
    if details.content not in ("", _content_hash(final, predictions)):
        raise ValueError("the latents are damaged")
    return SavedLatents(
        final=final,
        predictions=predictions,
        seed=details.seed,
        steps=details.steps,
        scheduler=details.scheduler,
        timesteps=details.timesteps,
        noise=details.noise,
        digest=details.digest,
    )


def _as_float32(values: object, dimensions: int) -> Floats:
    array = np.asarray(values, dtype=np.float32)
    if array.ndim != dimensions or not array.size:
        raise ValueError("not latents")
    return array


def _check_finite(values: Floats) -> Floats:
    if not np.isfinite(values).all():
        raise ValueError("not latents")
    return values
