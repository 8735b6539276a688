"""Entries of the compile cache: the metadata file beside the blobs, the list of entries, why one is stale."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import msgspec

from sdxl_desktop.core.checksum_file import read_with_checksum
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution
from sdxl_desktop.engine import atomic_folder, in_use_markers
from sdxl_desktop.engine.compile_key import CompileKey, cached_content_id, content_id, image_size_of_shape

COMPILED_KIND, FUSED_KIND = "compiled", "fused"
BLOB_INFO_FILE = "card.json"
INCOMPLETE_MARKER = ".unfinished"
REMOVING_PREFIX = ".removing-"
"""Prefix of the folders of entries that are being removed."""


class StaleReason(StrEnum):
    """Why a cache entry can never be used again."""

    INCOMPLETE = "unfinished"
    OTHER_RUNTIME = "other-runtime"
    NO_WEIGHTS = "no-weights"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return {
            "unfinished": "compiling it was interrupted",
            "other-runtime": "made by another OpenVINO or driver",
            "no-weights": "no checkpoint has its weights any more",
            "unknown": "unknown; left by an earlier release",
        }[self.value]


class BlobInfo(msgspec.Struct, frozen=True):
    """Metadata of the blobs in a cache folder. `seconds` maps each requested precision to its compile time, None if it
    was only loaded; `checkpoints` are the folders it was loaded for; `part` and `weights` identify the weights file
    (`CompileKey`); `blobs` has the hash of each compiled file (`compiled_blobs`)."""

    component: str
    content: str
    part: str
    weights: str
    device: str
    shape: str
    openvino: str
    driver: str
    seconds: dict[str, float | None] = {}
    checkpoints: tuple[str, ...] = ()
    derived: bool = False
    blobs: dict[str, str] = {}

    @classmethod
    def from_key(cls, key: CompileKey, openvino: str, driver: str) -> BlobInfo:
        return cls(
            component=key.component,
            content=key.content_id,
            part=key.part,
            weights=key.weights_content_id,
            device=key.device,
            shape=key.shape,
            openvino=openvino,
            driver=driver,
        )

    def matches(self, key: CompileKey) -> bool:
        """Whether the blobs were compiled for `key`, in any precision."""
        own = (self.component, self.content, self.device, self.shape)
        return own == (key.component, key.content_id, key.device, key.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileCacheEntry:
    """One folder in the cache. `last_used` is in seconds as from `time.time`.

    A fused part has no device; an entry without a `BlobInfo` has neither device nor checkpoint.
    """

    folder: Path
    part: str
    content_id: str
    size_bytes: int
    last_used: float
    kind: str = COMPILED_KIND
    checkpoints: tuple[str, ...] = ()
    device: str = ""
    shape: str = ""
    precisions: tuple[str, ...] = ()
    compile_seconds: float | None = None
    in_use: bool = False
    stale_reason: StaleReason | None = None

    @property
    def weights_key(self) -> tuple[str, str]:
        """The part and the content id of its weights: equal for a fused part and what was compiled from it."""
        key = CompileKey(self.content_id, self.part, self.device)
        return key.part, key.weights_content_id


@dataclass(frozen=True, slots=True)
class PruneResult:
    """The removed and the remaining entries."""

    removed: tuple[CompileCacheEntry, ...]
    remaining: tuple[CompileCacheEntry, ...]

    @property
    def freed_bytes(self) -> int:
        """Bytes."""
        return sum(entry.size_bytes for entry in self.removed)

    @property
    def remaining_bytes(self) -> int:
        """Bytes."""
        return sum(entry.size_bytes for entry in self.remaining)


def read_blob_info(file: Path) -> BlobInfo | None:
    """Read the `BlobInfo` in `file`; None if it is missing, invalid or damaged."""
    try:
        return msgspec.json.decode(read_with_checksum(file), type=BlobInfo)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def list_entries(compiled_folder: Path, fused_folder: Path) -> tuple[CompileCacheEntry, ...]:
    """Return the entries in both folders, most recently used first. A fused part is in use while something that was
    compiled from it is."""
    compiled = [entry for folder in list_folders(compiled_folder) if (entry := _compiled_entry(folder)) is not None]
    held = {entry.weights_key for entry in compiled if entry.in_use}
    fused = [entry for folder in list_folders(fused_folder) if (entry := _fused_entry(folder)) is not None]
    fused = [replace(entry, in_use=entry.weights_key in held) for entry in fused]
    return tuple(sorted([*compiled, *fused], key=lambda entry: entry.last_used, reverse=True))


def _compiled_entry(folder: Path) -> CompileCacheEntry | None:
    """Return the entry for `folder`; None if it vanished or is being removed."""
    if folder.name.startswith(REMOVING_PREFIX):
        return None
    files = _file_sizes(folder)
    card = read_blob_info(folder / BLOB_INFO_FILE)
    try:
        last_used = (folder / BLOB_INFO_FILE if card is not None else folder).stat().st_mtime
        unfinished = (folder / INCOMPLETE_MARKER).exists()
    except OSError:
        return None
    held = in_use_markers.is_in_use(folder)
    if card is None:
        part, _, content = folder.name.partition("-")
        stale = None if held else StaleReason.INCOMPLETE if unfinished else StaleReason.UNKNOWN
        return CompileCacheEntry(
            folder=folder,
            part=part,
            content_id=content,
            size_bytes=sum(files),
            last_used=last_used,
            in_use=held,
            stale_reason=stale,
        )
    return CompileCacheEntry(
        folder=folder,
        part=card.component,
        content_id=card.content,
        checkpoints=tuple(Path(name).name for name in card.checkpoints),
        device=card.device,
        shape=card.shape,
        precisions=tuple(card.seconds),
        compile_seconds=max((seconds for seconds in card.seconds.values() if seconds is not None), default=None),
        size_bytes=sum(files),
        last_used=last_used,
        in_use=held,
        stale_reason=StaleReason.INCOMPLETE if unfinished and not held else None,
    )


def _fused_entry(folder: Path) -> CompileCacheEntry | None:
    try:
        if not atomic_folder.is_complete(folder):
            return None
        part, _, content = folder.name.rpartition("-")
        last_used = atomic_folder.last_used(folder)
    except OSError:
        return None
    return CompileCacheEntry(
        folder=folder,
        kind=FUSED_KIND,
        part=part,
        content_id=content,
        size_bytes=sum(_file_sizes(folder)),
        last_used=last_used,
    )


def list_folders(folder: Path) -> Iterable[Path]:
    """Return the folders in `folder`; none if it cannot be read."""
    try:
        return atomic_folder.list_folders(folder)
    except OSError:
        return ()


def _file_sizes(folder: Path) -> Iterator[int]:
    """Yield the size of each file in bytes, skipping files that vanish."""
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield (Path(place) / name).stat().st_size


def compiled_image_sizes(store: Path, checkpoint: Path, execution: Execution) -> tuple[Size, ...]:
    """Return the picture sizes for which the UNet of `checkpoint` is compiled in the folder `store` for the device of
    `execution`; empty if one compiled UNet serves every size. Reads only the metadata files."""
    device = execution.device_for(Part.UNET).strip().upper()
    precisions = {execution.precision_on(device)}
    if device != "CPU":
        precisions.add("auto")  # the device decides which precisions it lacks
    found = set()
    for file in store.glob(f"unet*/{BLOB_INFO_FILE}"):
        card = read_blob_info(file)
        if card is None or str(checkpoint) not in card.checkpoints or precisions.isdisjoint(card.seconds):
            continue
        size = image_size_of_shape(card.shape)
        there = device in (card.device.upper(), AUTOMATIC_DEVICE) and not (file.parent / INCOMPLETE_MARKER).exists()
        if there and size is not None:
            found.add(size)
    return tuple(sorted(found))


def are_weights_missing(info: BlobInfo, checkpoint_folders: Sequence[Path] | None, hashes: FileHashCache) -> bool:
    """Whether no checkpoint has the weights of `info`: neither those it was loaded for nor `checkpoint_folders`.

    If `checkpoint_folders` is None, only changed weights count as missing: a missing folder may be on a drive that is
    not plugged in. Weights derived from additions are in no checkpoint; they are missing once all checkpoints that they
    were made for are. Checkpoints that were never loaded are not read: nothing was compiled for them.
    """
    if info.derived:
        return checkpoint_folders is not None and not any(Path(folder).is_dir() for folder in info.checkpoints)
    own = {Path(folder) for folder in info.checkpoints}
    contents = {_content_id_or_empty(place / info.part, hashes) for place in own}
    contents |= {
        _cached_content_id_or_empty(place / info.part, hashes) for place in set(checkpoint_folders or ()) - own
    }
    contents -= {""}
    return info.weights not in contents if contents else checkpoint_folders is not None


def _content_id_or_empty(part: Path, hashes: FileHashCache) -> str:
    """Return the content id of `part`; "" if it does not exist."""
    try:
        return content_id(part, hashes)
    except OSError:
        return ""


def _cached_content_id_or_empty(part: Path, hashes: FileHashCache) -> str:
    """Return the content id of `part` if it is cached; "" otherwise."""
    try:
        return cached_content_id(part, hashes) or ""
    except OSError:
        return ""
