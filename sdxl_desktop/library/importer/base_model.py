"""The base checkpoint of a UNet or a LoRA: which one it is, which parts exist already, what must be downloaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.safetensors_header import read_metadata
from sdxl_desktop.library.catalogue import CatalogueEntry, CatalogueKind, catalogue
from sdxl_desktop.library.convert.conversion_options import ConversionOptions
from sdxl_desktop.library.convert.resource_estimate import estimate_conversion
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.sampling_metadata import SamplingMetadata, few_step_metadata
from sdxl_desktop.library.hub.remote_files import HubListing, RemoteFile
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.importer.import_estimates import EstimatesByFormat, parameter_counts
from sdxl_desktop.library.scan import Library

_BASE_FAMILY = {
    Family.LCM: Family.BASE,
    Family.LCM_SSD_1B: Family.SSD_1B,
}
_MAX_NAME_LENGTH = 48


@dataclass(frozen=True, slots=True)
class BaseModel:
    """`entry` is the base checkpoint; `listing` its files on the hub, None if the hub was not queried."""

    entry: CatalogueEntry
    listing: HubListing | None = None

    def download_name(self, name: str) -> str:
        """Return the download folder name of this base model when it is needed for the checkpoint `name`."""
        return f"{name[:_MAX_NAME_LENGTH]}+{self.entry.id}"

    def missing_files(self, library: Library, weight_format: WeightFormat | None, *, fusing: bool) -> HubListing | None:
        """Return the files that must be downloaded to make a checkpoint in `weight_format`; None if there are none.

        Parts already converted to this very format are not downloaded again. A LoRA is fused into the original UNet,
        which is then needed; without fusing the UNet is replaced and not needed.
        """
        assert self.listing is not None
        converted = find_converted(self.entry, weight_format, library) is not None
        if converted:
            return self._listing_of(_is_unet) if fusing else None
        return self.listing if fusing else self._listing_of(lambda file: not _is_unet(file))

    def conversion_estimates(self, library: Library, unet: HubListing | None, *, fusing: bool) -> EstimatesByFormat:
        """Estimate the conversion of the whole checkpoint with the UNet in `unet` (None: its own), by weight format."""
        assert self.listing is not None
        own = unet or self._listing_of(_is_unet)
        rest = self._listing_of(lambda file: not _is_unet(file))
        made: EstimatesByFormat = {}
        for weights in WeightFormat:
            parts = [own] if find_converted(self.entry, weights, library) is not None else [rest, own]
            sizes = [count for part in parts for count in parameter_counts(part)]
            made[weights] = estimate_conversion(weights, sizes, sum(part.bytes for part in parts))
        return made

    def _listing_of(self, predicate: Callable[[RemoteFile], bool]) -> HubListing:
        assert self.listing is not None
        return msgspec.structs.replace(
            self.listing, files=tuple(file for file in self.listing.files if predicate(file))
        )


def _is_unet(file: RemoteFile) -> bool:
    return file.path.startswith(f"{Part.UNET}/")


def base_model_entry(entry: CatalogueEntry | None, family: Family | None) -> CatalogueEntry | None:
    """Return the catalogue's checkpoint that `entry` needs, or else the base of a lone UNet of `family`."""
    if entry is not None and entry.needs is not None:
        return next(other for other in catalogue() if other.id == entry.needs)
    if family is None:
        return None
    wanted = _BASE_FAMILY.get(family, family)
    plain = (other for other in catalogue() if other.kind is CatalogueKind.CHECKPOINT and other.openvino is None)
    return next((other for other in plain if other.family is wanted), None)


def find_converted(entry: CatalogueEntry, weight_format: WeightFormat | None, library: Library) -> Path | None:
    """Return the folder of the library checkpoint made from `entry` in `weight_format`, or None."""
    names = {entry.id, (entry.repo or "").lower(), (entry.repo or "").rpartition("/")[2].lower()}
    for found in library.checkpoints():
        record = read_import_record(found.folder)
        source = str(record.get("source") or "").partition("@")[0].lower()
        if weight_format is not None and record.get("weights") == weight_format.value and source in names:
            return found.folder
    return None


def conversion_options(
    entry: CatalogueEntry | None, source: str, *, lora: Path | None = None, reuse_parts_from: Path | None = None
) -> ConversionOptions:
    """Return the conversion options for a checkpoint made from `entry`: its description and recommended settings."""
    if entry is None:
        few = SamplingMetadata() if lora is None else few_step_metadata(lora.stem, read_metadata(lora))
        return ConversionOptions(
            source=source,
            checkpoint_json=few.checkpoint_json,
            scheduler_config=few.scheduler_config,
            lora=lora,
            reuse_parts_from=reuse_parts_from,
        )
    return ConversionOptions(
        source=source,
        checkpoint_json=entry.checkpoint_json(),
        scheduler_config=_scheduler_config(entry),
        lora=lora,
        reuse_parts_from=reuse_parts_from,
    )


def _scheduler_config(entry: CatalogueEntry) -> dict[str, Any]:
    """Distilled weights need a certain scheduler; a complete checkpoint has its own."""
    if entry.recommended is None:
        return {}
    changed: dict[str, Any] = {}
    if entry.kind in (CatalogueKind.LORA, CatalogueKind.UNET):
        changed |= entry.recommended.scheduler.config
    if entry.recommended.timestep_spacing is not None:
        changed["timestep_spacing"] = entry.recommended.timestep_spacing
    return changed
