"""Reads the head of a .safetensors file, trusting nothing in it: names, shapes, types and places of its tensors.

The format (https://huggingface.co/docs/safetensors): eight bytes of length, little-endian; that many bytes of JSON; the
tensors' bytes without gaps. Names are only ever compared and looked up, never used as paths.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sdxl_desktop.library.detect.errors import DamagedFileError

HEAD_LIMIT = 32 * 2**20
"""Bytes. SDXL's own head is 0.3 MB; the format would allow 100."""
_TENSOR_LIMIT = 200_000
_DIMENSION_LIMIT = 8
_NAME_LIMIT = 1024

BYTES = {
    "BOOL": 1,
    "U8": 1,
    "I8": 1,
    "F8_E5M2": 1,
    "F8_E4M3": 1,
    "I16": 2,
    "U16": 2,
    "F16": 2,
    "BF16": 2,
    "I32": 4,
    "U32": 4,
    "F32": 4,
    "I64": 8,
    "U64": 8,
    "F64": 8,
}
"""Bytes of one element by the format's name of its type."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor in a file: `begin` and `end` are offsets in bytes from the start of the file."""

    file: Path
    dtype: str
    shape: Shape
    begin: int
    end: int

    @property
    def bytes(self) -> int:
        return self.end - self.begin

    @property
    def elements(self) -> int:
        return math.prod(self.shape)


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_head(file: Path) -> Mapping[str, Tensor]:
    """The tensors of `file` by name; raises DamagedFileError with what is wrong. Reads the head only."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            start = stream.read(8)
            if len(start) < 8:
                raise _damaged(file, "It is too short to hold anything.")
            (length,) = struct.unpack("<Q", start)
            if length > size - 8:
                raise _damaged(file, f"Its head is said to have {length:,} bytes, and the file has {size:,}.")
            if length > HEAD_LIMIT:
                raise _damaged(file, f"Its head is said to have {length:,} bytes, more than any checkpoint's.")
            head = stream.read(length)
    except OSError as problem:
        raise _damaged(file, f"{problem.strerror or problem}.") from problem
    tensors = {
        name: _tensor(file, name, entry, base=8 + length, size=size) for name, entry in _entries(file, head).items()
    }
    _check_layout(file, tensors, first=8 + length, size=size)
    return tensors


def _entries(file: Path, head: bytes) -> dict[str, _Entry]:
    try:
        raw = msgspec.json.decode(head, type=dict[str, msgspec.Raw])
        raw.pop("__metadata__", None)
        if len(raw) > _TENSOR_LIMIT:
            raise _damaged(file, f"It claims to hold {len(raw):,} tensors.")
        return {name: msgspec.json.decode(entry, type=_Entry) for name, entry in raw.items()}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise _damaged(file, "Its head is not a list of tensors.") from problem


def _tensor(file: Path, name: str, entry: _Entry, *, base: int, size: int) -> Tensor:
    said = f"{name[:60]!r}"
    if not name or len(name) > _NAME_LIMIT:
        raise _damaged(file, f"The name {said} is no name of a tensor.")
    if entry.dtype not in BYTES:
        raise _damaged(file, f"The tensor {said} has numbers of an unknown type, {entry.dtype[:20]!r}.")
    if len(entry.shape) > _DIMENSION_LIMIT or any(not 0 <= side <= 2**40 for side in entry.shape):
        raise _damaged(file, f"The tensor {said} has an impossible shape.")
    begin, end = entry.data_offsets
    if not 0 <= begin <= end <= size - base:
        raise _damaged(file, f"The tensor {said} lies outside the file, which may have been cut short.")
    if end - begin != math.prod(entry.shape) * BYTES[entry.dtype]:
        raise _damaged(file, f"The tensor {said} has a shape that does not fit its bytes.")
    return Tensor(file, entry.dtype, tuple(entry.shape), base + begin, base + end)


def _check_layout(file: Path, tensors: Mapping[str, Tensor], *, first: int, size: int) -> None:
    """No two tensors may share bytes, and every byte must belong to one: so the format wants it."""
    if not tensors:
        raise _damaged(file, "It holds no tensors.")
    expected = first
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != expected:
            how = "overlaps another" if tensor.begin < expected else "leaves a gap before it"
            raise _damaged(file, f"The tensor {name[:60]!r} {how}.")
        expected = tensor.end
    if expected != size:
        raise _damaged(file, f"{size - expected:,} bytes at its end belong to no tensor.")


def _damaged(file: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{file.name} is not a whole .safetensors file.", why=why, next_step="Download or copy it again."
    )
