"""The catalogue of known SDXL models with the data needed to choose one; read and validated here."""

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
"""Bytes of memory left to the system and a browser when a checkpoint is suggested."""

_ByteCount = Annotated[int, msgspec.Meta(gt=0)]
_NonEmptyText = Annotated[str, msgspec.Meta(min_length=1)]


class CatalogueKind(StrEnum):
    """SHIPPED comes with the application; a CHECKPOINT is complete; UNET, LORA and VAE are used with another entry."""

    SHIPPED = "shipped"
    CHECKPOINT = "checkpoint"
    UNET = "unet"
    LORA = "lora"
    VAE = "vae"


class Licence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`spdx` is the SPDX identifier, if there is one; `hub_name` is the hub's name for the licence. `accept_first` says
    whether the hub requires it to be accepted before a download; None if unknown."""

    name: str | None
    hub_name: str | None
    spdx: str | None
    accept_first: bool | None
    words: _NonEmptyText


class CatalogueSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings that the model's authors recommend; a guidance scale of 1 means no guidance. `timestep_spacing` is
    set if the model needs a spacing other than the default (Lin et al., "Common Diffusion Noise Schedules and Sample
    Steps are Flawed", arXiv 2305.08891)."""

    width: Annotated[int, msgspec.Meta(ge=256, multiple_of=8)]
    height: Annotated[int, msgspec.Meta(ge=256, multiple_of=8)]
    steps: Annotated[int, msgspec.Meta(ge=1, le=150)]
    guidance_scale: Annotated[float, msgspec.Meta(ge=1, le=30)]
    scheduler: SchedulerName
    timestep_spacing: Literal["trailing"] | None = None


class DrawingMemory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes of memory needed for image generation, by weight format; None if unknown."""

    fp32: _ByteCount | None
    fp16: _ByteCount | None
    int8: _ByteCount | None
    int4: _ByteCount | None

    @property
    def minimum(self) -> int | None:
        return min((size for size in (self.fp32, self.fp16, self.int8, self.int4) if size is not None), default=None)


class CatalogueEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model in the catalogue.

    `repo` is its repository id on the hub (None for SHIPPED), `file` the single file to use if it is not the whole
    repository, `wanted` the files and folders needed, `openvino` the weight format of a ready-made OpenVINO version,
    and `needs` the id of the entry it is used with. `download_bytes` is the download size, `disk_bytes` the size on
    disk in half precision, or in its own format if ready-made. `fast` and `best` rank it for the first-run page.
    `unverified` names the fields that could not be checked against the model's page. `fused` marks a LoRA that always
    becomes a checkpoint together with the entry it needs, never an addition.
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
        """Return the content of checkpoint.json for a checkpoint made from this entry."""
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
        """The address on the hub. Raises CheckpointError for a shipped entry."""
        if self.repo is None:
            raise CheckpointError(f"{self.title} need not be downloaded: it comes with the application.")
        return parse_address("/".join(part for part in (self.repo, self.file) if part))


class _CatalogueFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    about: str
    version: int
    entries: tuple[CatalogueEntry, ...]


class Suggestions(NamedTuple):
    """For the first-run page: the shipped entry, and a fast and the best entry that fit (None if nothing fits)."""

    shipped: CatalogueEntry
    fast: CatalogueEntry | None
    best: CatalogueEntry | None


def read_catalogue(file: Path) -> tuple[CatalogueEntry, ...]:
    """Return the entries in `file`. Raises CheckpointError, naming the field, if it is invalid."""
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
    """Return the catalogue that ships with the application."""
    return read_catalogue(resources_folder() / "catalogue.json")


def find_entry(name: str) -> CatalogueEntry | None:
    """Return the entry whose id, title or repository is `name`, ignoring case; None if there is none."""
    wanted = name.strip().lower()
    for entry in catalogue():
        if wanted in (entry.id, entry.title.lower(), (entry.repo or "").lower()):
            return entry
    return None


def required_entries(entry: CatalogueEntry) -> tuple[CatalogueEntry, ...]:
    """Return all entries needed to use `entry`, in download order."""
    needed = next((other for other in catalogue() if other.id == entry.needs), None)
    return (*required_entries(needed), entry) if needed is not None else (entry,)


def suggest_entries(memory_bytes: int) -> Suggestions:
    """Suggest entries for a computer with `memory_bytes` of memory, less SYSTEM_MEMORY_RESERVE for the system."""
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
