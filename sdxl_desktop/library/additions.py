"""Says what a dropped file of weights is, from its head alone: a LoRA, an embedding, or something else by name."""

from __future__ import annotations

import json
import struct
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.errors import AdditionError

_HEAD_LIMIT = 100 * 2**20  # what the safetensors format allows
_EMBEDDING_LIMIT = 32 * 2**20
LORA_MARKS = ("lora_", "_lora", ".lora", "lora.", "hada_", "lokr_", "oft_", "dora_scale")


class AdditionKind(StrEnum):
    LORA = "LoRA"
    EMBEDDING = "embedding"


def kind_of(file: Path) -> AdditionKind:
    """Raises AdditionError when the file is neither, or cannot be read. Nothing in it is run."""
    try:
        if file.suffix.lower() in (".pt", ".bin"):
            if file.stat().st_size <= _EMBEDDING_LIMIT:
                return AdditionKind.EMBEDDING
            raise _neither(file, "It is too large for an embedding, and LoRAs are read from .safetensors only.")
        shapes = _shapes(file)
    except OSError as problem:
        raise AdditionError(f"{file.name} cannot be read.", why=f"{problem.strerror or problem}.") from problem
    except (ValueError, KeyError, struct.error) as problem:
        raise _neither(file, "It is not a whole .safetensors file.") from problem
    if any(mark in name for name in shapes for mark in LORA_MARKS):
        return AdditionKind.LORA
    if shapes and len(shapes) <= 4 and all(len(shape) in (1, 2) for shape in shapes.values()):
        return AdditionKind.EMBEDDING
    raise _neither(file, "It looks like a whole checkpoint or a part of one.")


def _shapes(file: Path) -> dict[str, list[int]]:
    """The tensors' names and shapes (https://huggingface.co/docs/safetensors: 8 bytes of length, then JSON)."""
    with file.open("rb") as stream:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > min(_HEAD_LIMIT, file.stat().st_size):
            raise ValueError("no head")
        head = json.loads(stream.read(length))
    return {name: list(about["shape"]) for name, about in head.items() if name != "__metadata__"}


def _neither(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"{file.name} is neither a LoRA nor an embedding.",
        why=why,
        next_step="Drop a LoRA or a textual inversion for SDXL here.",
    )
