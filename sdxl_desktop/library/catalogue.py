"""The families of SDXL that are known by name, with what a person needs to choose one: data, read and checked here."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library.hub.hub_address import HubAddress, parse_address

SYSTEM_MEMORY_RESERVE = 2 * 10**9
"""Bytes of memory that the system and a browser are left with when a checkpoint is suggested."""

_ByteCount = Annotated[int, msgspec.Meta(gt=0)]
_NonEmptyText = Annotated[str, msgspec.Meta(min_length=1)]


class CatalogueKind(StrEnum):
    """SHIPPED comes with the application; a CHECKPOINT is whole; UNET, LORA and VAE go with another entry."""

    SHIPPED = "shipped"
    CHECKPOINT = "checkpoint"
    UNET = "unet"
    LORA = "lora"
    VAE = "vae"


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`spdx` where the licence has such an identifier; `endpoint_label` is what the hub calls it. `accept_first`
    says whether the hub wants it accepted before it lets anyone download, None where that is not known."""

    name: str | None
    hub_name: str | None
    spdx: str | None
    accept_first: bool | None
    words: _NonEmptyText


class CatalogueSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What its makers recommend; a guidance scale of 1 is none. `timestep_spacing` where another than usual is needed
    (Lin et al., "Common Diffusion Noise Schedules and Sample Steps are Flawed", arXiv 2305.08891)."""

    width: Annotated[int, msgspec.Meta(ge=256, multiple_of=8)]
    height: Annotated[int, msgspec.Meta(ge=256, multiple_of=8)]
    steps: Annotated[int, msgspec.Meta(ge=1, le=150)]
    guidance_scale: Annotated[float, msgspec.Meta(ge=1, le=30)]
    scheduler: SchedulerName
    timestep_spacing: Literal["trailing"] | None = None


class DrawingMemory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes that drawing takes, by the format of the weights; None is not known."""

    fp32: _ByteCount | None
    fp16: _ByteCount | None
    int8: _ByteCount | None
    int4: _ByteCount | None

    @property
    def minimum(self) -> int | None:
        return min((size for size in (self.fp32, self.fp16, self.int8, self.int4) if size is not None), default=None)


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that can be had.

    `repo` is its id on the hub (None for what is shipped), `file` the one file that is meant where it is not the whole,
    `wanted` the files and folders that are needed, `openvino` the weight format of a ready-made OpenVINO version, and
    `needs` the entry that it goes with. `download_bytes` come over the line, `disk_bytes` it takes in half precision,
    or in its own format where it is ready-made. `fast` and `best` rank it for the first-run page. `unverified` names
    the fields that could not be checked against its page. `fused` says that it is a LoRA that always becomes a
    checkpoint of its own with what it needs, and no addition.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    title: _NonEmptyText
    sentence: _NonEmptyText
    kind: CatalogueKind
    family: Family | None
    repo: str | None
    file: str | None
    wanted: tuple[_NonEmptyText, ...]
    openvino: str | None
    needs: str | None
    download_bytes: _ByteCount | None
    disk_bytes: _ByteCount | None
    memory: DrawingMemory | None
    licence: Licence | None
    recommended: CatalogueSettings | None
    fast: int | None
    best: int | None
    notes: str
    unverified: tuple[str, ...]
    fused: bool = False

    def checkpoint_json(self) -> dict[str, Any]:
        """What checkpoint.json says of a checkpoint that was made of it."""
        about: dict[str, Any] = {"title": self.title, "description": self.sentence}
        if self.recommended is not None:
            about |= {
                "steps": self.recommended.steps,
                "guidance_scale": self.recommended.guidance_scale,
                "scheduler": self.recommended.scheduler.value,
            }
        return about

    @property
    def address(self) -> HubAddress:
        """Where it is on the hub. Raises CheckpointError for what is shipped."""
        if self.repo is None:
            raise CheckpointError(f"{self.title} need not be downloaded: it comes with the application.")
        return parse_address("/".join(part for part in (self.repo, self.file) if part))


class _CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    version: int
    entries: tuple[CatalogueEntry, ...]


class Suggestions(NamedTuple):
    """For the first-run page: one that is there, and a fast and the best one that fit (None where nothing fits)."""

    shipped: CatalogueEntry
    fast: CatalogueEntry | None
    best: CatalogueEntry | None


def read_catalogue(file: Path) -> tuple[CatalogueEntry, ...]:
    """The entries in `file`. Raises CheckpointError, naming the field, when it is not as it should be."""
    try:
        entries = msgspec.json.decode(file.read_bytes(), type=_CatalogueFile).entries
    except (OSError, msgspec.MsgspecError) as problem:
        raise _damaged_catalogue_error(str(problem)) from problem
    known = {entry.id for entry in entries}
    if len(known) < len(entries):
        raise _damaged_catalogue_error("Two entries have the same id.")
    for entry in entries:
        if entry.needs is not None and entry.needs not in known:
            raise _damaged_catalogue_error(f"{entry.id} needs {entry.needs}, which is not there.")
        if entry.fused and (entry.kind is not CatalogueKind.LORA or entry.needs is None):
            raise _damaged_catalogue_error(f"{entry.id} is no LoRA that can be fused into something.")
        if (entry.kind is CatalogueKind.SHIPPED) != (entry.repo is None):
            raise _damaged_catalogue_error(f"{entry.id} is either shipped or on the hub.")
    if not any(entry.kind is CatalogueKind.SHIPPED for entry in entries):
        raise _damaged_catalogue_error("Nothing in it is shipped.")
    return entries


@cache
def catalogue() -> tuple[CatalogueEntry, ...]:
    """What ships with the application."""
    return read_catalogue(resources_folder() / "catalogue.json")


def find_entry(name: str) -> CatalogueEntry | None:
    """The entry called `name`, or whose one repository that is, however it is written; None where there is none."""
    wanted = name.strip().lower()
    for entry in catalogue():
        if wanted in (entry.id, entry.title.lower(), (entry.repo or "").lower()):
            return entry
    return None


def required_entries(entry: CatalogueEntry) -> tuple[CatalogueEntry, ...]:
    """All that must be there for `entry` to be used, in the order in which it is fetched."""
    needed = next((other for other in catalogue() if other.id == entry.needs), None)
    return (*required_entries(needed), entry) if needed is not None else (entry,)


def suggest_entries(memory_bytes: int) -> Suggestions:
    """What to offer first on a computer with `memory_bytes` of memory, of which the system keeps SYSTEM_RESERVE."""
    room = memory_bytes - SYSTEM_MEMORY_RESERVE
    fitting = [
        entry for entry in catalogue() if entry.memory is not None and (entry.memory.minimum or room + 1) <= room
    ]
    fast = max((entry for entry in fitting if entry.fast is not None), key=lambda entry: entry.fast or 0, default=None)
    best = max((entry for entry in fitting if entry.best is not None), key=lambda entry: entry.best or 0, default=None)
    return Suggestions(next(entry for entry in catalogue() if entry.kind is CatalogueKind.SHIPPED), fast, best)


def _damaged_catalogue_error(why: str) -> CheckpointError:
    return CheckpointError(
        "The catalogue of known checkpoints is damaged.", why=why, next_step="Install the application again."
    )
