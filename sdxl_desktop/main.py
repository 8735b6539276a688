"""The entry point: dispatches a start of the program to one of its workers (engine, conversion, download, quantization,
device benchmark), to the display probe, or to the command line and window.

It starts in milliseconds. Each heavy dependency (the window's Qt, the engine's torch and OpenVINO) is imported by
exactly one function here, when it is needed.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.core import out_of_memory
from sdxl_desktop.core.child_program import (
    BENCHMARK_HOST,
    CONVERSION_HOST,
    DOWNLOAD_HOST,
    ENGINE_HOST,
    PROBE_DISPLAY,
    QUANTIZATION_HOST,
    child_command,
)
from sdxl_desktop.core.device import Device
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.device_benchmark import DeviceBenchmark
from sdxl_desktop.engine.engine_protocol import Engine


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (default: the process's own) and return its exit code."""
    multiprocessing.freeze_support()  # in the bundle Python's own helper processes start here too
    arguments = list(sys.argv[1:] if argv is None else argv)
    match arguments:
        case [first, *_] if first == ENGINE_HOST:
            return _host_engine()
        case [first, *_] if first == CONVERSION_HOST:
            return _host_conversion()
        case [first, *_] if first == DOWNLOAD_HOST:
            return _host_download()
        case [first, *_] if first == QUANTIZATION_HOST:
            return _host_quantization()
        case [first, *_] if first == BENCHMARK_HOST:
            return _host_workbench()
        case [first, *_] if first == PROBE_DISPLAY:
            return _probe_display()
        case _:
            return _command_line(arguments)


def _command_line(arguments: Sequence[str]) -> int:
    from sdxl_desktop.cli import run  # typer and rich: not for the engine host

    return run(arguments, entry_points())


def entry_points() -> EntryPoints:
    """Return the entry points to the rest of the program, each imported only when used."""
    from sdxl_desktop.cli.display_check import why_no_window

    def no_window() -> str:
        return why_no_window(child_command(PROBE_DISPLAY))

    return EntryPoints(
        paths=AppPaths.from_environment,
        engine=_engine,
        device_benchmark=_workbench,
        devices=_devices,
        device=_device,
        window=_window,
        why_no_window=no_window,
    )


def _host_engine() -> int:
    """Torch and OpenVINO, in a child process of the window."""
    _configure_libraries()
    from sdxl_desktop.engine.process.engine_host import main as host

    return host()


def _host_conversion() -> int:
    """Torch and OpenVINO's converter, in a child process of an import."""
    _configure_libraries()
    from sdxl_desktop.library.convert.conversion_worker import main as host

    return host()


def _host_download() -> int:
    """The hub's library, in a child process of a download."""
    from sdxl_desktop.library.hub.download_worker import main as host

    return host()


def _host_quantization() -> int:
    """Torch, optimum-intel and NNCF, in a child process of a quantization."""
    _configure_libraries()
    from sdxl_desktop.library.quantize.quantization_worker import main as host

    return host()


def _host_workbench() -> int:
    """Torch and OpenVINO, in a child process of the window."""
    _configure_libraries()
    from sdxl_desktop.engine.process.benchmark_host import main as host

    return host()


def _engine(paths: AppPaths) -> Engine:
    """Torch and OpenVINO, in this process."""
    _configure_libraries()
    out_of_memory.exit_when_out_of_memory(print_message=True)
    from sdxl_desktop.engine.openvino.engine import OpenVinoEngine

    return OpenVinoEngine(paths)


def _workbench(paths: AppPaths) -> DeviceBenchmark:
    """Torch and OpenVINO, in this process."""
    _configure_libraries()
    out_of_memory.exit_when_out_of_memory(print_message=True)
    from sdxl_desktop.engine.openvino.part_benchmark import OpenVinoDeviceBenchmark

    return OpenVinoDeviceBenchmark(paths)


def _configure_libraries() -> None:
    """Suppress the libraries' developer warnings, and keep the libraries offline and in the application's folders."""
    for variable in ("DIFFUSERS_VERBOSITY", "TRANSFORMERS_VERBOSITY"):
        os.environ.setdefault(variable, "error")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(AppPaths.from_environment().cache / "torch"))
    socket.has_ipv6 = False  # urllib3 would open a socket on import to find out


def _devices() -> tuple[Device, ...]:
    """OpenVINO, without torch."""
    from sdxl_desktop.engine.openvino import devices

    return devices.available_devices()


def _device(name: str) -> str:
    """OpenVINO, without torch."""
    from sdxl_desktop.engine.openvino import devices

    return devices.resolve_device_name(name)


def _window(paths: AppPaths, prompt: str | None, files: Sequence[Path | str], *, new_window: bool) -> int:
    """Qt and the window."""
    from sdxl_desktop.ui.app import run_window

    return run_window(paths, prompt=prompt, files=tuple(files), new_window=new_window)


def _probe_display() -> int:
    """Try to connect to the display. Without one Qt aborts the process, so a child process does this."""
    from PySide6.QtGui import QGuiApplication

    QGuiApplication([])
    return 0
