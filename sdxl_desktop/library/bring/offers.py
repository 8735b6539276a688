"""Looks up what is to be brought, and says all that a person decides by, before anything large is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil

from sdxl_desktop.formats.families import Family
from sdxl_desktop.formats.found import Kind
from sdxl_desktop.library import catalogue
from sdxl_desktop.library.bring.asking import Asking, bytes_here, free_folder, path_of
from sdxl_desktop.library.bring.estimates import Forecasts, as_it_is, download_forecasts, suggest
from sdxl_desktop.library.bring.kin import Kin, base_of, made_of
from sdxl_desktop.library.catalogue import Entry
from sdxl_desktop.library.checkpoint_names import checked_name, free_name
from sdxl_desktop.library.convert.forecast import Forecast, forecast
from sdxl_desktop.library.convert.grafting import holds_unet_alone, unet_alone
from sdxl_desktop.library.convert.plan import plan_import
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.address import Address, parse_address
from sdxl_desktop.library.hub.errors import HubError
from sdxl_desktop.library.hub.files import Layout, Listing
from sdxl_desktop.library.hub.job import DownloadProgress
from sdxl_desktop.library.hub.running import Line
from sdxl_desktop.library.scan import Library

Emit = Callable[[DownloadProgress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What can be brought, before anything large is fetched or converted: everything a person decides by.

    `title` in plain words, `name` the proposed name in the library, which is free, `source` where it comes from (a path
    here, or an address on the hub), `entry` the catalogue's where it is a known one. `kind` and `family` are None while
    only its download can tell. `licence` is the hub's name for it, "" where none is known.

    `download_bytes` come over the line (0 for what lies on this disk), `kept_bytes` of them are here already.
    `forecasts` has one for each weight format that can be chosen, and one under None for what is taken as it is:
    estimates where only the download can tell. `suggested` is the format that fits this computer's memory; it is never
    applied silently. `needs` are the titles of others whose parts come along then, since the library has none in that
    format. `advice` is not empty where there is nothing to import (a LoRA here on the disk, for instance), and says
    what to do instead. `notes` are sentences on what is taken of it.

    `listing` is what the hub has of it, `kin` the checkpoint that it goes with, and `kin_bytes` what of that comes over
    the line as well, by weight format (nothing where the library has it); `kin_kept` of those are here already.
    `fusing`: it is a LoRA, which becomes a checkpoint where a weight format is chosen, and an addition under None.
    """

    title: str
    name: str
    source: Path | Address
    entry: Entry | None
    kind: Kind | None
    family: Family | None
    licence: str
    gated: bool
    download_bytes: int
    kept_bytes: int
    forecasts: Mapping[WeightFormat | None, Forecast]
    suggested: WeightFormat | None
    needs: tuple[str, ...] = ()
    advice: str = ""
    listing: Listing | None = field(default=None, repr=False)
    kin: Kin | None = field(default=None, repr=False)
    kin_bytes: Mapping[WeightFormat | None, int] = field(default_factory=dict)
    kin_kept: Mapping[WeightFormat | None, int] = field(default_factory=dict)
    own_kept: int = 0
    notes: tuple[str, ...] = ()

    @property
    def fusing(self) -> bool:
        return self.kind is Kind.LORA and self.kin is not None

    def bytes_for(self, weights: WeightFormat | None) -> int:
        """Bytes that come over the line when `weights` is chosen; `download_bytes` are those for `suggested`."""
        own = self.listing.bytes if self.listing is not None else 0
        return own + self.kin_bytes.get(weights, 0)

    def kept_for(self, weights: WeightFormat | None) -> int:
        """Those of them that are here already; `kept_bytes` are those for `suggested`."""
        return self.own_kept + self.kin_kept.get(weights, 0)


def look_up(
    what: str | Path,
    library: Library,
    *,
    name: str | None = None,
    openvino: bool = False,
    emit: Emit = lambda progress: None,
    cancel: threading.Event | None = None,
    line: Line | None = None,
) -> Offer:
    """What `what` is: a path, an id of the catalogue ("sdxl-base"), an id of the hub ("owner/name") or a URL.

    Uses the network for the latter three only, and blocks while it does. `openvino` takes ready-made OpenVINO parts
    where there are both. Raises CheckpointError, and HubError (AccessError, NotThereError, DownloadStoppedError after
    a cancel, …).
    """
    path = path_of(what)
    if path is not None:
        return _here(path, library, name)
    text = str(what).strip()
    entry = catalogue.find(text)
    address = entry.address if entry is not None else parse_address(text)
    if name is not None:
        checked_name(name, library.own)
    asking = Asking(library.own, emit, cancel, line or Line.usual())
    openvino = openvino or (entry is not None and entry.openvino is not None)
    chosen = name or free_name(entry.id if entry is not None else address.name, library.own)
    listing = asking.what(address, chosen, openvino=openvino)
    kept = bytes_here(address, listing, free_folder(library.own, chosen, listing))
    return _there(address, entry, chosen, listing, kept, library, asking)


def _here(path: Path, library: Library, name: str | None) -> Offer:
    """What lies on this disk."""
    path = path.expanduser().absolute()
    if path.is_dir() and holds_unet_alone(path):
        return _unet_here(path, library, name)
    plan = plan_import(path, library.own, name)
    return _suggested(
        Offer(
            title=path.name,
            name=plan.name,
            source=path,
            entry=None,
            kind=plan.kind,
            family=plan.family,
            licence="",
            gated=False,
            download_bytes=0,
            kept_bytes=0,
            forecasts=plan.forecasts,
            suggested=None,
            advice=plan.advice,
            notes=plan.notes,
        )
    )


