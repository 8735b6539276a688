"""Detect whether a file of weights is a LoRA, an embedding or a VAE, from its header or else its file extension."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.additions import MAX_EMBEDDING_BYTES, MAX_EMBEDDING_VECTORS
from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.formats.lora_keys import is_lora
from sdxl_desktop.formats.safetensors_header import FLOAT_DTYPES, Header, HeaderError, read_header
from sdxl_desktop.formats.vae_key_mapping import is_vae_file
from sdxl_desktop.formats.weight_variants import PICKLED_EMBEDDING_ENDINGS
from sdxl_desktop.library.detect.sampling_metadata import FewStepSettings, detect_few_step
from sdxl_desktop.library.embedding_vectors import vector_count

_MAX_EMBEDDING_TENSORS = 4
"""Tensors in an embedding: one for each text encoder, and possibly some that a trainer added."""


class AdditionKind(StrEnum):
    LORA = "LoRA"
    EMBEDDING = "embedding"
    VAE = "VAE"


def detect_addition_kind(file: Path) -> AdditionKind:
    """Return the kind of `file`. No code in it is executed.

    Raises AdditionError if the file is none of these kinds or cannot be read.
    """
    if file.suffix.lower() in PICKLED_EMBEDDING_ENDINGS:
        return _detect_pickled_kind(file)
    try:
        header = read_header(file)
    except HeaderError as problem:
        if problem.missing:
            raise _unreadable_error(file, problem.why) from problem
        raise _unknown_addition_error(file, f"It is not a whole .safetensors file. {problem.why}") from problem
    if is_lora(header.tensors):
        return AdditionKind.LORA
    if is_vae_file(header.tensors):
        return AdditionKind.VAE
    if why := why_not_embedding(header):
        raise _unknown_addition_error(file, why)
    return AdditionKind.EMBEDDING


def read_few_step_lora(file: Path) -> FewStepSettings | None:
    """Return the recommended settings if the LoRA's name or metadata says that it is distilled to few steps, else None
    (also if it cannot be read)."""
    try:
        return detect_few_step(file.stem, read_header(file).metadata)
    except HeaderError:
        return None


def _detect_pickled_kind(file: Path) -> AdditionKind:
    try:
        with open_regular(file) as stream:
            size = os.fstat(stream.fileno()).st_size
    except OSError as problem:
        raise _unreadable_error(file, f"{problem.strerror or problem}.") from problem
    if size <= MAX_EMBEDDING_BYTES:
        return AdditionKind.EMBEDDING
    raise _unknown_addition_error(file, "It is too large for an embedding, and LoRAs are read from .safetensors only.")


def why_not_embedding(header: Header) -> str:
    """Return the reason why these tensors cannot be an embedding; "" if they can."""
    if len(header.tensors) > _MAX_EMBEDDING_TENSORS or any(
        len(place.shape) not in (1, 2) for place in header.tensors.values()
    ):
        return "It looks like a whole checkpoint or a part of one."
    for name, place in header.tensors.items():
        found = f"Its tensor {name[:60]!r} has the shape {list(place.shape)}"
        if 0 in place.shape:
            return f"{found}, so that nothing is in it."
        if not vector_count(place.shape):
            return f"{found}; an embedding has at most {MAX_EMBEDDING_VECTORS} vectors."
        if place.dtype not in FLOAT_DTYPES:
            return f"Its tensor {name[:60]!r} holds numbers of the type {place.dtype}, which embeddings do not."
    return ""


def _unreadable_error(file: Path, why: str) -> AdditionError:
    return AdditionError(f"{file.name} cannot be read.", why=why, next_step="Check the file.")


def _unknown_addition_error(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"{file.name} is neither a LoRA nor an embedding.",
        why=why,
        next_step="Drop a LoRA or a textual inversion for SDXL here.",
    )
