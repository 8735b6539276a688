"""Says how many tokens an embedding stands for in each text encoder, from its file's head alone."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from safetensors import SafetensorError, safe_open

from sdxl_desktop.core.file_hashes import State, state_of

_FIRST = ("clip_l", "text_encoders_0")
_SECOND = ("clip_g", "text_encoders_1")


def vectors_of(file: Path) -> tuple[int, int]:
    """Vectors for the first and the second text encoder; (1, 1) where only loading the file would tell."""
    try:
        return _read(file, state_of(file))
    except OSError:
        return 1, 1


@lru_cache(maxsize=256)
def _read(file: Path, _as_of: State) -> tuple[int, int]:
    if file.suffix.lower() != ".safetensors":
        return 1, 1
    try:
        with safe_open(file, framework="numpy") as content:  # type: ignore[no-untyped-call]
            counts = {name: _rows(content.get_slice(name).get_shape()) for name in list(content.keys())[:8]}
    except (OSError, SafetensorError):
        return 1, 1
    first = next((counts[name] for name in _FIRST if name in counts), None)
    second = next((counts[name] for name in _SECOND if name in counts), None)
    if first is None and second is None:
        only = max(counts.values(), default=1)
        return only, only
    return first or 1, second or 1


def _rows(shape: list[int]) -> int:
    """A single vector may be stored flat."""
    return shape[0] if len(shape) == 2 else 1
