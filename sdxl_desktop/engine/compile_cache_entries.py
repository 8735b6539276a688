"""Entries of the compile cache: the metadata file beside the blobs, the list entry and the reason for being stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from sdxl_desktop.core.checksum_file import read_with_checksum
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution
from sdxl_desktop.engine.compile_key import CompileKey, cached_content_id, content_id, image_size_of_shape

COMPILED_KIND, FUSED_KIND = "compiled", "fused"
BLOB_INFO_FILE = "card.json"
INCOMPLETE_MARKER = ".unfinished"


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
