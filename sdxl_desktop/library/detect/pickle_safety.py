"""Inspect a .ckpt without executing it: its archive must be uncompressed, its pickle may create only tensors, and no
tensor may be larger than its data in the file.

This module decides, without torch, whether the file may be read; torch's weights-only loader then reads it in the
conversion process.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.format_errors import DamagedFileError

_PICKLE_LIMIT = 4 * 2**20
"""Bytes of the pickle alone; SDXL's has half a megabyte."""
_MEMBER_LIMIT = 20_000
_MEMO_LIMIT = 1_000_000
"""Maximum memo index in a pickle; Python would allocate as many entries as it names."""
_DIMENSION_LIMIT = 8
MAX_TENSOR_OVERLAP = 2
"""How many times the tensors may use the bytes of the file: some share data, such as tied weights."""

_STORAGE_ELEMENT_BYTES = {
    **dict.fromkeys(("Half", "BFloat16"), 2),
    **dict.fromkeys(("Float", "Int"), 4),
    **dict.fromkeys(("Double", "Long"), 8),
    **dict.fromkeys(("Byte", "Bool"), 1),
}
"""Bytes per element by the name of torch's storage class."""


class _ForbiddenGlobal(Exception):
    """The pickle names a global that is not needed to create tensors."""


class _TensorOutOfBounds(Exception):
    """A tensor refers to elements beyond its storage."""


@dataclass(frozen=True, slots=True)
class _ElementType:
    bytes: int


@dataclass(frozen=True, slots=True)
class _Storage:
    """`elements` of `size` bytes each, in the archive's member `key`."""

    key: str
    size: int
    elements: int


@dataclass(frozen=True, slots=True)
class _TensorView:
    """A tensor: `elements` of `storage`."""

    storage: _Storage
    elements: int

    @property
    def bytes(self) -> int:
        return self.elements * self.storage.size


def check_pickle(file: Path) -> None:
    """Raise DamagedFileError unless `file` is a torch archive that contains complete tensors and nothing else."""
    try:
        with zipfile.ZipFile(file) as archive:
            pickled, stored = _read_pickle(file, archive)
    except DamagedFileError:
        raise
    except Exception as problem:  # zipfile raises many types, including MemoryError
        raise _unsafe_error(file, "It is not an archive as torch writes it, or it was cut short.") from problem
    try:
        _check_sizes(file, _tensor_views(pickled), stored)
    except DamagedFileError:
        raise
    except _TensorOutOfBounds as problem:
        raise _unsafe_error(file, "Its tensors have more bytes than the file holds for them.") from problem
    except _ForbiddenGlobal as problem:
        raise _unsafe_error(file, f"It would run code when loaded ({display_text(str(problem), 120)}).") from problem
    except Exception as problem:  # so does unpickling
        raise _unsafe_error(file, "Its list of tensors is damaged.") from problem


def _read_pickle(file: Path, archive: zipfile.ZipFile) -> tuple[bytes, Mapping[str, int]]:
    """Return the archive's only pickle and the bytes of each storage by key, after checking that the archive is safe:
    no compression, no outside paths, no bomb."""
    members = archive.infolist()
    if len(members) > _MEMBER_LIMIT:
        raise _unsafe_error(file, f"It has {len(members):,} members.")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise _unsafe_error(file, "It is packed, which torch's archives never are.")
    if sum(member.file_size for member in members) > file.stat().st_size:
        raise _unsafe_error(file, "It would unpack to more than it is.")
    if any(member.filename.startswith(("/", "\\")) or ".." in Path(member.filename).parts for member in members):
        raise _unsafe_error(file, "It names files outside itself.")
    pickles = [member for member in members if member.filename.endswith(".pkl")]
    if len(pickles) != 1 or Path(pickles[0].filename).name != "data.pkl":
        raise _unsafe_error(file, "It does not hold exactly one list of tensors.")
    if pickles[0].file_size > _PICKLE_LIMIT:
        raise _unsafe_error(file, "Its list of tensors is far too long.")
    data = f"{pickles[0].filename.removesuffix('data.pkl')}data/"
    stored = {
        member.filename.removeprefix(data): member.file_size for member in members if member.filename.startswith(data)
    }
    return archive.read(pickles[0]), stored


