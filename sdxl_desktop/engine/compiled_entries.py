"""What is known of each thing that is kept compiled: the card beside it, what a list shows, why it is stale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from sdxl_desktop.core.checked_file import read_checked
from sdxl_desktop.core.file_hashes import FileHashes
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC, Execution
from sdxl_desktop.engine.compile_key import CompileKey, content_id, known_content_id, size_of_shape

COMPILED, FUSED = "compiled", "fused"
CARD = "card.json"
UNFINISHED = ".unfinished"


class Stale(StrEnum):
    """Why something kept can never be of use again."""

    UNFINISHED = "unfinished"
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


class Card(msgspec.Struct, frozen=True):
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
    def of(cls, key: CompileKey, openvino: str, driver: str) -> Card:
        return cls(
            component=key.component,
            content=key.checkpoint,
            part=key.part,
            weights=key.weights,
            device=key.device,
            shape=key.shape,
            openvino=openvino,
            driver=driver,
        )

    def describes(self, key: CompileKey) -> bool:
        """Whether what lies beside it was compiled for `key`, in whichever precision."""
        own = (self.component, self.content, self.device, self.shape)
        return own == (key.component, key.checkpoint, key.device, key.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One folder of what is kept. `last_used` is in seconds as `time.time` gives them, `seconds` what compiling took.

    A fused part has no device; one without a card has neither device nor checkpoint.
    """

    folder: Path
    part: str
    content: str
    bytes: int
    last_used: float
    kind: str = COMPILED
    checkpoints: tuple[str, ...] = ()
    device: str = ""
    shape: str = ""
    precisions: tuple[str, ...] = ()
    seconds: float | None = None
    in_use: bool = False
    stale: Stale | None = None

    @property
    def weights(self) -> tuple[str, str]:
        """The part and the content id of its weights: equal for what was fused and what was compiled of it."""
        key = CompileKey(self.content, self.part, self.device)
        return key.part, key.weights


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was thrown away and what is left."""

    removed: tuple[Entry, ...]
    kept: tuple[Entry, ...]

    @property
    def freed(self) -> int:
        """Bytes."""
        return sum(entry.bytes for entry in self.removed)

    @property
    def left(self) -> int:
        """Bytes."""
        return sum(entry.bytes for entry in self.kept)


def read_card(file: Path) -> Card | None:
    """None when there is none that makes sense and is as it was written."""
    try:
        return msgspec.json.decode(read_checked(file), type=Card)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def compiled_sizes(store: Path, checkpoint: Path, execution: Execution) -> tuple[Size, ...]:
    """The sizes of pictures for which the UNet of `checkpoint` is kept compiled in the folder `store`, for where
    `execution` says; none where one compiled UNet serves every size. Only the cards are read."""
    device = execution.device_for(Part.UNET).strip().upper()
    precisions = {execution.precision_on(device)}
    if device != "CPU":
        precisions.add("auto")  # what a device lacks it decides
    found = set()
    for file in store.glob(f"unet*/{CARD}"):
        card = read_card(file)
        if card is None or str(checkpoint) not in card.checkpoints or precisions.isdisjoint(card.seconds):
            continue
        size = size_of_shape(card.shape)
        there = device in (card.device.upper(), AUTOMATIC) and not (file.parent / UNFINISHED).exists()
        if there and size is not None:
            found.add(size)
    return tuple(sorted(found))


def weights_gone(card: Card, library: Sequence[Path] | None, hashes: FileHashes) -> bool:
    """Whether no checkpoint has the card's weights: neither those it was loaded for nor those of the `library`.

    Without a library only changed weights are believed to be gone: a folder that is missing may lie on a drive that is
    not plugged in. Weights that additions made lie in no checkpoint, and go when all that they were made for have gone.
    Checkpoints of the library that were never loaded are not read for this: nothing was compiled for them.
    """
    if card.derived:
        return library is not None and not any(Path(folder).is_dir() for folder in card.checkpoints)
    own = {Path(folder) for folder in card.checkpoints}
    contents = {_content(place / card.part, hashes) for place in own}
    contents |= {_known_content(place / card.part, hashes) for place in set(library or ()) - own}
    contents -= {""}
    return card.weights not in contents if contents else library is not None


def _content(part: Path, hashes: FileHashes) -> str:
    """Its content id; "" where there is no such part."""
    try:
        return content_id(part, hashes)
    except OSError:
        return ""


def _known_content(part: Path, hashes: FileHashes) -> str:
    """Its content id if that is remembered; "" otherwise."""
    try:
        return known_content_id(part, hashes) or ""
    except OSError:
        return ""
