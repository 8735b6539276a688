"""The tensors of a .safetensors file by name, with the file they lie in; what is wrong with it is said by its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.formats.safetensors_header import BYTES, Header, HeaderError, Shape, read_header
from sdxl_desktop.library.detect.errors import DamagedFileError

__all__ = ["BYTES", "Shape", "Tensor", "read_head", "read_metadata"]


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


def read_head(file: Path) -> Mapping[str, Tensor]:
    """The tensors of `file` by name; raises DamagedFileError with what is wrong. Reads the header only."""
    return {
        name: Tensor(file, place.dtype, place.shape, place.begin, place.end)
        for name, place in _header(file).tensors.items()
    }


def read_metadata(file: Path) -> Mapping[str, str]:
    """The texts that go with the tensors of `file`; raises DamagedFileError with what is wrong."""
    return _header(file).metadata


def _header(file: Path) -> Header:
    try:
        return read_header(file)
    except HeaderError as problem:
        raise DamagedFileError(
            f"{file.name} is not a whole .safetensors file.", why=problem.why, next_step="Download or copy it again."
        ) from problem
