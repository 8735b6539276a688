"""What another program recorded about a picture, as values of this one, with a list of what has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.schedulers import SchedulerName


@dataclass(frozen=True, slots=True)
class ModelReference:
    """A checkpoint, LoRA, embedding or VAE by the name that the other program gives it, without folders and suffix, and
    its `hash` in lower case, "" if none: hexadecimal digits, the first of SHA-256, or with the algorithm's name
    ("blake3:…")."""

    name: str
    hash: str = ""

    def __str__(self) -> str:
        return f"{self.name} [{self.hash}]" if self.hash and self.name else self.name or f"[{self.hash}]"


@dataclass(frozen=True, slots=True)
class ForeignLora:
    """A LoRA and its weight."""

    model: ModelReference
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRefiner:
    """A refiner: `handoff` in (0, 1) is the share of the schedule after which it takes over, None if not recorded."""

    model: ModelReference
    handoff: float | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignRecord:
    """What `program` recorded. The terms and limits are those of `GenerationRequest`; None means not recorded.

    The prompts are in this program's syntax. `strength` is set if a picture was changed. `unmatched` lists what has no
    counterpart here, in words for people.
    """

    program: str
    version: str = ""
    prompt: str | None = None
    negative_prompt: str | None = None
    prompt_2: str | None = None
    negative_prompt_2: str | None = None
    clip_skip: int | None = None
    seed: int | None = None
    variation_seed: int | None = None
    variation_strength: float | None = None
    size: Size | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    guidance_rescale: float | None = None
    scheduler: SchedulerName | None = None
    strength: float | None = None
    zero_terminal_snr: bool | None = None
    original_size: Size | None = None
    target_size: Size | None = None
    crop_top_left: Point | None = None
    negative_original_size: Size | None = None
    negative_target_size: Size | None = None
    aesthetic_score: float | None = None
    negative_aesthetic_score: float | None = None
    checkpoint: ModelReference | None = None
    vae: ModelReference | None = None
    refiner: ForeignRefiner | None = None
    loras: tuple[ForeignLora, ...] = ()
    embeddings: tuple[ModelReference, ...] = ()
    unmatched: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The program with its version."""
        return f"{self.program} {self.version}".rstrip()

    @property
    def settings(self) -> Mapping[str, Any]:
        """The recorded values by name, as JSON values: sizes as "WxH", points as "X,Y"."""
        names = (name for name in self.__dataclass_fields__ if name not in ("program", "version", "unmatched"))
        found = {name: getattr(self, name) for name in names}
        plain: dict[str, Any] = msgspec.to_builtins(
            {name: _plain(value) for name, value in found.items() if value not in (None, ())}
        )
        return plain


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Size | Point) else value
