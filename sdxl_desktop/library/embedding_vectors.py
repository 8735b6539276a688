"""Count the tokens that an embedding uses in each text encoder, from its file's header alone."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

from sdxl_desktop.core.additions import FIRST_ENCODER_KEYS, MAX_EMBEDDING_VECTORS, SECOND_ENCODER_KEYS
from sdxl_desktop.core.file_hashes import FileState, file_state
from sdxl_desktop.formats.safetensors_header import HeaderError, Shape, read_header
from sdxl_desktop.formats.weight_variants import SAFETENSORS

HEADER_LIMIT = 2**20
"""Bytes; an embedding's header has a few hundred."""
_UNKNOWN = 1, 1


def embedding_vector_counts(file: Path) -> tuple[int, int]:
    """Return the number of vectors for the first and second text encoder; (1, 1) if that is known only after loading
    the file, or if it is not a usable embedding."""
    try:
        return _read_vector_counts(file, file_state(file))
    except (OSError, ValueError):  # ValueError: a NUL in the name
        return _UNKNOWN


@lru_cache(maxsize=256)
def _read_vector_counts(file: Path, _as_of: FileState) -> tuple[int, int]:
    if file.suffix.lower() != SAFETENSORS:
        return _UNKNOWN
    try:
        tensors = read_header(file, HEADER_LIMIT).tensors
    except HeaderError:
        return _UNKNOWN
    counts = {name: vector_count(place.shape) for name, place in tensors.items()}
    if not all(counts.values()):
        return _UNKNOWN
    first = next((counts[name] for name in FIRST_ENCODER_KEYS if name in counts), None)
    second = next((counts[name] for name in SECOND_ENCODER_KEYS if name in counts), None)
    if first is None and second is None:
        only = max(counts.values())
        return only, only
    return first or 1, second or 1


def vector_count(shape: Shape) -> int:
    """Return how many vectors a tensor of this shape holds: [vectors, width] or one flat vector; 0 if it cannot be an
    embedding."""
    if len(shape) not in (1, 2) or not math.prod(shape):
        return 0
    vectors = shape[0] if len(shape) == 2 else 1
    return vectors if vectors <= MAX_EMBEDDING_VECTORS else 0
