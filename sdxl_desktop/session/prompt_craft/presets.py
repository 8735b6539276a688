"""Presets: chosen settings under a name, which can be applied again and shared as a file.

A preset names checkpoints, refiners, LoRAs and embeddings by their names, never by a path; LoRAs and embeddings also by
the hash of their content.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference, file_name_only
from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.prompt_source import MAX_STYLES
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_COUNT, MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.core.workspace_value import AdditionsPanelState, LoraListItem, RefinerPanelState, WorkspaceValue

MAX_NAME = 100
MAX_ADAPTERS = 64
_HASH = re.compile(r"[0-9a-f]{8,128}")
_ELSEWHERE = {"size", "seed", "count", "variation_seed", "variation_strength"}
"""Fields of `Sampling` that are parts of their own, or belong to one picture."""
SAMPLING_FIELDS = tuple(one.name for one in fields(Sampling) if one.name not in _ELSEWHERE)
"""The fields of `Sampling` that the part "sampling" holds."""


class PresetPart(StrEnum):
    """A part of a preset."""

    CHECKPOINT = "checkpoint"
    PROMPTS = "prompts"
    STYLES = "styles"
    SAMPLING = "sampling"
    SIZE = "size"
    COUNT = "count"
    MICRO_CONDITIONING = "micro_conditioning"
    REFINER = "refiner"
    ADAPTERS = "adapters"

    @property
    def label(self) -> str:
        return _PART_LABELS[self]


_PART_LABELS = {
    PresetPart.CHECKPOINT: "Checkpoint",
    PresetPart.PROMPTS: "Prompts",
    PresetPart.STYLES: "Styles",
    PresetPart.SAMPLING: "Steps, guidance and scheduler",
    PresetPart.SIZE: "Size",
    PresetPart.COUNT: "Number of pictures",
    PresetPart.MICRO_CONDITIONING: "Micro-conditioning",
    PresetPart.REFINER: "Refiner",
    PresetPart.ADAPTERS: "LoRAs and embeddings",
}
USUAL_PARTS = (PresetPart.CHECKPOINT, PresetPart.STYLES, PresetPart.SAMPLING, PresetPart.SIZE, PresetPart.REFINER)
"""The parts that are chosen at first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetAdapter:
    """A LoRA or embedding: its file's `name`, the `hash` of its content ("": unknown), and how it is used."""

    kind: Literal["lora", "embedding"]
    name: str
    hash: str = ""
    weight: float = 1.0
    token: str = ""

    def __post_init__(self) -> None:
        _check_plain_name(self.name)
        if self.hash and not _HASH.fullmatch(self.hash):
            raise RequestError(f"The hash of {display_text(self.name, 60)} is no hash.")
        if self.kind == "lora":
            LoraReference(Path(self.name), self.weight)
        else:
            EmbeddingReference(Path(self.name), self.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPreset:
    """A named preset; None for a part that it does not hold."""

    name: str = "Preset"
    checkpoint: str | None = None
    prompts: Prompts | None = None
    styles: tuple[str, ...] | None = None
    sampling: Sampling | None = None
    size: Size | None = None
    count: int | None = None
    micro_conditioning: MicroConditioning | None = None
    refiner: RefinerPanelState | None = None
    adapters: tuple[PresetAdapter, ...] | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.checkpoint:
            _check_plain_name(self.checkpoint)
        if self.refiner is not None and self.refiner.checkpoint:
            _check_plain_name(self.refiner.checkpoint)
        if self.styles is not None and len(self.styles) > MAX_STYLES:
            raise RequestError(f"It has more than {MAX_STYLES} styles.")
        if self.size is not None:
            Sampling(size=self.size)  # checks its limits
        if self.count is not None:
            check_range("The number of pictures", self.count, 1, MAX_COUNT)
        if self.adapters is not None and len(self.adapters) > MAX_ADAPTERS:
            raise RequestError(f"It has more than {MAX_ADAPTERS} LoRAs and embeddings.")

    @property
    def parts(self) -> tuple[PresetPart, ...]:
        """The parts that it holds."""
        return tuple(part for part in PresetPart if getattr(self, part.value) is not None)

    def sampling_applied_to(self, sampling: Sampling) -> Sampling:
        """Return `sampling` with the sampling, size and count of this preset."""
        changes = {} if self.sampling is None else {name: getattr(self.sampling, name) for name in SAMPLING_FIELDS}
        if self.size is not None:
            changes["size"] = self.size
        if self.count is not None:
            changes["count"] = self.count
        return replace(sampling, **changes)


def check_name(name: str) -> None:
    """Raise RequestError if `name` cannot be the name of a preset."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise RequestError(
            f"{display_text(name, 60)!r} cannot be the name of a preset.",
            next_step=f"Give it one of 1 to {MAX_NAME} printable characters.",
        )


def _check_plain_name(name: str) -> None:
    """Raise RequestError if `name` is a path or no name at all."""
    plain = name.isprintable() and len(name) <= 255 and name.strip() and name not in (".", "..")
    if not plain or file_name_only(Path(name)).name != name or ":" in name:
        raise RequestError(f"{display_text(name, 60)!r} is no plain name of a file.")


HashOf = Callable[[Path], str]
"""Returns the hash of a file's content, "" if unknown."""


def create_preset(
    name: str, value: WorkspaceValue, sampling: Sampling, parts: Collection[PresetPart], hash_of: HashOf
) -> SettingsPreset:
    """Return a preset of the chosen parts of the panels' values; raises RequestError for an invalid name or no part."""
    if not parts:
        raise RequestError("The preset would be empty.", next_step="Choose what it shall hold.")
    plain = Sampling()
    everything = SettingsPreset(
        name=name,
        checkpoint=value.checkpoint,
        prompts=value.prompts,
        styles=value.styles,
        sampling=replace(plain, **{field: getattr(sampling, field) for field in SAMPLING_FIELDS}),
        size=sampling.size,
        count=sampling.count,
        micro_conditioning=value.micro_conditioning if value.micro_conditioning_on else MicroConditioning(),
        refiner=value.refiner,
        adapters=tuple(_adapters(value.additions, hash_of)) if PresetPart.ADAPTERS in parts else (),
    )
    left_out: dict[str, Any] = {part.value: None for part in PresetPart if part not in parts}
    return replace(everything, **left_out)


def _adapters(additions: AdditionsPanelState, hash_of: HashOf) -> Iterable[PresetAdapter]:
    for lora in additions.loras:
        if lora.on:
            file = lora.use.file
            yield PresetAdapter(kind="lora", name=file.name, hash=hash_of(file), weight=lora.use.weight)
    for embedding in additions.embeddings:
        file = embedding.file
        yield PresetAdapter(kind="embedding", name=file.name, hash=hash_of(file), token=embedding.token)


FindAdapter = Callable[[PresetAdapter], Path | None]


def find_adapter(adapter: PresetAdapter, known: Iterable[Path], hash_of: HashOf) -> Path | None:
    """Return the file of `adapter` among the `known` ones: the one with its content, under whatever name, else the one
    of its name whose content is not known to differ. None if there is none."""
    files = list(dict.fromkeys(known))
    named = [file for file in files if file.name == adapter.name]
    if adapter.hash:
        same = next((file for file in (*named, *files) if hash_of(file) == adapter.hash), None)
        return same or next((file for file in named if not hash_of(file)), None)
    return named[0] if named else None


def apply_preset(
    value: WorkspaceValue, preset: SettingsPreset, find: FindAdapter
) -> tuple[WorkspaceValue, tuple[str, ...]]:
    """Return `value` with all parts of `preset` but its checkpoint, and the names of missing LoRAs and embeddings."""
    missing: tuple[str, ...] = ()
    if preset.prompts is not None:
        value = replace(value, prompts=preset.prompts)
    if preset.styles is not None:
        value = replace(value, styles=preset.styles)
    value = replace(value, sampling=preset.sampling_applied_to(value.sampling or Sampling()))
    if preset.micro_conditioning is not None:
        conditioning = preset.micro_conditioning
        is_on = conditioning != MicroConditioning()
        value = replace(value, micro_conditioning=conditioning, micro_conditioning_on=is_on)
    if preset.refiner is not None:
        value = replace(value, refiner=preset.refiner)
    if preset.adapters is not None:
        additions, missing = with_adapters(value.additions, preset.adapters, find)
        value = replace(value, additions=additions)
    return value, missing


def missing_warning(missing: Sequence[str]) -> CheckpointError | None:
    """Return the warning after a preset was applied without `missing`; None if nothing is missing."""
    if not missing:
        return None
    return CheckpointError(
        f"Not here: {', '.join(missing)}.",
        why="Everything else in the preset is applied.",
        next_step="Add what is missing and apply the preset again, or go on with what there is.",
    )


def with_adapters(
    value: AdditionsPanelState, adapters: Iterable[PresetAdapter], find: FindAdapter
) -> tuple[AdditionsPanelState, tuple[str, ...]]:
    """Return `value` with exactly the LoRAs of `adapters` enabled and their embeddings listed, and the names of missing
    ones."""
    missing: list[str] = []
    loras: dict[Path, LoraListItem] = {}
    embeddings: dict[str, EmbeddingReference] = {}
    for adapter in adapters:
        file = find(adapter)
        if file is None:
            missing.append(f"the {'LoRA' if adapter.kind == 'lora' else 'embedding'} {display_text(adapter.name, 60)}")
        elif adapter.kind == "lora":
            loras[file] = LoraListItem(LoraReference(file, adapter.weight))
        else:
            embeddings[adapter.token] = EmbeddingReference(file, adapter.token)
    others = (replace(lora, on=False) for lora in value.loras if lora.use.file not in loras)
    kept = (one for one in value.embeddings if one.token not in embeddings)
    made = replace(value, loras=(*loras.values(), *others), embeddings=(*embeddings.values(), *kept))
    return made, tuple(missing)
