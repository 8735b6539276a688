"""What is known of each thing that is kept compiled: the card beside it, what a list shows, why it is stale."""

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
    """Why something kept can never be of use again."""

    INCOMPLETE = "unfinished"
    OTHER_RUNTIME = "other-runtime"
    NO_WEIGHTS = "no-weights"
    UNKNOWN = "unknown"

    @property
    def label(self) -> str:
        return {
            "unfinished": "compiling it was cut short",
            "other-runtime": "made by another OpenVINO or driver",
            "no-weights": "no checkpoint has its weights any more",
            "unknown": "nothing says what it is; an earlier release left it",
        }[self.value]


class BlobInfo(msgspec.Struct, frozen=True):
    """`seconds` maps each precision that was asked for to what compiling took, None where only loading was seen;
    `checkpoints` are the folders it was loaded for; `part`, `weights` name the file with its weights (`CompileKey`);
    `blobs` has the hash of each file that compiling left (`compiled_blobs`)."""

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
        """Whether what lies beside it was compiled for `key`, in whichever precision."""
        own = (self.component, self.content, self.device, self.shape)
        return own == (key.component, key.content_id, key.device, key.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileCacheEntry:
    """One folder of what is kept. `last_used` is in seconds as `time.time` gives them, `seconds` what compiling took.

    A fused part has no device; one without a card has neither device nor checkpoint.
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
        """The part and the content id of its weights: equal for what was fused and what was compiled of it."""
        key = CompileKey(self.content_id, self.part, self.device)
        return key.part, key.weights_content_id


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What was thrown away and what is left."""

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
    """None when there is none that makes sense and is as it was written."""
    try:
        return msgspec.json.decode(read_with_checksum(file), type=BlobInfo)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def compiled_image_sizes(store: Path, checkpoint: Path, execution: Execution) -> tuple[Size, ...]:
    """The sizes of pictures for which the UNet of `checkpoint` is kept compiled in the folder `store`, for where
    `execution` says; none where one compiled UNet serves every size. Only the cards are read."""
    device = execution.device_for(Part.UNET).strip().upper()
    precisions = {execution.precision_on(device)}
    if device != "CPU":
        precisions.add("auto")  # what a device lacks it decides
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
    """Whether no checkpoint has the card's weights: neither those it was loaded for nor those of the `library`.

    Without a library only changed weights are believed to be gone: a folder that is missing may lie on a drive that is
    not plugged in. Weights that additions made lie in no checkpoint, and go when all that they were made for have gone.
    Checkpoints of the library that were never loaded are not read for this: nothing was compiled for them.
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
    """Its content id; "" where there is no such part."""
    try:
        return content_id(part, hashes)
    except OSError:
        return ""


def _cached_content_id_or_empty(part: Path, hashes: FileHashCache) -> str:
    """Its content id if that is remembered; "" otherwise."""
    try:
        return cached_content_id(part, hashes) or ""
    except OSError:
        return ""
