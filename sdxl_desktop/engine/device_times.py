"""What was measured of each part on each device of this computer, and which devices that makes the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.checked_file import read_checked, write_checked
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences

TEXT, UNET, VAE = "text", "unet", "vae"
GROUPS: dict[str, tuple[str, ...]] = {
    TEXT: ENCODERS,
    UNET: (Part.UNET,),
    VAE: (Part.VAE_ENCODER, Part.VAE_DECODER),
}
"""Parts that go to one device together, as `Execution` names devices."""
TITLES = {TEXT: "text encoders", UNET: "UNet", VAE: "VAE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOnDevice:
    """One part on one device: milliseconds of one call with everything ready, and seconds until it was ready the first
    time (`compiled`: it was compiled then, not loaded); or in `problem` the words with which the device refused."""

    part: str
    device: str
    milliseconds: float | None = None
    first_seconds: float | None = None
    compiled: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTable:
    """What was measured with one checkpoint at one size ("512x512")."""

    checkpoint: str
    size: str
    precision: str
    rows: tuple[PartOnDevice, ...]

    def milliseconds(self, group: str, device: str) -> float | None:
        """What a group's parts took together on a device; None where one of them was refused or not measured."""
        own = [row for row in self.rows if row.device == device and row.part in GROUPS[group]]
        there = {row.part for row in self.rows if row.part in GROUPS[group]}
        times = [row.milliseconds for row in own]
        if None in times or {row.part for row in own} != there or not own:
            return None
        return sum(value for value in times if value is not None)

    def fastest(self, group: str, devices: Iterable[str] | None = None) -> str | None:
        """The device that was fastest with a group, of `devices` or of all that were measured; None without any."""
        known = dict.fromkeys(row.device for row in self.rows)
        allowed = known if devices is None else [device for device in devices if device in known]
        times = {device: took for device in allowed if (took := self.milliseconds(group, device)) is not None}
        return min(times, key=lambda device: times[device], default=None)


def best_devices(table: DeviceTable) -> dict[str, str]:
    """The fastest device of each group of parts that ran anywhere."""
    fastest = {group: table.fastest(group) for group in GROUPS}
    return {group: device for group, device in fastest.items() if device is not None}


def with_devices(preferences: Preferences, best: Mapping[str, str]) -> Preferences:
    """The preferences with these devices: the UNet's as the one for all, and others where they differ from it."""
    device = best.get(UNET, preferences.device)
    text, vae = (best.get(group, device) for group in (TEXT, VAE))
    return replace(
        preferences,
        device=device,
        unet_device="",
        text_device="" if text == device else text,
        vae_device="" if vae == device else vae,
    )


def table_file(paths: AppPaths) -> Path:
    """Where the last measurement is kept."""
    return paths.cache / "device-times.json"


def read_table(file: Path) -> DeviceTable | None:
    """None when nothing was measured or nobody can read it."""
    try:
        return msgspec.json.decode(read_checked(file), type=DeviceTable)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def write_table(file: Path, table: DeviceTable) -> None:
    """Keep it; a file that cannot be written only means that Automatic knows less."""
    with suppress(OSError):
        write_checked(file, msgspec.json.encode(table))


def automatic(part: str, available: Sequence[str], table: DeviceTable | None) -> str:
    """The device that Automatic means for a part, of those `available` now: the fastest that was measured, else the
    first GPU, else the processor."""
    group = next((name for name, parts in GROUPS.items() if part in parts), UNET)
    measured = None if table is None else table.fastest(group, available)
    if measured is not None:
        return measured
    graphics = sorted(device for device in available if device.split(".")[0] == "GPU")
    return graphics[0] if graphics else "CPU"
