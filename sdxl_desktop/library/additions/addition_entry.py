"""What is known about one LoRA or embedding in the library."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.library.addition_detection import AdditionKind


class TrainedModel(StrEnum):
    """The kind of model that an addition was trained for; UNKNOWN if neither tensors nor descriptions tell."""

    SDXL = "SDXL"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionEntry:
    """A LoRA or an embedding.

    `name` is the file's stem, `folder` its subfolder in the scanned folder with "/" ("" at the top), `alias` the name
    that the trainer gave it. `base_model_name` is for people, "" if unknown. `trigger_words` are the words or phrases
    that it was trained on, `tags` those of its training captions with their counts, the most frequent first.
    `preferred_weight` is what a file beside it recommends, `chosen_weight` what the person chose; `notes` are the
    person's own, else those beside the file. `thumbnail` is a picture beside it; `has_own_thumbnail`: its metadata
    holds one. `problem` says why it cannot be used, "" if it can.
    """

    file: Path
    name: str
    folder: str
    kind: AdditionKind
    is_shipped: bool = False
    bytes: int = 0
    modified: float = 0.0
    title: str = ""
    alias: str = ""
    author: str = ""
    description: str = ""
    base_model: TrainedModel = TrainedModel.UNKNOWN
    base_model_name: str = ""
    trigger_words: tuple[str, ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    preferred_weight: float | None = None
    chosen_weight: float | None = None
    notes: str = ""
    thumbnail: Path | None = None
    has_own_thumbnail: bool = False
    problem: str = ""

    @property
    def path_name(self) -> str:
        """The name with its subfolder, as a tag may write it."""
        return f"{self.folder}/{self.name}" if self.folder else self.name

    @property
    def weight(self) -> float:
        """The weight that it is added with unless another is given."""
        known = (self.chosen_weight, self.preferred_weight, 1.0)
        return next(weight for weight in known if weight is not None)

    @property
    def token(self) -> str:
        """The word for an embedding in prompts."""
        return "-".join(self.name.split())
