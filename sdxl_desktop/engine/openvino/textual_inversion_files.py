"""Reads textual inversion files without executing any of their content."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load

from sdxl_desktop.core.additions import (
    FIRST_ENCODER_KEYS,
    MAX_EMBEDDING_BYTES,
    MAX_EMBEDDING_VECTORS,
    SECOND_ENCODER_KEYS,
)
from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.formats.safetensors_header import HeaderError, parse_header
from sdxl_desktop.formats.weight_variants import EMBEDDING_ENDINGS, SAFETENSORS
from sdxl_desktop.imaging.picture_formats import listed

_MAX_NAME_LENGTH = 100
_PLACEHOLDER_NAMES = ("emb_params", "*")
_MAX_WIDTH = 2**14
"""Maximum vector width; SDXL's are 768 and 1280."""


@dataclass(frozen=True, slots=True)
class EmbeddingVectors:
    """Vectors float32 [k, D] by encoder, or `unassigned` if the file does not name one; `token` is "" unless the file
    has one."""

    token: str = ""
    first: npt.NDArray[np.float32] | None = None
    second: npt.NDArray[np.float32] | None = None
    unassigned: npt.NDArray[np.float32] | None = None


def read_embedding_vectors(file: Path) -> EmbeddingVectors:
    """Read `{clip_l, clip_g}` (kohya, ComfyUI), diffusers' `{<token>: tensor}` for one encoder, or the
    `string_to_param` of AUTOMATIC1111's web UI. Raises AdditionError for everything else."""
    content = _load(file)
    if isinstance(content, torch.Tensor):
        return EmbeddingVectors(unassigned=_vectors(file, content))
    if not isinstance(content, Mapping):
        raise _not_an_embedding_error(file, f"It holds a {type(content).__name__}.")
    if isinstance(content.get("string_to_param"), Mapping | torch.nn.ParameterDict):
        content = dict(content["string_to_param"].items())
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    first = next((tensors[name] for name in FIRST_ENCODER_KEYS if name in tensors), None)
    second = next((tensors[name] for name in SECOND_ENCODER_KEYS if name in tensors), None)
    if first is not None or second is not None:
        return EmbeddingVectors(
            first=None if first is None else _vectors(file, first),
            second=None if second is None else _vectors(file, second),
        )
    if len(tensors) != 1:
        names = ", ".join(name[:_MAX_NAME_LENGTH] for name in list(tensors)[:3])
        held = f"{len(tensors)} tensors ({names}{', …' if len(tensors) > 3 else ''})" if tensors else "no tensors"
        raise _not_an_embedding_error(file, f"It holds {held}; an embedding has one, or one for each text encoder.")
    ((name, tensor),) = tensors.items()
    return EmbeddingVectors(token="" if name in _PLACEHOLDER_NAMES else name, unassigned=_vectors(file, tensor))


def _load(file: Path) -> Any:
    """Return the file's content, including tensors. No more is read than the maximum size of an embedding."""
    try:
        content = _content(file)
        if file.suffix.lower() == SAFETENSORS:
            parse_header(content)
            return load(content)
        return _unpickle_weights(content)
    except UnpicklingError as problem:
        raise AdditionError(
            f"The embedding {file.name} was not opened.",
            why="It is damaged, or holds more than numbers, which could run a program on this computer.",
            next_step="Look for a .safetensors file of the same embedding.",
        ) from problem
    except AdditionError:
        raise
    except HeaderError as problem:
        raise _unreadable_error(file, problem.why) from problem
    except OSError as problem:
        raise _unreadable_error(file, problem.strerror or str(problem)) from problem
    except Exception as problem:  # for damaged pickles torch raises almost any exception
        raise _unreadable_error(file, str(problem) or type(problem).__name__) from problem


def _content(file: Path) -> bytes:
    if file.suffix.lower() not in EMBEDDING_ENDINGS:
        raise _not_an_embedding_error(file, f"Embeddings are {listed(EMBEDDING_ENDINGS)} files.")
    with open_regular(file) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > MAX_EMBEDDING_BYTES:
            raise _not_an_embedding_error(file, f"It has {size >> 20} MB; embeddings are far smaller.")
        return stream.read(MAX_EMBEDDING_BYTES)  # bounded, in case the file is growing


def _unpickle_weights(content: bytes) -> Any:
    """Unpickle with torch's weights-only loader: a pickle that names any other function or class is refused."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_EMBEDDING_BYTES:
                raise UnpicklingError("it unpacks to far more than it has")
    with torch.serialization.safe_globals([torch.nn.ParameterDict]):
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _vectors(file: Path, tensor: torch.Tensor) -> npt.NDArray[np.float32]:
    """Convert a tensor [k, D] or [D] to float32 [k, D]. The size is checked first: a tensor may repeat one number any
    number of times, which takes no memory until it is copied."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_meta:
        raise _not_an_embedding_error(file, "Its numbers are not stored one by one.")
    if not tensor.is_floating_point() or tensor.ndim not in (1, 2) or tensor.numel() == 0:
        raise _not_an_embedding_error(file, f"It holds {tensor.dtype} numbers of shape {list(tensor.shape)}.")
    vectors, width = (1, *tensor.shape)[-2:]
    if vectors > MAX_EMBEDDING_VECTORS or width > _MAX_WIDTH:
        raise _not_an_embedding_error(
            file, f"It has {vectors:,} vectors of {width:,} numbers, more than an embedding can have."
        )
    values: npt.NDArray[np.float32] = tensor.detach().to(torch.float32).numpy().reshape(-1, width)
    if not np.isfinite(values).all():
        raise _not_an_embedding_error(file, "Some of its numbers are infinite or not numbers.")
    return values


def _unreadable_error(file: Path, why: str) -> AdditionError:
    first = (why.strip().splitlines() or ["It is damaged"])[0][:_MAX_NAME_LENGTH]
    return AdditionError(
        f"The embedding {file.name} cannot be read.",
        why=f"{first.rstrip('.')}.",
        next_step="Download or copy the file again.",
    )


def _not_an_embedding_error(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"{file.name} is not a textual-inversion embedding.",
        why=why,
        next_step="Choose an embedding made for SDXL; LoRAs are added as LoRAs.",
    )
