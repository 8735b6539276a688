"""The values that the history takes and returns. This module imports no database library, so the window may import it
before it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.events import Timings
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.metadata.picture_files import PictureRecord

MAX_RATING = 5
MAX_TAG = 100
"""Maximum characters of a tag."""


class PictureKind(StrEnum):
    """What made a picture."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    INPAINTING = "inpainting"
    OUTPAINTING = "outpainting"
    REFINED = "refined"
    UPSCALED = "upscaled"
    GRID = "grid"
    OTHER = "other"

    @property
    def label(self) -> str:
        return self.value.capitalize()


class EntryState(StrEnum):
    """Whether the file of an entry is where it was last seen."""

    PRESENT = "present"
    MISSING = "missing"


class ParentRole(StrEnum):
    """What a picture was made from: the edited picture, its mask, kept latents, or the picture that was upscaled."""

    PICTURE = "picture"
    MASK = "mask"
    LATENTS = "latents"
    UPSCALED_FROM = "upscaled-from"


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A picture in the history. `created` is in local time, with its offset; `checkpoint_id` is the content ID of the
    checkpoint ("": unknown); `rating` is 0 (none) to 5; `tags` are sorted."""

    id: int
    file: Path
    created: datetime
    size: Size
    kind: PictureKind
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    checkpoint_title: str = ""
    checkpoint_id: str = ""
    rating: int = 0
    starred: bool = False
    has_mask: bool = False
    tags: tuple[str, ...] = ()
    state: EntryState = EntryState.PRESENT


@dataclass(frozen=True, slots=True)
class Parent:
    """What a picture was made from. `digest` identifies the content: pixels like `core.raster.Raster`, or latents.
    `name` is a file name, if known; `entry` is the ID of the entry with that content, if the history has one."""

    role: ParentRole
    digest: str
    name: str = ""
    entry: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryDetails:
    """Everything that the history knows about a picture. `record` is None for a picture whose record is unknown or
    cannot be read; `timings` are seconds per phase, summed over the pictures of the run; `devices` maps each part to
    its device; `version` is the application's that made the picture; `file_bytes` is the size of the file."""

    entry: HistoryEntry
    record: PictureRecord | None
    timings: Timings | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    parents: tuple[Parent, ...] = ()
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which entries are wanted; the default wants all. All conditions must hold.

    `text` is searched in the prompts, `negative_text` in the negative prompts: each word, or its beginning, in any
    order; words in double quotes must follow one another. Nothing that a user can type is an error. `checkpoint` is a
    title or a content ID; `kinds` empty means every kind; sizes are inclusive per side, in pixels; days are inclusive,
    in local time; None means no condition.
    """

    text: str = ""
    negative_text: str = ""
    checkpoint: str = ""
    kinds: frozenset[PictureKind] = frozenset()
    min_size: Size | None = None
    max_size: Size | None = None
    created_from: date | None = None
    created_to: date | None = None
    min_rating: int = 0
    starred: bool | None = None
    has_mask: bool | None = None
    tag: str = ""
    state: EntryState | None = None

    def __post_init__(self) -> None:
        check_range("The rating", self.min_rating, 0, MAX_RATING)


@dataclass(frozen=True, slots=True)
class DayCount:
    """How many entries a day has."""

    day: date
    count: int


@dataclass(frozen=True, slots=True)
class TagCount:
    """How many entries have a tag."""

    tag: str
    count: int


@dataclass(frozen=True, slots=True)
class CheckpointCount:
    """How many entries were made by a checkpoint."""

    title: str
    checkpoint_id: str
    count: int


class ChangeKind(StrEnum):
    """How entries changed. RESET: anything may have changed, so everything must be read again."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class HistoryChange:
    """A change of the entries `ids` (empty for RESET)."""

    kind: ChangeKind
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSettings:
    """What an entry lists of the settings of a picture that has no record of ours."""

    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPicture:
    """A finished picture for `History.add`. Its file is written already.

    `record` is ours; `other_record` is what another program recorded, and is used only without ours.
    `created` None means the time of the file; `pixels_digest` is that of `core.raster.Raster` ("": unknown);
    `latents_digest` is that of `pictures.latents_digest` if its latents were kept.
    """

    file: Path
    size: Size
    kind: PictureKind = PictureKind.OTHER
    record: PictureRecord | None = None
    other_record: ListedSettings | None = None
    checkpoint_title: str = ""
    created: datetime | None = None
    timings: Timings | None = None
    devices: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()
    pixels_digest: str = ""
    latents_digest: str = ""

    @property
    def listed(self) -> ListedSettings:
        """What the entry lists of the settings."""
        if self.record is None:
            return self.other_record or ListedSettings()
        prompts = self.record.request.prompts
        return ListedSettings(prompt=prompts.prompt, negative_prompt=prompts.negative_prompt, seed=self.record.seed)
