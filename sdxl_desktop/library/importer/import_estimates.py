"""Estimate the cost of converting a download from its file sizes alone, and choose a format that fits the computer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdxl_desktop.formats.weight_variants import ENDINGS, PICKLED
from sdxl_desktop.library.catalogue import SYSTEM_MEMORY_RESERVE, CatalogueEntry
from sdxl_desktop.library.convert.import_plan import PART_SIZE_SHARES
from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate, estimate_conversion, estimate_copy
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.remote_files import DownloadLayout, HubListing

EstimatesByFormat = dict[WeightFormat | None, ResourceEstimate]

_FULL_PRECISION_UNET_BYTES, _FULL_PRECISION_FILE_BYTES = 6_500_000_000, 10_000_000_000
"""Bytes from which a UNet or a whole checkpoint must be in full precision: SDXL's have 2.6 and 3.5 billion parameters.
"""
_MEMORY_PER_PARAMETER = {WeightFormat.FP16: 4.0, WeightFormat.INT8: 2.8, WeightFormat.INT4: 2.3}
"""Bytes of memory per parameter during generation: 8 and 16 bits from the catalogue, 4 bits a guess."""
_DECODING_MEMORY = 1_600_000_000
"""Additional bytes for decoding."""


def parameter_counts(listing: HubListing) -> list[int]:
    """Return the approximate number of parameters of each network in `listing`."""
    sizes: dict[str, int] = {}
    for file in listing.files:
        if file.path.endswith(ENDINGS):
            part = file.path.rpartition("/")[0]
            sizes[part] = sizes.get(part, 0) + file.size
    if listing.layout is DownloadLayout.SINGLE_FILE:
        width = 4 if listing.bytes > _FULL_PRECISION_FILE_BYTES else 2
        return [round(listing.bytes / width * share) for share in PART_SIZE_SHARES]
    width = 4 if max(sizes.values(), default=0) > _FULL_PRECISION_UNET_BYTES else 2
    return [size // width for size in sizes.values()]


def conversion_estimates(parameters: Sequence[int], bytes_read: int, *, pickled: bool = False) -> EstimatesByFormat:
    """Estimate every weight format for networks with these `parameters` counts."""
    return {weights: estimate_conversion(weights, parameters, bytes_read, pickled=pickled) for weights in WeightFormat}


def download_estimates(listing: HubListing) -> EstimatesByFormat:
    """Estimate the conversion of a download that is a complete checkpoint."""
    if listing.layout is DownloadLayout.OPENVINO:
        return unconverted_estimates(listing.bytes)
    pickled = any(file.path.endswith(PICKLED) for file in listing.files)
    return conversion_estimates(parameter_counts(listing), listing.bytes, pickled=pickled)


def unconverted_estimates(size: int) -> EstimatesByFormat:
    """Estimate an import without conversion, by moving; only the download itself takes disk space."""
    moved = estimate_copy(size)
    return {None: ResourceEstimate(seconds=1.0, memory=moved.memory, disk=size, disk_meanwhile=0)}


def suggest_weight_format(
    estimates: Mapping[WeightFormat | None, ResourceEstimate], entry: CatalogueEntry | None, memory: int
) -> WeightFormat | None:
    """Return the most precise format that can be used with `memory` bytes minus the system's reserve; None if there is
    no choice or nothing fits."""
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
