"""The OpenVINO devices of this machine, and the properties each is given when a part is compiled for it.

Only properties that a device lists as supported are set, since an unknown one raises. The code for GPUs and NPUs
follows the documentation of OpenVINO's plugins; it has not been tested on one.
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
    """Return all available devices, by OpenVINO's names."""
    return tuple(Device(name, str(core.get_property(name, "FULL_DEVICE_NAME"))) for name in core.available_devices)


def resolve_device_name(name: str, known: Iterable[str] | None = None) -> str:
    """Return OpenVINO's spelling of `name`, never another device. Raises DeviceError, which lists the available
    devices. `known` are the available devices if already queried, which takes a millisecond."""
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
    """Return `execution` with OpenVINO's spelling of every part's device. Automatic is replaced by the device selected
    here from the measured timings. Raises DeviceError for the first unavailable device."""

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
    """Return the precision to compile `part` with: `asked` if the device supports it.

    SDXL's VAE overflows in 16 bits, the default of GPUs: there it uses 32, unless its graph contains the factor
    (`ACTIVATIONS_SCALE_FACTOR`) by which OpenVINO keeps activations small enough. `check_activation_scale` returns
    whether it does.
    """
    if (
        part.startswith(Part.VAE)
        and device_type(device) == "GPU"
        and asked in ("auto", "f16")
        and not check_activation_scale()
    ):
        return "f32"
    if asked == "auto" or not _lacks_precision(core, device, asked):
        return asked
    return "auto"


def has_activation_scale(model: ov.Model) -> bool:
    """Whether a graph contains an activation scale, as optimum-intel writes it for VAEs that need it."""
    return bool(model.has_rt_info(["runtime_options", _ACTIVATIONS_SCALE]))


@cache
def _lacks_precision(core: ov.Core, device: str, precision: Precision) -> bool:
    """Whether a device reports that it lacks this precision. For CPUs it is False: OpenVINO emulates missing ones."""
    if device_type(device) == "CPU":
        return False
    capabilities = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    return _CAPABILITIES[precision] not in capabilities


def compile_properties(device: str, *, precision: Precision, threads: int, cache: str) -> dict[str, Any]:
    """Return the compile properties: only those that `device` supports, since an unknown one raises."""
    return filter_supported(
        desired_properties(device_type(device), precision=precision, threads=threads, cache=cache),
        set(core.get_property(device, "SUPPORTED_PROPERTIES")),
    )


def desired_properties(kind: str, *, precision: Precision, threads: int, cache: str) -> dict[str, Any]:
    """Return the properties to set on a device of this kind if it supports them."""
    wanted: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": cache}
    if precision != "auto":
        wanted["INFERENCE_PRECISION_HINT"] = precision
    if kind == "CPU":
        if precision == "f32":  # else the CPU rounds activations to 8 bits wherever weights have 8
            wanted["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
        if threads:
            wanted["INFERENCE_NUM_THREADS"] = threads
    if kind == "GPU":  # attention and decoding at large sizes need allocations above 4 GB
        wanted["GPU_ENABLE_LARGE_ALLOCATIONS"] = True
    return wanted


def filter_supported(properties: dict[str, Any], supported: set[str]) -> dict[str, Any]:
    """Return `properties` without unsupported ones. CACHE_DIR is always kept: OpenVINO itself handles it for every
    device."""
    return {key: value for key, value in properties.items() if key in supported or key == "CACHE_DIR"}
