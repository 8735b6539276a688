"""Look up a model to import and report everything needed for a decision, before anything large is downloaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from sdxl_desktop.formats.detected_model import ModelKind
from sdxl_desktop.formats.families import Family
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.catalogue import CatalogueEntry
from sdxl_desktop.library.checkpoint_names import find_free_name, validate_name
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate, estimate_conversion
from sdxl_desktop.library.convert.unet_swap import detect_unet, is_unet_folder
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.hub_address import HubAddress, parse_address
from sdxl_desktop.library.hub.hub_connection import HubConnection
from sdxl_desktop.library.hub.hub_errors import HubError
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing
from sdxl_desktop.library.importer.base_model import BaseModel, base_model_entry, find_converted
from sdxl_desktop.library.importer.import_estimates import (
    EstimatesByFormat,
    download_estimates,
    suggest_weight_format,
    unconverted_estimates,
)
from sdxl_desktop.library.importer.resolve import HubResolver, count_downloaded_bytes, local_path, pick_download_folder
from sdxl_desktop.library.scan import Library

Emit = Callable[[DownloadProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """A possible import with everything needed for a decision, before anything large is downloaded or converted.

    `title` is readable text, `name` the proposed unused name in the library, `source` a local path or an address on the
    hub, `entry` the catalogue entry if it is a known model. `kind` and `family` are None if only the download can tell.
    `licence` is the hub's name for it, "" if unknown.

    `download_bytes` is the download size (0 for local files), of which `downloaded_bytes` exist already. `estimates`
    has one entry for each weight format that can be chosen, and one under None for an import without conversion; it is
    approximate where only the download can tell. `suggested_format` is the format that fits this computer's memory; it
    is never applied silently. `required_titles` are the titles of other models whose parts are downloaded too, since
    the library has none in that format. `advice` is not empty if there is nothing to import (for instance a local LoRA
    file), and says what to do instead. `notes` are sentences about what the import includes.

    `listing` is the hub's file listing, `base_model` the checkpoint it is used with, and `base_model_bytes` the
    additional download for that, by weight format (nothing if the library has it), of which
    `base_model_downloaded_bytes` exist already. `fuses_lora`: it is a LoRA, which becomes a checkpoint if a weight
    format is chosen, and an addition under None.
    """

    title: str
    name: str
    source: Path | HubAddress
    entry: CatalogueEntry | None
    kind: ModelKind | None
    family: Family | None
    licence: str
    gated: bool
    download_bytes: int
    downloaded_bytes: int
    estimates: Mapping[WeightFormat | None, ResourceEstimate]
    suggested_format: WeightFormat | None
    required_titles: tuple[str, ...] = ()
    advice: str = ""
    listing: HubListing | None = field(default=None, repr=False)
    base_model: BaseModel | None = field(default=None, repr=False)
    base_model_bytes: Mapping[WeightFormat | None, int] = field(default_factory=dict)
    base_model_downloaded_bytes: Mapping[WeightFormat | None, int] = field(default_factory=dict)
    own_downloaded_bytes: int = 0
    notes: tuple[str, ...] = ()

    @property
    def fuses_lora(self) -> bool:
        return self.kind is ModelKind.LORA and self.base_model is not None

    def download_bytes_for(self, weight_format: WeightFormat | None) -> int:
        """Return the download size if `weight_format` is chosen; `download_bytes` is the one for `suggested_format`."""
        own = self.listing.bytes if self.listing is not None else 0
        return own + self.base_model_bytes.get(weight_format, 0)

    def downloaded_bytes_for(self, weight_format: WeightFormat | None) -> int:
        """Return how many of those bytes exist already; `downloaded_bytes` is the one for `suggested_format`."""
        return self.own_downloaded_bytes + self.base_model_downloaded_bytes.get(weight_format, 0)


def preview_import(
    source: str | Path,
    library: Library,
    *,
    name: str | None = None,
    openvino: bool = False,
    emit: Emit = lambda progress: None,
    cancel: threading.Event | None = None,
    connection: HubConnection | None = None,
) -> ImportPreview:
    """Look up `source`: a path, a catalogue id ("sdxl-base"), a repository id ("owner/name") or a URL.

    Only the latter three use the network, and block meanwhile. `openvino` prefers ready-made OpenVINO parts if there
    are both. Raises CheckpointError and HubError (AccessError, HubNotFoundError, DownloadCancelledError after a cancel,
    …).
    """
    path = local_path(source)
    if path is not None:
        return _preview_local(path, library, name)
    text = str(source).strip()
    entry = catalogue.find_entry(text)
    address = entry.address if entry is not None else parse_address(text)
    if name is not None:
        validate_name(name, library.user_folder)
    resolver = HubResolver(library.user_folder, emit, cancel, connection or HubConnection.default())
    openvino = openvino or (entry is not None and entry.openvino is not None)
    chosen = name or find_free_name(entry.id if entry is not None else address.name, library.user_folder)
    listing = resolver.list_files(address, chosen, openvino=openvino)
    kept = count_downloaded_bytes(address, listing, pick_download_folder(library.user_folder, chosen, listing))
    return _preview_on_hub(address, entry, chosen, listing, kept, library, resolver)


def _preview_local(path: Path, library: Library, name: str | None) -> ImportPreview:
    """Preview a local file or folder."""
    path = path.expanduser().absolute()
    if path.is_dir() and is_unet_folder(path):
        return _preview_local_unet(path, library, name)
    plan = plan_import(path, library.user_folder, name)
    return _with_suggested_format(
        ImportPreview(
            title=path.name,
            name=plan.name,
            source=path,
            entry=None,
            kind=plan.kind,
            family=plan.family,
            licence="",
            gated=False,
            download_bytes=0,
            downloaded_bytes=0,
            estimates=plan.estimates,
            suggested_format=None,
            advice=plan.advice,
            notes=plan.notes,
        )
    )


def _preview_local_unet(path: Path, library: Library, name: str | None) -> ImportPreview:
    """Preview a lone UNet: its base model is known by its family, and the hub is queried for it at import."""
    found = detect_unet(path)
    base = base_model_entry(None, found.family)
    chosen = (
        validate_name(name, library.user_folder) if name is not None else find_free_name(path.name, library.user_folder)
    )
    sizes = [part.parameters for part in found.parts]
    coming: dict[WeightFormat | None, int] = {}
    if base is not None:
        coming = {weights: _other_parts_bytes(base, weights, library) for weights in WeightFormat}
    offer = ImportPreview(
        title=path.name,
        name=chosen,
        source=path,
        entry=None,
        kind=ModelKind.CHECKPOINT,
        family=found.family,
        licence="",
        gated=False,
        download_bytes=0,
        downloaded_bytes=0,
        estimates={
            weights: estimate_conversion(weights, [*sizes, coming[weights] // 2], found.bytes + coming[weights])
            for weights in WeightFormat
            if coming
        },
        suggested_format=None,
        advice="" if base is not None else "It is a UNet that goes with no checkpoint known here.",
        base_model=BaseModel(base) if base is not None else None,
        base_model_bytes=coming,
    )
    return _with_suggested_format(offer)


def _other_parts_bytes(base: CatalogueEntry, weights: WeightFormat, library: Library) -> int:
    """Return the approximate bytes of `base`'s encoders and VAE in half precision, if they must be downloaded."""
    if find_converted(base, weights, library) is not None:
        return 0
    return _OTHER_PARTS_BYTES


