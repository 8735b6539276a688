"""The doors from the command line to the heavy rooms, injected so that nothing is imported before it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.device_benchmark import DeviceBenchmark
from sdxl_desktop.engine.engine_protocol import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoints:
    """`device` gives OpenVINO's spelling of a device's name, and raises DeviceError for one that is not there.

    `why_no_window` answers "" when a window can be opened, else the reason as a short phrase.
    `leave` ends the process at once, for a cancel that an engine deep in native code cannot answer.
    """

    paths: Callable[[], AppPaths]
    engine: Callable[[AppPaths], Engine]
    device_benchmark: Callable[[AppPaths], DeviceBenchmark]
    devices: Callable[[], tuple[Device, ...]]
    device: Callable[[str], str]
    window: Callable[[AppPaths, str | None, Sequence[Path | str]], int]
    why_no_window: Callable[[], str]
    exit_process: Callable[[int], object] = os._exit
