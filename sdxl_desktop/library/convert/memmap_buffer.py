"""A buffer for large arrays outside process memory: a memory-mapped file, whose pages the system can write out at any
time.

Its contents count as file cache, not as the process's own memory; so a UNet of 2.6 billion weights is quantized in a
few hundred megabytes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

_ALIGNMENT = 64


class MemmapBuffer:
    """Allocates arrays in one file of `size` bytes, which is removed when the buffer is closed."""

    def __init__(self, file: Path, size: int) -> None:
        """Raises OSError if the disk is too full: the space is allocated now, since a mapped file that cannot grow
        later would crash the process."""
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w+b") as stream:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(stream.fileno(), 0, max(1, size))
            else:
                stream.truncate(max(1, size))
            self._map = mmap.mmap(stream.fileno(), max(1, size))
        self._used_bytes = 0

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """Return a zeroed array, `dtype` [*shape]; raises ValueError if the buffer is full."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(self._map, kind, count, self._used_bytes).reshape(shape)
        self._used_bytes = -(-(self._used_bytes + count * kind.itemsize) // _ALIGNMENT) * _ALIGNMENT
        return array

    @staticmethod
    def required_bytes(array_count: int, size: int) -> int:
        """Return the bytes needed for that many arrays of `size` bytes in total."""
        return size + array_count * _ALIGNMENT

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the file. Arrays still in use keep their pages until they are freed."""
        with contextlib.suppress(BufferError):  # an array still refers to it
            self._map.close()
        with contextlib.suppress(OSError):  # Windows keeps it while it is mapped; it is deleted with the build folder
            self._file.unlink(missing_ok=True)
