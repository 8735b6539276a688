"""The checkpoint that a UNet or a LoRA goes with: which one it is, what of it there is, what must be fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.safetensors_header import read_metadata
from sdxl_desktop.library.bring.estimates import Forecasts, parameters_in
from sdxl_desktop.library.catalogue import Entry, Kind, catalogue
from sdxl_desktop.library.convert.extras import Extras
from sdxl_desktop.library.convert.forecast import forecast
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.detect.sampling import SamplingFacts, few_step_facts
from sdxl_desktop.library.hub.files import Listing, RemoteFile
from sdxl_desktop.library.records import read_record
from sdxl_desktop.library.scan import Library

_BASES = {
    Family.LCM: Family.BASE,
    Family.LCM_SSD_1B: Family.SSD_1B,
}
_LONGEST = 48


@dataclass(frozen=True, slots=True)
class Kin:
    """`entry` is the checkpoint that is gone with; `listing` what the hub has of it, None where it was not asked."""

    entry: Entry
    listing: Listing | None = None

    def download_name(self, name: str) -> str:
        """What its download is called, for the sake of the checkpoint `name`."""
        return f"{name[:_LONGEST]}+{self.entry.id}"

    def missing(self, library: Library, weights: WeightFormat | None, *, fusing: bool) -> Listing | None:
        """What of it must be fetched to make a checkpoint in `weights`; None for nothing.

        What was converted to these very `weights` is not fetched again. A LoRA is fused into the UNet, which is then
        needed as it was; otherwise it is replaced, and not needed.
        """
        assert self.listing is not None
        converted = made_of(self.entry, weights, library) is not None
        if converted:
            return self._only(_is_unet) if fusing else None
        return self.listing if fusing else self._only(lambda file: not _is_unet(file))

    def forecasts(self, library: Library, unet: Listing | None, *, fusing: bool) -> Forecasts:
        """Of converting the whole with the UNet in `unet` (None: its own), by weight format."""
        assert self.listing is not None
        own = unet or self._only(_is_unet)
        rest = self._only(lambda file: not _is_unet(file))
        made: Forecasts = {}
        for weights in WeightFormat:
            parts = [own] if made_of(self.entry, weights, library) is not None else [rest, own]
            sizes = [count for part in parts for count in parameters_in(part)]
            made[weights] = forecast(weights, sizes, sum(part.bytes for part in parts))
        return made

    def _only(self, wanted: Callable[[RemoteFile], bool]) -> Listing:
        assert self.listing is not None
        return msgspec.structs.replace(self.listing, files=tuple(file for file in self.listing.files if wanted(file)))


def _is_unet(file: RemoteFile) -> bool:
    return file.path.startswith(f"{Part.UNET}/")


def base_of(entry: Entry | None, family: Family | None) -> Entry | None:
    """The catalogue's checkpoint that `entry` says it needs, or else that a lone UNet of `family` goes with."""
    if entry is not None and entry.needs is not None:
        return next(other for other in catalogue() if other.id == entry.needs)
    if family is None:
        return None
    wanted = _BASES.get(family, family)
    plain = (other for other in catalogue() if other.kind is Kind.CHECKPOINT and other.openvino is None)
    return next((other for other in plain if other.family is wanted), None)


def made_of(entry: Entry, weights: WeightFormat | None, library: Library) -> Path | None:
    """The folder of the checkpoint in the library that was made of `entry` in `weights`; None where there is none."""
    names = {entry.id, (entry.repo or "").lower(), (entry.repo or "").rpartition("/")[2].lower()}
    for found in library.checkpoints():
        record = read_record(found.folder)
        source = str(record.get("source") or "").partition("@")[0].lower()
        if weights is not None and record.get("weights") == weights.value and source in names:
            return found.folder
    return None


def extras_for(entry: Entry | None, source: str, *, lora: Path | None = None, parts_of: Path | None = None) -> Extras:
    """What a checkpoint made of `entry` is given: its words and the settings that its makers recommend."""
    if entry is None:
        few = SamplingFacts() if lora is None else few_step_facts(lora.stem, read_metadata(lora))
        return Extras(source=source, card=few.card, scheduler=few.scheduler, lora=lora, parts_of=parts_of)
    return Extras(source=source, card=entry.card(), scheduler=_scheduler(entry), lora=lora, parts_of=parts_of)


def _scheduler(entry: Entry) -> dict[str, Any]:
    """Distilled weights want a certain scheduler; a whole checkpoint brings its own."""
    if entry.recommended is None:
        return {}
    changed: dict[str, Any] = {}
    if entry.kind in (Kind.LORA, Kind.UNET):
        changed |= entry.recommended.scheduler.config
    if entry.recommended.timestep_spacing is not None:
        changed["timestep_spacing"] = entry.recommended.timestep_spacing
    return changed
