"""The key that decides whether a part must be recompiled, and the compile times of earlier keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.file_hashes import CancelCheck, FileHashCache
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import GRAPH, WEIGHTS, Part
from sdxl_desktop.core.request import Precision
from sdxl_desktop.core.state_file import read_state, update_state

DYNAMIC = "dynamic"
"""The shape of a part that accepts any picture size."""
FIXED = "fixed"
"""The shape of a part that must be compiled for each size, while the size is not known yet."""
UNET_SHALLOW = "unet_shallow"
"""Component name of a UNet's shallow graph."""

_SecondsByKey = dict[str, float]
_FILES = (GRAPH, WEIGHTS)
_IN_MEMORY_HASHES = FileHashCache()
"""For callers without a cache on disk."""


@cache
def shared_file_hashes(cache_folder: Path) -> FileHashCache:
    """Return the file hashes stored in `cache_folder`; the same object for every caller."""
    return FileHashCache(cache_folder / "hashes.json")


def content_id(part: Path, hashes: FileHashCache = _IN_MEMORY_HASHES, check: CancelCheck = lambda: None) -> str:
    """Return a content hash of the graph and the weights in folder `part`.

    The first call reads both files; `hashes` caches the result. `check` may raise to stop reading. Raises OSError.
    """
    return _combine_hashes(hashes.get(part / name, check) for name in _FILES)


def cached_content_id(part: Path, hashes: FileHashCache) -> str | None:
    """Like `content_id`, but from the cache only; None if the weights would have to be read. Raises OSError."""
    weights = hashes.get_cached(part / _FILES[1])
    return None if weights is None else _combine_hashes((hashes.get(part / _FILES[0]), weights))


def _combine_hashes(contents: Iterable[str]) -> str:
    return hashlib.sha256(";".join(contents).encode()).hexdigest()[:32]


def fixed_shape_name(size: Size, chunks: int = 1) -> str:
    """Return the shape name of a part for pictures of `size` only and prompts of `chunks` chunks of 77 tokens."""
    return f"{size}" if chunks == 1 else f"{size}, {chunks} chunks"


def image_size_of_shape(shape: str) -> Size | None:
    """Return the picture size of a shape name; None if it is not fixed."""
    match = re.match(r"(\d+)x(\d+)", shape)
    return None if match is None else Size(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class CompileKey:
    """Equal keys share one compilation.

    `content_id` is that of the component's own files, so parts that checkpoints share are compiled once; `shape` is
    "dynamic" or the fixed shape (`fixed_shape_name`); `precision` and `threads` are as in `Execution`.
    """

    content_id: str
    component: str
    device: str
    shape: str = DYNAMIC
    precision: Precision = "auto"
    threads: int = 0

    @property
    def part(self) -> str:
        """The checkpoint part that has the weights: both graphs of a split UNet use the UNet's."""
        return Part.UNET if self.component == UNET_SHALLOW else self.component

    @property
    def weights_content_id(self) -> str:
        """The content id of the part on disk: `content_id` without changes made in memory."""
        return self.content_id.split("-")[0]

    def __str__(self) -> str:
        return "/".join((self.content_id, self.component, self.device, self.shape, self.precision, str(self.threads)))


@dataclass(frozen=True, slots=True)
class CompileTimes:
    """Stores in one small file how many seconds each key last took, from scratch and from the cache."""

    file: Path

    def expected_seconds(self, key: CompileKey) -> float | None:
        """Return the expected compile time of `key` in seconds, or None if it was never compiled."""
        return self._read().get(str(key))

    def total_seconds(self, keys: Iterable[CompileKey]) -> float | None:
        """Return the expected seconds for all `keys`, or None if one of them is unknown."""
        known = self._read()
        seconds = [known.get(str(key)) for key in keys]
        return None if None in seconds else sum(value for value in seconds if value is not None)

    def record(self, key: CompileKey, seconds: float) -> None:
        """Store the seconds of `key`; if the file cannot be written, only the estimate is lost."""
        with suppress(SettingsError):
            update_state(
                self.file,
                _SecondsByKey,
                {},
                lambda known: {**known, str(key): round(seconds, 3)},
                "How long compiling took could not be noted.",
            )

    def _read(self) -> dict[str, float]:
        return read_state(self.file, _SecondsByKey, {})
