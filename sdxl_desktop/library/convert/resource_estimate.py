"""Estimate a conversion's time, memory and disk space from measurements with a full-size UNet.

SDXL base took 50 seconds from fp16 to int8 on two idle cores, and 1.3 GiB (benchmarks/convert.py); estimates allow more
time for laptops and their disks. int4 uses the same code path and buffers.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.detect.import_errors import ImportFailedError

_GB = 10**9
_START_SECONDS = 8.0  # importing torch, diffusers and OpenVINO
_SECONDS_PER_PART = 3.0  # tracing; nearly independent of the size
_SECONDS_PER_GB_READ = 2.0
_SECONDS_PER_BILLION_WEIGHTS = {  # for compressing and writing weights
    WeightFormat.FP32: 6.0,
    WeightFormat.FP16: 6.0,
    WeightFormat.INT8: 14.0,
    WeightFormat.INT4: 25.0,
}
_BASE_MEMORY = 1.4 * _GB
_MEMORY_PER_BILLION_WEIGHTS = 0.35 * _GB  # of the largest part's weights, in any format
_DISK_RESERVE = _GB // 2
"""Bytes of disk that are always left free."""


@dataclass(frozen=True, slots=True)
class ResourceEstimate:
    """`seconds` of work, peak `memory` of the worker process in bytes, `disk` bytes of the finished checkpoint, and
    `disk_meanwhile`, the bytes that must be free to make it."""

    seconds: float
    memory: int
    disk: int
    disk_meanwhile: int


def estimate_conversion(
    weights: WeightFormat, parameters: Iterable[int], bytes_read: int, *, pickled: bool = False
) -> ResourceEstimate:
    """Estimate for parts with these `parameters` counts. A pickled checkpoint is first converted to .safetensors."""
    sizes = list(parameters)
    billions, largest = sum(sizes) / 1e9, max(sizes, default=0)
    disk = round(sum(sizes) * weights.bytes_per_parameter)
    buffer_bytes = largest if weights in (WeightFormat.INT8, WeightFormat.INT4) else 0
    return ResourceEstimate(
        seconds=_START_SECONDS
        + _SECONDS_PER_PART * len(sizes)
        + _SECONDS_PER_GB_READ * bytes_read / _GB * (2 if pickled else 1)
        + _SECONDS_PER_BILLION_WEIGHTS[weights] * billions,
        memory=round(peak_memory(largest)),
        disk=disk,
        disk_meanwhile=disk + buffer_bytes + (bytes_read if pickled else 0),
    )


def estimate_copy(size: int) -> ResourceEstimate:
    """Estimate for a folder of OpenVINO parts, which is copied."""
    return ResourceEstimate(seconds=2 + size / (0.3 * _GB), memory=200 * 2**20, disk=size, disk_meanwhile=size)


def peak_memory(largest_part: int) -> float:
    """Return the peak bytes of a process that compresses one weight at a time; `largest_part` counts weights."""
    return _BASE_MEMORY + _MEMORY_PER_BILLION_WEIGHTS * largest_part / 1e9


def check_resources(estimate: ResourceEstimate, library_folder: Path, *, finished_bytes: int = 0) -> None:
    """Raise ImportFailedError unless disk and memory suffice. `finished_bytes` of the work are on disk already."""
    if why := disk_shortage(estimate, library_folder, "Importing", finished_bytes=finished_bytes):
        raise ImportFailedError(
            "There is not enough room on the disk for this checkpoint.",
            why=why,
            next_step="Make room, choose a smaller weight format, or another folder for checkpoints in the settings.",
        )
    if why := memory_shortage(estimate):
        raise ImportFailedError(
            "There is not enough memory free to convert this checkpoint.",
            why=why,
            next_step="Close other programs and try again.",
        )


def disk_shortage(estimate: ResourceEstimate, library_folder: Path, activity: str, *, finished_bytes: int) -> str:
    """Return why the disk of `library_folder` is too small for `activity` ("Importing"); "" if it suffices."""
    there = next(folder for folder in (library_folder, *library_folder.parents) if folder.is_dir())
    free, wanted = shutil.disk_usage(there).free, estimate.disk_meanwhile - finished_bytes + _DISK_RESERVE
    if free >= wanted:
        return ""
    return f"{activity} it takes {format_bytes(wanted)}, and {format_bytes(free)} are free where {there} lies."


def memory_shortage(estimate: ResourceEstimate) -> str:
    """Return why free memory is insufficient; "" if it suffices."""
    available = psutil.virtual_memory().available
    if available >= estimate.memory:
        return ""
    return f"It takes about {format_bytes(estimate.memory)}, and {format_bytes(available)} are free."


def format_bytes(size: float) -> str:
    """Return a readable size: "1.3 GB", "20 MB"."""
    return f"{size / _GB:.1f} GB" if size >= _GB / 10 else f"{size / 1e6:.0f} MB"