def _unet_here(path: Path, library: Library, name: str | None) -> Offer:
    """A UNet without the rest: what it goes with is known by its family, and is asked for when it is brought."""
    found = unet_alone(path)
    base = base_of(None, found.family)
    chosen = checked_name(name, library.own) if name is not None else free_name(path.name, library.own)
    sizes = [part.parameters for part in found.parts]
    coming: dict[WeightFormat | None, int] = {}
    if base is not None:
        coming = {weights: _rest_bytes(base, weights, library) for weights in WeightFormat}
    offer = Offer(
        title=path.name,
        name=chosen,
        source=path,
        entry=None,
        kind=Kind.CHECKPOINT,
        family=found.family,
        licence="",
        gated=False,
        download_bytes=0,
        kept_bytes=0,
        forecasts={
            weights: forecast(weights, [*sizes, coming[weights] // 2], found.bytes + coming[weights])
            for weights in WeightFormat
            if coming
        },
        suggested=None,
        advice="" if base is not None else "It is a UNet that goes with no checkpoint known here.",
        kin=Kin(base) if base is not None else None,
        kin_bytes=coming,
    )
    return _suggested(offer)


def _rest_bytes(base: Entry, weights: WeightFormat, library: Library) -> int:
    """About what the encoders and the VAE of `base` have in half precision, where they must be fetched."""
    if made_of(base, weights, library) is not None:
        return 0
    return _REST_BYTES


_REST_BYTES = 1_800_000_000


def _there(
    address: Address, entry: Entry | None, name: str, listing: Listing, kept: int, library: Library, asking: Asking
) -> Offer:
    """What the hub has."""
    kin = _kin(entry, asking)
    kind, forecasts = _kind(entry, listing), _own_forecasts(entry, listing, kin, library)
    fusing = kind is Kind.LORA
    coming, there = dict[WeightFormat | None, int](), dict[WeightFormat | None, int]()
    for weights in forecasts if kin is not None else ():
        missing = kin.missing(library, weights, fusing=fusing) if kin is not None and weights is not None else None
        if kin is not None and missing is not None:
            coming[weights] = missing.bytes
            folder = free_folder(library.own, kin.download_name(name), missing)
            there[weights] = bytes_here(kin.entry.address, missing, folder)
    return _suggested(
        Offer(
            title=entry.title if entry is not None else address.name,
            name=name,
            source=address,
            entry=entry,
            kind=kind,
            family=entry.family if entry is not None else None,
            licence=listing.licence,
            gated=listing.gated,
            download_bytes=listing.bytes,
            kept_bytes=0,
            forecasts=forecasts,
            suggested=None,
            listing=listing,
            kin=kin,
            kin_bytes=coming,
            kin_kept=there,
            own_kept=kept,
        )
    )


def _kin(entry: Entry | None, asking: Asking) -> Kin | None:
    """The checkpoint that `entry` goes with, and what the hub has of it."""
    base = base_of(entry, None)
    if entry is None or base is None:
        return None
    try:
        return Kin(base, asking.what(base.address, base.id))
    except HubError:
        if entry.kind is catalogue.Kind.LORA and not entry.fused:
            return None  # it can be had without
        raise


def _kind(entry: Entry | None, listing: Listing) -> Kind | None:
    """What can be told before the download: a single file, or a part, can be many things."""
    if entry is not None:
        return {catalogue.Kind.LORA: Kind.LORA, catalogue.Kind.VAE: Kind.VAE}.get(entry.kind, Kind.CHECKPOINT)
    return Kind.CHECKPOINT if listing.layout in (Layout.DIFFUSERS, Layout.OPENVINO) else None


def _own_forecasts(entry: Entry | None, listing: Listing, kin: Kin | None, library: Library) -> Forecasts:
    if entry is not None and entry.kind is catalogue.Kind.LORA:
        placed = {} if entry.fused else as_it_is(listing.bytes)
        return placed | (kin.forecasts(library, None, fusing=True) if kin is not None else {})
    if entry is not None and entry.kind is catalogue.Kind.VAE:
        return as_it_is(listing.bytes)
    if kin is not None:
        return kin.forecasts(library, listing, fusing=False)
    if listing.layout is Layout.OPENVINO:
        return download_forecasts(listing)
    if _may_be_small(listing):
        return as_it_is(listing.bytes) | download_forecasts(listing)
    return download_forecasts(listing)


def _may_be_small(listing: Listing) -> bool:
    """Whether it can be a LoRA, an embedding or a VAE, which is not converted; a checkpoint is larger than that."""
    return listing.layout in (Layout.SINGLE_FILE, Layout.PART) and listing.bytes < _SMALLEST_CHECKPOINT


_SMALLEST_CHECKPOINT = 2_000_000_000


def _suggested(offer: Offer) -> Offer:
    """`offer` with the format that fits this computer, and what comes over the line for that."""
    weights = None
    if None not in offer.forecasts:
        weights = suggest(offer.forecasts, offer.entry, psutil.virtual_memory().total)
    likely = weights if weights in offer.forecasts else next(iter(offer.forecasts), None)
    return replace(
        offer,
        suggested=weights,
        download_bytes=offer.bytes_for(likely),
        kept_bytes=offer.kept_for(likely),
        needs=(offer.kin.entry.title,) if offer.kin is not None and offer.kin_bytes.get(likely) else (),
    )
