"""The devices OpenVINO has on this machine, and what each may be told when a part is compiled for it.

Only what a device says it knows is ever told to it, since an unknown property raises. What is here for GPUs and NPUs
follows the documentation of OpenVINO's plugins; this code has not met one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import openvino as ov

from sdxl_desktop.core.device import Device, device_type
from sdxl_desktop.core.errors import DeviceError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution, Precision
from sdxl_desktop.engine.device_times import DeviceTimings, automatic_device

core = ov.Core()

_CAPABILITIES = {"f32": "FP32", "f16": "FP16", "bf16": "BF16"}
_ACTIVATIONS_SCALE = "ACTIVATIONS_SCALE_FACTOR"


def available_devices() -> tuple[Device, ...]:
    """Every device there is, by OpenVINO's names."""
    return tuple(Device(name, str(core.get_property(name, "FULL_DEVICE_NAME"))) for name in core.available_devices)


def resolve_device_name(name: str, known: Iterable[str] | None = None) -> str:
    """OpenVINO's spelling of `name`; raises DeviceError that names the devices there are. Never another device.
    `known` are those there are, where they were asked for already, which takes a millisecond."""
    if known is None:
        known = core.available_devices
    wanted = name.strip().upper()
    for device in known:
        if device.upper() == wanted:
            return device
    raise DeviceError(
        f"There is no device {name!r} on this computer.",
        why=f"OpenVINO finds: {', '.join(device.label for device in available_devices())}.",
        next_step="Choose one of these, or install the driver of the missing one.",
    )


def resolve_devices(execution: Execution, table: DeviceTimings | None = None) -> Execution:
    """`execution` with OpenVINO's spelling of every part's device. Automatic becomes what it means here, by what was
    measured. Raises DeviceError for the first device that is not there."""

    known = list(core.available_devices)

    def found(part: str) -> str:
        name = execution.device_for(part)
        if name.strip().upper() == AUTOMATIC_DEVICE:
            return automatic_device(part, known, table)
        return resolve_device_name(name, known)

    unet = found(Part.UNET)
    return replace(
        execution,
        device=unet,
        text_device=found(Part.TEXT_ENCODER),
        unet_device=unet,
        vae_device=found(Part.VAE_DECODER),
    )


def supported_precision(
    device: str, part: str, asked: Precision, check_activation_scale: Callable[[], bool]
) -> Precision:
    """The precision that `part` is compiled with: `asked`, where the device has it.

    SDXL's VAE overflows in 16 bits, which GPUs take by themselves: there it gets 32, unless its graph carries the
    factor (`ACTIVATIONS_SCALE_FACTOR`) by which OpenVINO keeps activations small enough. `has_activation_scale`
    finds that out.
    """
    if (
        part.startswith(Part.VAE)
        and device_type(device) == "GPU"
        and asked in ("auto", "f16")
        and not check_activation_scale()
    ):
        return "f32"
    if asked == "auto" or not _lacks_precision(device, asked):
        return asked
    return "auto"


def has_activation_scale(model: ov.Model) -> bool:
    """Whether a graph brings its own scale for activations, as optimum-intel writes it for VAEs that need it."""
    return bool(model.has_rt_info(["runtime_options", _ACTIVATIONS_SCALE]))


@cache
def _lacks_precision(device: str, precision: Precision) -> bool:
    """Whether a device says that it has no such precision. Processors are left to OpenVINO, which emulates."""
    if device_type(device) == "CPU":
        return False
    told = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return _CAPABILITIES[precision] not in told


def compile_properties(device: str, *, precision: Precision, threads: int, cache: str) -> dict[str, Any]:
    """The properties to compile with: only those that `device` knows, since an unknown one raises."""
    return filter_supported(
        desired_properties(device_type(device), precision=precision, threads=threads, cache=cache),
        set(core.get_property(device, "SUPPORTED_PROPERTIES")),
    )


def desired_properties(kind: str, *, precision: Precision, threads: int, cache: str) -> dict[str, Any]:
    """What a device of this kind is to be told, if it knows it."""
    wanted: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": cache}
    if precision != "auto":
        wanted["INFERENCE_PRECISION_HINT"] = precision
    if kind == "CPU":
        if precision == "f32":  # else the CPU rounds activations to 8 bits wherever weights have 8
            wanted["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
        if threads:
            wanted["INFERENCE_NUM_THREADS"] = threads
    if kind == "GPU":  # attention and decoding at large sizes want more than 4 GB in a piece
        wanted["GPU_ENABLE_LARGE_ALLOCATIONS"] = True
    return wanted


def filter_supported(properties: dict[str, Any], supported: set[str]) -> dict[str, Any]:
    """`wanted` without what a device does not list; a cache is OpenVINO's own affair and goes to every device."""
    return {key: value for key, value in properties.items() if key in supported or key == "CACHE_DIR"}
