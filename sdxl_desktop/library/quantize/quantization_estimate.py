"""Estimate a quantization's time, memory and disk space. Rough: the device's speed is not known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate, disk_shortage, memory_shortage, peak_memory
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.quantization_errors import QuantizationError
from sdxl_desktop.library.quantize.quantization_job import QuantizationPhase
from sdxl_desktop.library.quantize.quantization_method import PartMethod, QuantizationMethod

_GB = 10**9
_START_SECONDS = 12.0  # importing torch, optimum-intel and NNCF
_SECONDS_PER_BILLION_WEIGHTS = {
    QuantizationPhase.COMPRESSING: 20.0,
    QuantizationPhase.WRITING: 6.0,
    QuantizationPhase.COPYING: 6.0,
}
"""Of weights."""
_SECONDS_PER_UNET_CALL = 20.0  # for a UNet of a billion weights, with guidance, at 512 x 512, on one core in f32
_STAGE_START_SECONDS = {
    QuantizationPhase.RECORDING: 8.0,
    QuantizationPhase.CALIBRATING: 15.0,
}
"""Importing and compiling; building NNCF's graph."""
_UNET_CALLS_PER_SAMPLE = 4.0  # a sample runs through the network several times to find ranges and biases
_CALIBRATING_MEMORY = 2.0 * _GB
_CALIBRATING_MEMORY_PER_BILLION_WEIGHTS = 9.0 * _GB  # compiled in f32, NNCF's own copies, activations
_BYTES_PER_WEIGHT = {
    PartMethod.INT8: 1.01,
    PartMethod.INT4: 0.66,
    PartMethod.HYBRID: 1.01,
    PartMethod.FULL: 1.01,
}
"""On disk."""
_SAMPLE_BYTES = 2 * 10**6

PartSizes = Mapping[str, tuple[int, int]]
"""(bytes on the disk, weights) of each part."""


def phase_seconds(
    method: QuantizationMethod, parts: PartSizes, calibration: Calibration | None
) -> dict[tuple[str, QuantizationPhase], float]:
    """Return the seconds that each phase of each part will take, in order."""
    steps: dict[tuple[str, QuantizationPhase], float] = {}
    for part, (_, weights) in parts.items():
        billions = weights / 1e9
        treatment = method.part_method(part)
        if treatment is PartMethod.UNCHANGED:
            steps[part, QuantizationPhase.COPYING] = _SECONDS_PER_BILLION_WEIGHTS[QuantizationPhase.COPYING] * billions
            continue
        if treatment in (PartMethod.HYBRID, PartMethod.FULL) and calibration is not None:
            look = _seconds_per_unet_call(billions, calibration)
            looks = {
                QuantizationPhase.RECORDING: len(calibration.picture_prompts) * calibration.steps,
                QuantizationPhase.CALIBRATING: calibration.samples * _UNET_CALLS_PER_SAMPLE,
            }
            for phase, count in looks.items():
                steps[part, phase] = _STAGE_START_SECONDS[phase] + look * count
        else:
            steps[part, QuantizationPhase.COMPRESSING] = (
                _SECONDS_PER_BILLION_WEIGHTS[QuantizationPhase.COMPRESSING] * billions
            )
        steps[part, QuantizationPhase.WRITING] = _SECONDS_PER_BILLION_WEIGHTS[QuantizationPhase.WRITING] * billions
    return steps


def _seconds_per_unet_call(billions: float, calibration: Calibration) -> float:
    cores = psutil.cpu_count(logical=False) or 1
    pixels = calibration.size.width * calibration.size.height / 512**2
    halves = 1.0 if calibration.guidance_scale > 1 else 0.5
    return 0.05 + _SECONDS_PER_UNET_CALL * billions * pixels * halves / cores


def estimate_quantization(
    method: QuantizationMethod, parts: PartSizes, calibration: Calibration | None
) -> ResourceEstimate:
    """Estimate for a checkpoint with these `parts`."""
    disk = sum(
        size
        if method.part_method(part) is PartMethod.UNCHANGED
        else round(weights * _BYTES_PER_WEIGHT[method.part_method(part)])
        for part, (size, weights) in parts.items()
    )
    largest = max((weights for _, weights in parts.values()), default=0)
    memory, samples = peak_memory(largest), 0
    if calibration is not None:
        memory = _CALIBRATING_MEMORY + _CALIBRATING_MEMORY_PER_BILLION_WEIGHTS * largest / 1e9
        samples = calibration.steps * len(calibration.picture_prompts) * _SAMPLE_BYTES
    return ResourceEstimate(
        seconds=_START_SECONDS + sum(phase_seconds(method, parts, calibration).values()),
        memory=round(memory),
        disk=disk,
        disk_meanwhile=disk + largest + samples,
    )


def check_resources(estimate: ResourceEstimate, library_folder: Path, *, finished_bytes: int = 0) -> None:
    """Raise QuantizationError unless disk and memory suffice. `finished_bytes` of the work are on disk already."""
    if why := disk_shortage(estimate, library_folder, "Making", finished_bytes=finished_bytes):
        raise QuantizationError(
            "There is not enough room on the disk for the quantized checkpoint.",
            why=why,
            next_step="Make room, or choose another folder for checkpoints in the settings.",
        )
    if why := memory_shortage(estimate):
        raise QuantizationError(
            "There is not enough memory free to quantize this checkpoint so.",
            why=why,
            next_step="Close other programs, or choose int8 or int4, which need little memory.",
        )
