"""What decides whether a part must be compiled again, and how long compiling it took before."""

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
"""The shape of a part that takes pictures of every size."""
FIXED = "fixed"
"""The shape of a part that must be compiled for each size, before it is known for which."""
UNET_SHALLOW = "unet_shallow"
"""The component that a UNet's shallow graph is compiled as."""

_SecondsByKey = dict[str, float]
_FILES = (GRAPH, WEIGHTS)
_IN_MEMORY_HASHES = FileHashCache()
"""For who has no memory on a disk."""


@cache
def shared_file_hashes(cache_folder: Path) -> FileHashCache:
    """The hashes of weights that are remembered in the application's folder `cache`; the same for all who ask."""
    return FileHashCache(cache_folder / "hashes.json")


def content_id(part: Path, hashes: FileHashCache = _IN_MEMORY_HASHES, check: CancelCheck = lambda: None) -> str:
    """A name for the content of the part in folder `part`: another for every bit of its graph and its weights.

    The first time all of them are read, which `hashes` remembers; `check` may raise to stop that. Raises OSError.
    """
    return _combine_hashes(hashes.get(part / name, check) for name in _FILES)


def cached_content_id(part: Path, hashes: FileHashCache) -> str | None:
    """As `content_id` where that takes no time; None where the weights would have to be read. Raises OSError."""
    weights = hashes.get_cached(part / _FILES[1])
    return None if weights is None else _combine_hashes((hashes.get(part / _FILES[0]), weights))


def _combine_hashes(contents: Iterable[str]) -> str:
    return hashlib.sha256(";".join(contents).encode()).hexdigest()[:32]


def fixed_shape_name(size: Size, chunks: int = 1) -> str:
    """The shape of a part that takes pictures of `size` only, and prompts of so many chunks of 77 tokens."""
    return f"{size}" if chunks == 1 else f"{size}, {chunks} chunks"


def image_size_of_shape(shape: str) -> Size | None:
    """The size of pictures that a part of this shape takes; None where that is not fixed."""
    match = re.match(r"(\d+)x(\d+)", shape)
    return None if match is None else Size(int(match[1]), int(match[2]))


@dataclass(frozen=True, slots=True)
class CompileKey:
    """Two equal keys need one compilation.

    `checkpoint` is the content id of the component's own files, so that parts shared by checkpoints are shared here
    too; `shape` is "dynamic" or says the fixed shape (`fixed_shape_name`); `precision` and `threads` as in
    `Execution`.
    """

    content_id: str
    component: str
    device: str
    shape: str = DYNAMIC
    precision: Precision = "auto"
    threads: int = 0

    @property
    def part(self) -> str:
        """The checkpoint's part whose weights these are: both graphs of a cut UNet have the UNet's."""
        return Part.UNET if self.component == UNET_SHALLOW else self.component

    @property
    def weights_content_id(self) -> str:
        """The content id of the part as it lies on disk: `checkpoint` without what was changed in memory."""
        return self.content_id.split("-")[0]

    def __str__(self) -> str:
        return "/".join((self.content_id, self.component, self.device, self.shape, self.precision, str(self.threads)))


@dataclass(frozen=True, slots=True)
class CompileTimes:
    """Remembers in one small file how many seconds each key took the last time, from scratch and from the cache."""

    file: Path

    def expected_seconds(self, key: CompileKey) -> float | None:
        """Seconds that compiling `key` will probably take, or None when it never was."""
        return self._read().get(str(key))

    def total_seconds(self, keys: Iterable[CompileKey]) -> float | None:
        """Seconds for all of `keys`, or None when one of them is unknown."""
        known = self._read()
        seconds = [known.get(str(key)) for key in keys]
        return None if None in seconds else sum(value for value in seconds if value is not None)

    def record(self, key: CompileKey, seconds: float) -> None:
        """Remember; a file that cannot be written costs only the estimate."""
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
