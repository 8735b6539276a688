"""Parts, devices, sizes, times and durations as a person reads them."""

from __future__ import annotations

from collections.abc import Sequence

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.parts import Part
from sdxl_desktop.core.request import AUTOMATIC, Execution
from sdxl_desktop.engine.compiled_entries import FUSED, Entry
from sdxl_desktop.engine.device_times import DeviceTable, automatic

_PARTS = {
    Part.TEXT_ENCODER: "Text encoder 1",
    Part.TEXT_ENCODER_2: "Text encoder 2",
    Part.UNET: "UNet",
    "unet_shallow": "UNet, shallow half",
    Part.VAE_ENCODER: "VAE encoder",
    Part.VAE_DECODER: "VAE decoder",
}
_PRECISIONS = {"auto": "automatic", "f32": "32-bit", "f16": "16-bit", "bf16": "bfloat16"}


def part_words(part: str) -> str:
    return _PARTS.get(part, part.replace("_", " "))


def entry_part(entry: Entry) -> str:
    """Which part an entry is, and in which form."""
    words = part_words(entry.part)
    if entry.kind == FUSED:
        return f"{words} with LoRAs, not compiled"
    return f"{words}, cut for caching" if "-deep" in entry.content else words


def shape_words(shape: str) -> str:
    if shape in ("", "dynamic"):
        return "every size" if shape else "–"
    return shape.replace("x", " × ", 1)


def precision_words(precisions: tuple[str, ...]) -> str:
    return ", ".join(_PRECISIONS.get(name, name) for name in precisions) or "–"


def bytes_words(count: int) -> str:
    if count >= 10**9:
        return f"{count / 10**9:.1f} GB"
    return f"{count / 10**6:.1f} MB" if count >= 10**5 else f"{count / 1000:.1f} kB"


def ago_words(seconds: float) -> str:
    for name, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def duration_words(seconds: float) -> str:
    """ "about 40 s", "about 3 min"."""
    if seconds < 1:
        return "less than a second"
    if seconds < 100:
        return f"about {round(seconds)} s"
    return f"about {round(seconds / 60)} min" if seconds < 6000 else f"about {seconds / 3600:.1f} h"


def devices_words(execution: Execution, devices: Sequence[Device], table: DeviceTable | None) -> str:
    """Where the next run happens: the UNet's device at length, and those of other parts where they differ."""
    unet = _device_words(execution, Part.UNET, devices, table)
    words = [next((device.label for device in devices if device.name == unet), unet)]
    for title, part in (("text", Part.TEXT_ENCODER), ("VAE", Part.VAE_DECODER)):
        other = _device_words(execution, part, devices, table)
        if other != unet:
            words.append(f"{title}: {other}")
    return "; ".join(words)


def _device_words(execution: Execution, part: str, devices: Sequence[Device], table: DeviceTable | None) -> str:
    name = execution.device_for(part)
    there = [device.name for device in devices]
    if name.upper() == AUTOMATIC:
        return automatic(part, there, table) if there else "Automatic"
    return name if name in there or not there else f"{name} (not found)"
