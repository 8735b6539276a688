"""Estimates what a download will take to convert, from its files' sizes alone, and which format fits the computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdxl_desktop.library.catalogue import SYSTEM_RESERVE, Entry
from sdxl_desktop.library.convert.forecast import Forecast, copy_forecast, forecast
from sdxl_desktop.library.convert.plan import SHARES
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.hub.files import Layout, Listing

Forecasts = dict[WeightFormat | None, Forecast]

_FULL_UNET, _FULL_FILE = 6_500_000_000, 10_000_000_000
"""Bytes from which on a UNet and a whole checkpoint must be in full precision: SDXL's have 2.6 and 3.5 billion."""
_MEMORY_A_WEIGHT = {WeightFormat.FP16: 4.0, WeightFormat.INT8: 2.8, WeightFormat.INT4: 2.3}
"""Bytes that drawing takes for each weight: of 8 and 16 bits as the catalogue has it, of 4 bits a guess."""
_MEMORY = 1_600_000_000
"""Bytes that decoding takes beside them."""


def parameters_in(listing: Listing) -> list[int]:
    """About how many weights each network in `listing` has."""
    sizes: dict[str, int] = {}
    for file in listing.files:
        if file.path.endswith((".safetensors", ".ckpt", ".bin")):
            part = file.path.rpartition("/")[0]
            sizes[part] = sizes.get(part, 0) + file.size
    if listing.layout is Layout.SINGLE_FILE:
        width = 4 if listing.bytes > _FULL_FILE else 2
        return [round(listing.bytes / width * share) for share in SHARES]
    width = 4 if max(sizes.values(), default=0) > _FULL_UNET else 2
    return [size // width for size in sizes.values()]


def conversion(parameters: Sequence[int], bytes_read: int, *, pickled: bool = False) -> Forecasts:
    """By every weight format, for networks of so many `parameters`."""
    return {weights: forecast(weights, parameters, bytes_read, pickled=pickled) for weights in WeightFormat}


def download_forecasts(listing: Listing) -> Forecasts:
    """For a download that is a checkpoint by itself."""
    if listing.layout is Layout.OPENVINO:
        return as_it_is(listing.bytes)
    pickled = any(file.path.endswith(".ckpt") for file in listing.files)
    return conversion(parameters_in(listing), listing.bytes, pickled=pickled)


def as_it_is(size: int) -> Forecasts:
    """For what is moved to its place; the download itself is what takes room."""
    moved = copy_forecast(size)
    return {None: Forecast(seconds=1.0, memory=moved.memory, disk=size, disk_meanwhile=0)}


def suggest(forecasts: Mapping[WeightFormat | None, Forecast], entry: Entry | None, memory: int) -> WeightFormat | None:
    """The most exact of the formats that can be drawn with in `memory` bytes, of which the system keeps its reserve;
    None where nothing is to be chosen, and where nothing fits."""
    room = memory - SYSTEM_RESERVE
    for weights in (WeightFormat.FP16, WeightFormat.INT8, WeightFormat.INT4):
        if weights in forecasts and _drawing(weights, forecasts[weights], entry) <= room:
            return weights
    return None


def _drawing(weights: WeightFormat, about: Forecast, entry: Entry | None) -> float:
    known = getattr(entry.memory, weights.value, None) if entry is not None and entry.memory is not None else None
    return known or _MEMORY + _MEMORY_A_WEIGHT[weights] * about.disk / weights.bytes_per_parameter
