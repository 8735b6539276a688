"""The devices OpenVINO has on this machine, and what each may be told when a part is compiled for it."""

from __future__ import annotations

from typing import Any

import openvino as ov

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.errors import DeviceError
from sdxl_desktop.core.request import Precision

core = ov.Core()


def available() -> tuple[Device, ...]:
    """Every device there is, by OpenVINO's names."""
    return tuple(Device(name, str(core.get_property(name, "FULL_DEVICE_NAME"))) for name in core.available_devices)


def resolve(name: str) -> str:
    """OpenVINO's spelling of `name`; raises DeviceError that names the devices there are. Never another device."""
    known: list[str] = list(core.available_devices)
    wanted = name.strip().upper()
    for device in known:
        if device.upper() == wanted:
            return device
    raise DeviceError(
        f"There is no device {name!r} on this computer.",
        why=f"OpenVINO finds: {', '.join(device.label for device in available())}.",
        next_step="Choose one of these, or install the driver of the missing one.",
    )


def compile_config(device: str, *, precision: Precision, threads: int, cache: str) -> dict[str, Any]:
    """The properties to compile with: only those that `device` knows, since an unknown one raises."""
    wanted: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": cache}
    if precision != "auto":
        wanted["INFERENCE_PRECISION_HINT"] = precision
    if precision == "f32":  # else the CPU rounds activations to 8 bits wherever weights have 8
        wanted["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = 0
    if threads:
        wanted["INFERENCE_NUM_THREADS"] = threads
    supported = set(core.get_property(device, "SUPPORTED_PROPERTIES")) | {"CACHE_DIR"}
    return {key: value for key, value in wanted.items() if key in supported}