_OTHER_PARTS_BYTES = 1_800_000_000


def _preview_on_hub(
    address: HubAddress,
    entry: CatalogueEntry | None,
    name: str,
    listing: HubListing,
    downloaded_bytes: int,
    library: Library,
    resolver: HubResolver,
) -> ImportPreview:
    """Preview a model on the hub."""
    base_model = _resolve_base_model(entry, resolver)
    kind, forecasts = _kind(entry, listing), _estimates(entry, listing, base_model, library)
    fusing = kind is ModelKind.LORA
    coming, there = dict[WeightFormat | None, int](), dict[WeightFormat | None, int]()
    for weights in forecasts if base_model is not None else ():
        missing = (
            base_model.missing_files(library, weights, fusing=fusing)
            if base_model is not None and weights is not None
            else None
        )
        if base_model is not None and missing is not None:
            coming[weights] = missing.bytes
            folder = pick_download_folder(library.user_folder, base_model.download_name(name), missing)
            there[weights] = count_downloaded_bytes(base_model.entry.address, missing, folder)
    return _with_suggested_format(
        ImportPreview(
            title=entry.title if entry is not None else address.name,
            name=name,
            source=address,
            entry=entry,
            kind=kind,
            family=entry.family if entry is not None else None,
            licence=listing.licence,
            gated=listing.gated,
            download_bytes=listing.bytes,
            downloaded_bytes=0,
            estimates=forecasts,
            suggested_format=None,
            listing=listing,
            base_model=base_model,
            base_model_bytes=coming,
            base_model_downloaded_bytes=there,
            own_downloaded_bytes=downloaded_bytes,
        )
    )


