"""Reads the header of an untrusted .safetensors file: names, shapes, dtypes and offsets of its tensors.

The format (https://huggingface.co/docs/safetensors): eight bytes of length, little-endian; that many bytes of JSON; the
tensors' bytes without gaps. Names are only ever compared and looked up, never used as paths.
"""

from __future__ import annotations

import io
import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.formats.format_errors import DamagedFileError

HEADER_LIMIT = 16 * 2**20
"""Bytes. SDXL's header has 0.3 MB, that of a LoRA with all its training tags some MB; the format allows 100 MB."""
_TENSOR_LIMIT = 200_000
_DIMENSION_LIMIT = 8
_DIMENSION_SIZE_LIMIT = 2**40
_EMPTY_TENSOR_LIMIT = 2**24
"""Limit for the product of a tensor's other dimensions if one is 0: its size of 0 bytes does not bound them."""
_NAME_LIMIT = 1024
_MAX_SHOWN_LENGTH = 60
_METADATA_KEY = "__metadata__"

DTYPE_BYTES = {
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
"""Bytes per element by the format's dtype name."""
FLOAT_DTYPES = frozenset({"F8_E5M2", "F8_E4M3", "F16", "BF16", "F32", "F64"})
"""The floating-point dtypes."""

Shape = tuple[int, ...]


def without_unit_kernel(shape: Shape) -> Shape:
    """Return [out, in] for a 1×1 convolution, which equals a linear layer; other shapes unchanged."""
    return shape[:2] if shape[2:] == (1, 1) else shape


class HeaderError(ValueError):
    """The header is invalid; `why` is a sentence for the user. `missing` if the file does not exist."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.why, self.missing = why, missing


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's header entry: `begin` and `end` are offsets in bytes from the start of the file."""

    dtype: str
    shape: Shape
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors by name, at least one, which fill the file without gaps; and the text metadata."""

    tensors: Mapping[str, TensorInfo]
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor and its file: `begin` and `end` are offsets in bytes from the start of the file."""

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


class _HeaderEntry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def read_header(file: Path, limit: int = HEADER_LIMIT) -> Header:
    """Read the header of at most `limit` bytes of the regular file `file`, and nothing else. Raises HeaderError."""
    try:
        with open_regular(file) as stream:
            return _read(stream, os.fstat(stream.fileno()).st_size, limit)
    except OSError as problem:
        missing = isinstance(problem, FileNotFoundError)
        raise HeaderError(f"{problem.strerror or problem}.", missing=missing) from problem


def read_tensors(file: Path) -> Mapping[str, Tensor]:
    """Return the tensors of `file` by name, from its header only; raises DamagedFileError, which names the file."""
    return {
        name: Tensor(file, place.dtype, place.shape, place.begin, place.end)
        for name, place in _whole(file).tensors.items()
    }


def read_metadata(file: Path) -> Mapping[str, str]:
    """Return the text metadata of `file`; raises DamagedFileError, which names the file."""
    return _whole(file).metadata


def _whole(file: Path) -> Header:
    try:
        return read_header(file)
    except HeaderError as problem:
        raise DamagedFileError(
            f"{file.name} is not a whole .safetensors file.", why=problem.why, next_step="Download or copy it again."
        ) from problem


def parse_header(content: bytes, limit: int = HEADER_LIMIT) -> Header:
    """Parse the header of at most `limit` bytes of a file with this `content`. Raises HeaderError."""
    return _read(io.BytesIO(content), len(content), limit)


def _read(stream: BinaryIO, size: int, limit: int) -> Header:
    start = stream.read(8)
    if len(start) < 8:
        raise HeaderError("It is too short to hold anything.")
    (length,) = struct.unpack("<Q", start)
    if length > size - 8:
        raise HeaderError(f"Its header is said to have {length:,} bytes, and the file has {size:,}.")
    if length > limit:
        raise HeaderError(f"Its header is said to have {length:,} bytes; at most {limit:,} make sense.")
    entries, metadata = _decode_header(stream.read(length))
    tensors = {name: _tensor_info(name, entry, base=8 + length, size=size) for name, entry in entries.items()}
    _check_layout(tensors, first=8 + length, size=size)
    return Header(tensors, metadata)


def _decode_header(header: bytes) -> tuple[dict[str, _HeaderEntry], dict[str, str]]:
    try:
        raw = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        metadata = msgspec.json.decode(raw.pop(_METADATA_KEY, msgspec.Raw(b"null")), type=dict[str, str] | None)
        if len(raw) > _TENSOR_LIMIT:
            raise HeaderError(f"It claims to hold {len(raw):,} tensors.")
        return {name: msgspec.json.decode(entry, type=_HeaderEntry) for name, entry in raw.items()}, metadata or {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as problem:
        raise HeaderError("Its header is not a list of tensors.") from problem


def _tensor_info(name: str, entry: _HeaderEntry, *, base: int, size: int) -> TensorInfo:
    shown = f"{name[:_MAX_SHOWN_LENGTH]!r}"
    if not name or len(name) > _NAME_LIMIT:
        raise HeaderError(f"The name {shown} is not a valid tensor name.")
    if entry.dtype not in DTYPE_BYTES:
        raise HeaderError(f"The tensor {shown} has numbers of an unknown type, {entry.dtype[:20]!r}.")
    if len(entry.shape) > _DIMENSION_LIMIT or any(not 0 <= side <= _DIMENSION_SIZE_LIMIT for side in entry.shape):
        raise HeaderError(f"The tensor {shown} has an impossible shape.")
    begin, end = entry.data_offsets
    if not 0 <= begin <= end <= size - base:
        raise HeaderError(f"The tensor {shown} lies outside the file, which may have been cut short.")
    if end - begin != math.prod(entry.shape) * DTYPE_BYTES[entry.dtype]:
        raise HeaderError(f"The tensor {shown} has a shape that does not fit its bytes.")
    if not all(entry.shape) and math.prod(side or 1 for side in entry.shape) > _EMPTY_TENSOR_LIMIT:
        raise HeaderError(f"The tensor {shown} has an impossible shape.")
    return TensorInfo(entry.dtype, tuple(entry.shape), base + begin, base + end)


def _check_layout(tensors: Mapping[str, TensorInfo], *, first: int, size: int) -> None:
    """Check that no two tensors share bytes and that every byte belongs to one, as the format requires."""
    if not tensors:
        raise HeaderError("It holds no tensors.")
    expected = first
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if tensor.begin != expected:
            how = "overlaps another" if tensor.begin < expected else "leaves a gap before it"
            raise HeaderError(f"The tensor {name[:_MAX_SHOWN_LENGTH]!r} {how}.")
        expected = tensor.end
    if expected != size:
        raise HeaderError(f"{size - expected:,} bytes at its end belong to no tensor.")
