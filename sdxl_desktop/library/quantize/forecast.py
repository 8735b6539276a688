"""How long a quantization will take, and how much memory and disk. Rough: a device's speed is not known beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

from sdxl_desktop.library.convert.forecast import Forecast, lack_of_disk, lack_of_memory, memory_for
from sdxl_desktop.library.quantize.calibration import Calibration
from sdxl_desktop.library.quantize.errors import QuantizationError
from sdxl_desktop.library.quantize.job import QuantizationPhase
from sdxl_desktop.library.quantize.method import Method, Treatment

_GB = 10**9
_START_SECONDS = 12.0  # importing torch, optimum-intel and NNCF
_SECONDS_A_BILLION = {
    QuantizationPhase.COMPRESSING: 20.0,
    QuantizationPhase.WRITING: 6.0,
    QuantizationPhase.COPYING: 6.0,
}
"""Of weights."""
_SECONDS_A_LOOK = 20.0  # of a UNet of a billion weights, guided, at 512 x 512, on one core in f32
_SECONDS_TO_BEGIN = {
    QuantizationPhase.RECORDING: 8.0,
    QuantizationPhase.CALIBRATING: 15.0,
}
"""Importing and compiling; NNCF\'s own graph."""
_LOOKS_TO_CALIBRATE = 4.0  # a sample goes through the network several times while ranges and biases are found
_CALIBRATING_MEMORY = 2.0 * _GB
_CALIBRATING_MEMORY_A_BILLION = 9.0 * _GB  # compiled in f32, NNCF's own copies, activations
_BYTES = {
    Treatment.BYTES: 1.01,
    Treatment.NIBBLES: 0.66,
    Treatment.HYBRID: 1.01,
    Treatment.FULL: 1.01,
}
"""A weight takes, on the disk."""
_SAMPLE_BYTES = 2 * 10**6

PartSizes = Mapping[str, tuple[int, int]]
"""(bytes on the disk, weights) of each part."""


def phase_seconds(
    method: Method, parts: PartSizes, calibration: Calibration | None
) -> dict[tuple[str, QuantizationPhase], float]:
    """Seconds that each phase of each part will take, in the order they come."""
    steps: dict[tuple[str, QuantizationPhase], float] = {}
    for part, (_, weights) in parts.items():
        billions = weights / 1e9
        treatment = method.treatment(part)
        if treatment is Treatment.KEPT:
            steps[part, QuantizationPhase.COPYING] = _SECONDS_A_BILLION[QuantizationPhase.COPYING] * billions
            continue
        if treatment in (Treatment.HYBRID, Treatment.FULL) and calibration is not None:
            look = _seconds_a_look(billions, calibration)
            looks = {
                QuantizationPhase.RECORDING: len(calibration.pictures) * calibration.steps,
                QuantizationPhase.CALIBRATING: calibration.samples * _LOOKS_TO_CALIBRATE,
            }
            for phase, count in looks.items():
                steps[part, phase] = _SECONDS_TO_BEGIN[phase] + look * count
        else:
            steps[part, QuantizationPhase.COMPRESSING] = _SECONDS_A_BILLION[QuantizationPhase.COMPRESSING] * billions
        steps[part, QuantizationPhase.WRITING] = _SECONDS_A_BILLION[QuantizationPhase.WRITING] * billions
    return steps


def _seconds_a_look(billions: float, calibration: Calibration) -> float:
    cores = psutil.cpu_count(logical=False) or 1
    pixels = calibration.size.width * calibration.size.height / 512**2
    halves = 1.0 if calibration.guidance_scale > 1 else 0.5
    return 0.05 + _SECONDS_A_LOOK * billions * pixels * halves / cores


def forecast(method: Method, parts: PartSizes, calibration: Calibration | None) -> Forecast:
    """For a checkpoint of `parts`."""
    disk = sum(
        size if method.treatment(part) is Treatment.KEPT else round(weights * _BYTES[method.treatment(part)])
        for part, (size, weights) in parts.items()
    )
    largest = max((weights for _, weights in parts.values()), default=0)
    memory, samples = memory_for(largest), 0
    if calibration is not None:
        memory = _CALIBRATING_MEMORY + _CALIBRATING_MEMORY_A_BILLION * largest / 1e9
        samples = calibration.steps * len(calibration.pictures) * _SAMPLE_BYTES
    return Forecast(
        seconds=_START_SECONDS + sum(phase_seconds(method, parts, calibration).values()),
        memory=round(memory),
        disk=disk,
        disk_meanwhile=disk + largest + samples,
    )


def check_room(needed: Forecast, home: Path, *, done: int = 0) -> None:
    """Raise QuantizationError unless disk and memory will do. `done` bytes of the work are on the disk already."""
    if why := lack_of_disk(needed, home, "Making", done=done):
        raise QuantizationError(
            "There is not enough room on the disk for the quantized checkpoint.",
            why=why,
            next_step="Make room, or choose another folder for checkpoints in the settings.",
        )
    if why := lack_of_memory(needed):
        raise QuantizationError(
            "There is not enough memory free to quantize this checkpoint so.",
            why=why,
            next_step="Close other programs, or choose int8 or int4, which need little memory.",
        )
