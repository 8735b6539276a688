"""Room for large arrays outside memory: a mapped file, whose pages the system may write out whenever it likes.

What is put there counts as file cache and not as the process's own memory, which is how a UNet of 2.6 billion
weights is quantized in a few hundred megabytes.
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
    """Hands out arrays in one file of `size` bytes, which is removed when the spool is closed."""

    def __init__(self, file: Path, size: int) -> None:
        """Raises OSError when the disk is too full: the room is taken now, since a mapped file that cannot grow later
        would end the process."""
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
        """An array of zeros, `dtype` [*shape]; raises ValueError when the room is used up."""
        kind = np.dtype(dtype)
        count = int(np.prod(shape, dtype=np.int64))
        array = np.frombuffer(self._map, kind, count, self._used_bytes).reshape(shape)
        self._used_bytes = -(-(self._used_bytes + count * kind.itemsize) // _ALIGNMENT) * _ALIGNMENT
        return array

    @staticmethod
    def required_bytes(array_count: int, size: int) -> int:
        """Bytes needed for that many arrays of `size` bytes together."""
        return size + array_count * _ALIGNMENT

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Removes the file. Arrays still in use keep their pages until they go."""
        with contextlib.suppress(BufferError):  # an array still looks at it
            self._map.close()
        with contextlib.suppress(OSError):  # Windows keeps it while it is mapped; the workspace is swept later
            self._file.unlink(missing_ok=True)
