"""Estimates what a download will take to convert, from its files' sizes alone, and which format fits the computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdxl_desktop.library.catalogue import SYSTEM_MEMORY_RESERVE, CatalogueEntry
from sdxl_desktop.library.convert.import_plan import PART_SIZE_SHARES
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate, estimate_conversion, estimate_copy
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing

EstimatesByFormat = dict[WeightFormat | None, ResourceEstimate]

_FULL_PRECISION_UNET_BYTES, _FULL_PRECISION_FILE_BYTES = 6_500_000_000, 10_000_000_000
"""Bytes from which on a UNet and a whole checkpoint must be in full precision: SDXL's have 2.6 and 3.5 billion."""
_MEMORY_PER_PARAMETER = {WeightFormat.FP16: 4.0, WeightFormat.INT8: 2.8, WeightFormat.INT4: 2.3}
"""Bytes that drawing takes for each weight: of 8 and 16 bits as the catalogue has it, of 4 bits a guess."""
_DECODING_MEMORY = 1_600_000_000
"""Bytes that decoding takes beside them."""


def parameter_counts(listing: HubListing) -> list[int]:
    """About how many weights each network in `listing` has."""
    sizes: dict[str, int] = {}
    for file in listing.files:
        if file.path.endswith((".safetensors", ".ckpt", ".bin")):
            part = file.path.rpartition("/")[0]
            sizes[part] = sizes.get(part, 0) + file.size
    if listing.layout is DownloadLayout.SINGLE_FILE:
        width = 4 if listing.bytes > _FULL_PRECISION_FILE_BYTES else 2
        return [round(listing.bytes / width * share) for share in PART_SIZE_SHARES]
    width = 4 if max(sizes.values(), default=0) > _FULL_PRECISION_UNET_BYTES else 2
    return [size // width for size in sizes.values()]


def conversion_estimates(parameters: Sequence[int], bytes_read: int, *, pickled: bool = False) -> EstimatesByFormat:
    """By every weight format, for networks of so many `parameters`."""
    return {weights: estimate_conversion(weights, parameters, bytes_read, pickled=pickled) for weights in WeightFormat}


def download_estimates(listing: HubListing) -> EstimatesByFormat:
    """For a download that is a checkpoint by itself."""
    if listing.layout is DownloadLayout.OPENVINO:
        return unconverted_estimates(listing.bytes)
    pickled = any(file.path.endswith(".ckpt") for file in listing.files)
    return conversion_estimates(parameter_counts(listing), listing.bytes, pickled=pickled)


def unconverted_estimates(size: int) -> EstimatesByFormat:
    """For what is moved to its place; the download itself is what takes room."""
    moved = estimate_copy(size)
    return {None: ResourceEstimate(seconds=1.0, memory=moved.memory, disk=size, disk_meanwhile=0)}


def suggest_weight_format(
    estimates: Mapping[WeightFormat | None, ResourceEstimate], entry: CatalogueEntry | None, memory: int
) -> WeightFormat | None:
    """The most exact of the formats that can be drawn with in `memory` bytes, of which the system keeps its reserve;
    None where nothing is to be chosen, and where nothing fits."""
    room = memory - SYSTEM_MEMORY_RESERVE
    for weights in (WeightFormat.FP16, WeightFormat.INT8, WeightFormat.INT4):
        if weights in estimates and _drawing_memory(weights, estimates[weights], entry) <= room:
            return weights
    return None


def _drawing_memory(weight_format: WeightFormat, estimate: ResourceEstimate, entry: CatalogueEntry | None) -> float:
    known = getattr(entry.memory, weight_format.value, None) if entry is not None and entry.memory is not None else None
    return (
        known
        or _DECODING_MEMORY + _MEMORY_PER_PARAMETER[weight_format] * estimate.disk / weight_format.bytes_per_parameter
    )
