"""Entry points from the command line to heavy modules, injected so that nothing is imported before it is needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.device_benchmark import DeviceBenchmark
from sdxl_desktop.engine.engine_protocol import Engine


class OpenWindow(Protocol):
    """Opens the window; see `EntryPoints`."""

    def __call__(
        self, paths: AppPaths, prompt: str | None, files: Sequence[Path | str], *, new_window: bool
    ) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryPoints:
    """`device` returns OpenVINO's spelling of a device name, and raises DeviceError if there is no such device.

    `window` opens `files` and starts drawing `prompt`, in the window that is already open or, with `new_window` or if
    there is none, in a new one; it returns the exit code. `why_no_window` returns "" if a window can be opened, else
    the reason as a short phrase. `exit_process` ends the process immediately, for a cancellation that an engine in
    native code cannot handle.
    """

    paths: Callable[[], AppPaths]
    engine: Callable[[AppPaths], Engine]
    device_benchmark: Callable[[AppPaths], DeviceBenchmark]
    devices: Callable[[], tuple[Device, ...]]
    device: Callable[[str], str]
    window: OpenWindow
    why_no_window: Callable[[], str]
    exit_process: Callable[[int], object] = os._exit
