"""Formatting of parts, devices, sizes, times and durations for display."""

from __future__ import annotations

from collections.abc import Sequence

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC_DEVICE, Execution
from sdxl_desktop.engine.compile_cache_entries import FUSED_KIND, CompileCacheEntry
from sdxl_desktop.engine.device_times import DeviceTimings, automatic_device

_PART_TITLES = {
    Part.TEXT_ENCODER: "Text encoder 1",
    Part.TEXT_ENCODER_2: "Text encoder 2",
    Part.UNET: "UNet",
    "unet_shallow": "UNet, shallow half",
    Part.VAE_ENCODER: "VAE encoder",
    Part.VAE_DECODER: "VAE decoder",
}
_PRECISION_TITLES = {"auto": "automatic", "f32": "32-bit", "f16": "16-bit", "bf16": "bfloat16"}


def format_part(part: str) -> str:
    return _PART_TITLES.get(part, part.replace("_", " "))


def format_entry_part(entry: CompileCacheEntry) -> str:
    """Return an entry's part and its variant."""
    words = format_part(entry.part)
    if entry.kind == FUSED_KIND:
        return f"{words} with LoRAs, not compiled"
    return f"{words}, cut for caching" if "-deep" in entry.content_id else words


def format_shape(shape: str) -> str:
    if shape in ("", "dynamic"):
        return "every size" if shape else "–"
    return shape.replace("x", " × ", 1)


def format_precisions(precisions: tuple[str, ...]) -> str:
    return ", ".join(_PRECISION_TITLES.get(name, name) for name in precisions) or "–"


def format_bytes(count: int) -> str:
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    return f"{count / 10**6:.1f} MB" if count >= 10**5 else f"{count / 1000:.1f} kB"


def format_elapsed(seconds: float) -> str:
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def format_rough_duration(seconds: float) -> str:
    """ "about 40 s", "about 3 min"."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"about {round(seconds)} s"
    return f"about {round(seconds / 60)} min" if seconds < 6000 else f"about {seconds / 3600:.1f} h"


def format_devices(execution: Execution, devices: Sequence[Device], table: DeviceTimings | None) -> str:
    """Return the next run's devices: the UNet's label, and those of other parts if they differ."""
    unet = _format_device(execution, Part.UNET, devices, table)
    words = [next((device.label for device in devices if device.name == unet), unet)]
    for title, part in (("text", Part.TEXT_ENCODER), ("VAE", Part.VAE_DECODER)):
        other = _format_device(execution, part, devices, table)
        if other != unet:
            words.append(f"{title}: {other}")
    return "; ".join(words)


def _format_device(execution: Execution, part: str, devices: Sequence[Device], table: DeviceTimings | None) -> str:
    name = execution.device_for(part)
    there = [device.name for device in devices]
    if name.upper() == AUTOMATIC_DEVICE:
        return automatic_device(part, there, table) if there else "Automatic"
    return name if name in there or not there else f"{name} (not found)"