def _resolve_base_model(entry: CatalogueEntry | None, resolver: HubResolver) -> BaseModel | None:
    """Return the base model of `entry` with its hub listing."""
    base = base_model_entry(entry, None)
    if entry is None or base is None:
        return None
    try:
        return BaseModel(base, resolver.list_files(base.address, base.id))
    except HubError:
        if entry.kind is catalogue.CatalogueKind.LORA and not entry.fused:
            return None  # the base model is optional
        raise


def _kind(entry: CatalogueEntry | None, listing: HubListing) -> ModelKind | None:
    """Return the kind if it is known before the download: a single file, or a part, can be many things."""
    if entry is not None:
        return {catalogue.CatalogueKind.LORA: ModelKind.LORA, catalogue.CatalogueKind.VAE: ModelKind.VAE}.get(
            entry.kind, ModelKind.CHECKPOINT
        )
    return ModelKind.CHECKPOINT if listing.layout in (DownloadLayout.DIFFUSERS, DownloadLayout.OPENVINO) else None


def _estimates(
    entry: CatalogueEntry | None, listing: HubListing, base_model: BaseModel | None, library: Library
) -> EstimatesByFormat:
    if entry is not None and entry.kind is catalogue.CatalogueKind.LORA:
        placed = {} if entry.fused else unconverted_estimates(listing.bytes)
        return placed | (base_model.conversion_estimates(library, None, fusing=True) if base_model is not None else {})
    if entry is not None and entry.kind is catalogue.CatalogueKind.VAE:
        return unconverted_estimates(listing.bytes)
    if base_model is not None:
        return base_model.conversion_estimates(library, listing, fusing=False)
    if listing.layout is DownloadLayout.OPENVINO:
        return download_estimates(listing)
    if _may_be_addition(listing):
        return unconverted_estimates(listing.bytes) | download_estimates(listing)
    return download_estimates(listing)


def _may_be_addition(listing: HubListing) -> bool:
    """Whether it may be a LoRA, an embedding or a VAE, which are not converted; a checkpoint is larger."""
    return listing.layout in (DownloadLayout.SINGLE_FILE, DownloadLayout.PART) and listing.bytes < _MIN_CHECKPOINT_BYTES


_MIN_CHECKPOINT_BYTES = 2_000_000_000


def _with_suggested_format(offer: ImportPreview) -> ImportPreview:
    """Return `offer` with the format that fits this computer and the download size for it."""
    weights = None
    if None not in offer.estimates:
        weights = suggest_weight_format(offer.estimates, offer.entry, psutil.virtual_memory().total)
    likely = weights if weights in offer.estimates else next(iter(offer.estimates), None)
    return replace(
        offer,
        suggested_format=weights,
        download_bytes=offer.download_bytes_for(likely),
        downloaded_bytes=offer.downloaded_bytes_for(likely),
        required_titles=(offer.base_model.entry.title,)
        if offer.base_model is not None and offer.base_model_bytes.get(likely)
        else (),
    )
