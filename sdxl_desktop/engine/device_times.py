"""Measured times of each part on each device of this computer, and the best device for each part group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.checksum_file import read_with_checksum, write_with_checksum
from sdxl_desktop.core.parts import ENCODERS, Part
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences

TEXT_ENCODERS_GROUP, UNET_GROUP, VAE_GROUP = "text", "unet", "vae"
PART_GROUPS: dict[str, tuple[str, ...]] = {
    TEXT_ENCODERS_GROUP: ENCODERS,
    UNET_GROUP: (Part.UNET,),
    VAE_GROUP: (Part.VAE_ENCODER, Part.VAE_DECODER),
}
"""Parts that share one device setting of `Execution`."""
GROUP_LABELS = {TEXT_ENCODERS_GROUP: "text encoders", UNET_GROUP: "UNet", VAE_GROUP: "VAE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartTiming:
    """One part on one device: milliseconds of one inference when ready, and seconds until it was first ready
    (`compiled`: it was compiled then, not loaded); or in `problem` the device's error message."""

    part: str
    device: str
    milliseconds: float | None = None
    first_seconds: float | None = None
    compiled: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTimings:
    """Measurements with one checkpoint at one size ("512x512")."""

    checkpoint: str
    size: str
    precision: str
    rows: tuple[PartTiming, ...]

    def milliseconds(self, group: str, device: str) -> float | None:
        """Return the total of a group's parts on a device; None if one of them was rejected or not measured."""
        own = [row for row in self.rows if row.device == device and row.part in PART_GROUPS[group]]
        there = {row.part for row in self.rows if row.part in PART_GROUPS[group]}
        times = [row.milliseconds for row in own]
        if None in times or {row.part for row in own} != there or not own:
            return None
        return sum(value for value in times if value is not None)

    def fastest_device(self, group: str, devices: Iterable[str] | None = None) -> str | None:
        """Return the fastest device for a group, among `devices` or all measured ones; None if there is none."""
        known = dict.fromkeys(row.device for row in self.rows)
        allowed = known if devices is None else [device for device in devices if device in known]
        times = {device: took for device in allowed if (took := self.milliseconds(group, device)) is not None}
        return min(times, key=lambda device: times[device], default=None)


def best_devices(table: DeviceTimings) -> dict[str, str]:
    """Return the fastest device of each part group that ran on at least one device."""
    fastest = {group: table.fastest_device(group) for group in PART_GROUPS}
    return {group: device for group, device in fastest.items() if device is not None}


def preferences_with_devices(preferences: Preferences, best: Mapping[str, str]) -> Preferences:
    """Return the preferences with these devices: the UNet's as the general one, the others only if they differ."""
    device = best.get(UNET_GROUP, preferences.device)
    text, vae = (best.get(group, device) for group in (TEXT_ENCODERS_GROUP, VAE_GROUP))
    return replace(
        preferences,
        device=device,
        unet_device="",
        text_device="" if text == device else text,
        vae_device="" if vae == device else vae,
    )


def timings_file(paths: AppPaths) -> Path:
    """Return the file with the last measurement."""
    return paths.cache / "device-times.json"


def read_timings(file: Path) -> DeviceTimings | None:
    """Read the measurement in `file`; None if it is missing or unreadable."""
    try:
        return msgspec.json.decode(read_with_checksum(file), type=DeviceTimings)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None


def write_timings(file: Path, table: DeviceTimings) -> None:
    """Store the measurement; if the file cannot be written, only the Automatic device choice has less data."""
    with suppress(OSError):
        write_with_checksum(file, msgspec.json.encode(table))


def automatic_device(part: str, available: Sequence[str], table: DeviceTimings | None) -> str:
    """Return the device that Automatic selects for a part among `available`: the fastest measured one, else the first
    GPU, else the CPU."""
    group = next((name for name, parts in PART_GROUPS.items() if part in parts), UNET_GROUP)
    measured = None if table is None else table.fastest_device(group, available)
    if measured is not None:
        return measured
    graphics = sorted(device for device in available if device.split(".")[0] == "GPU")
    return graphics[0] if graphics else "CPU"