def _tensor_views(pickled: bytes) -> list[_TensorView]:
    """Return every tensor that the pickle would create; those in its state_dict once more for each of their names.

    Raises _ForbiddenGlobal for anything else that it would create.
    """
    for operation, argument, _ in pickletools.genops(pickled):  # checks every length in it
        if "PUT" in operation.name and int(argument or 0) > _MEMO_LIMIT:
            raise ValueError("it remembers things in places that are not there")
        if operation.name.startswith("EXT"):
            raise _ForbiddenGlobal(f"extension {argument}")
    reader = _TensorUnpickler(io.BytesIO(pickled))
    content = reader.load()
    tensors = content.get("state_dict", content) if isinstance(content, dict) else {}
    named = tensors.values() if isinstance(tensors, dict) else ()
    return [*reader.views, *(view for view in named if isinstance(view, _TensorView))]


class _TensorUnpickler(pickle.Unpickler):
    """Creates stand-ins for tensors and their storages; rejects every other global."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.views: list[_TensorView] = []

    def find_class(self, module: str, name: str) -> Any:
        match module, name:
            case "collections", "OrderedDict":
                return OrderedDict
            case "torch._utils", "_rebuild_tensor_v2":
                return self._rebuild_tensor
            case "torch._utils", "_rebuild_parameter":
                return _rebuild_parameter
            case "torch", "Size":
                return _rebuild_size
            case "torch", "device":
                return _rebuild_device
            case "torch", _ if name.endswith("Storage") and name.removesuffix("Storage") in _STORAGE_ELEMENT_BYTES:
                return _ElementType(_STORAGE_ELEMENT_BYTES[name.removesuffix("Storage")])
        raise _ForbiddenGlobal(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, element, key, _, elements = pid
        if kind != "storage" or not isinstance(element, _ElementType) or not isinstance(key, str):
            raise ValueError("it stores something that is no numbers")
        return _Storage(key, element.bytes, _checked_size(elements))

    def _rebuild_tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *others: Any) -> _TensorView:
        if not isinstance(storage, _Storage) or len(size) != len(stride) or len(size) > _DIMENSION_LIMIT:
            raise ValueError("a tensor is no view of a storage")
        sides, steps = [_checked_size(side) for side in size], [_checked_size(step) for step in stride]
        view = _TensorView(storage, math.prod(sides))
        last = _checked_size(offset) + sum((side - 1) * step for side, step in zip(sides, steps, strict=True))
        if view.elements > storage.elements or (view.elements and last >= storage.elements):
            raise _TensorOutOfBounds
        self.views.append(view)
        return view


def _rebuild_parameter(view: Any, *others: Any) -> Any:
    return view


def _rebuild_size(*sides: Any) -> tuple[Any, ...]:
    return sides


def _rebuild_device(*names: Any) -> str:
    return "cpu"


def _checked_size(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**48:
        raise ValueError(f"{number!r:.40} is no size")
    return number


def _check_sizes(file: Path, views: list[_TensorView], stored: Mapping[str, int]) -> None:
    for view in views:
        if view.storage.elements * view.storage.size > stored.get(view.storage.key, -1):
            raise _TensorOutOfBounds
    if sum(view.bytes for view in views) > (1 + MAX_TENSOR_OVERLAP) * file.stat().st_size:
        raise _unsafe_error(file, "Its tensors have far more bytes than the file itself.")


def _unsafe_error(file: Path, why: str) -> DamagedFileError:
    return DamagedFileError(
        f"{display_text(file.name, 80)} cannot be read safely.",
        why=why,
        next_step="Look for the same checkpoint as a .safetensors file.",
    )
