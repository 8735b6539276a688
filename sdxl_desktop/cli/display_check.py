"""Check whether a window can be opened, before loading Qt, which aborts the whole process if it cannot.

A working X display is detected in milliseconds by what Qt itself will do: connect to the server and load the xcb
platform plugin. Every other setup with a display (Wayland only, an explicit platform) is probed by a child process.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdxl_desktop.core import child_program

_NEEDS_NO_DISPLAY = {"offscreen", "minimal", "minimalegl", "vnc", "linuxfb", "eglfs", "vkkhrdisplay"}
_PROBE_SECONDS = 20
NO_DISPLAY = "there is no display"


def why_no_window(probe: Sequence[str], environment: Mapping[str, str] = os.environ) -> str:
    """Return "" if a window can be opened, else the reason as a short phrase.

    `probe` is a command that exits with 0 if Qt reaches the display.
    """
    if sys.platform in ("win32", "darwin"):
        return ""
    platform = environment.get("QT_QPA_PLATFORM", "").split(":")[0].split(";")[0]
    if platform in _NEEDS_NO_DISPLAY:
        return ""
    display, wayland = environment.get("DISPLAY", ""), environment.get("WAYLAND_DISPLAY", "")
    if not display and not wayland:
        return NO_DISPLAY
    reason = _why_no_x(display) if display and platform in ("", "xcb") else "unknown"
    if not reason or (not wayland and reason != "unknown"):
        return reason
    return _probe_display(probe)


def _why_no_x(display: str) -> str:
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return "the library libxcb.so.1 is not installed"
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)  # never NULL; handles sockets, TCP and authority files
    if xcb.xcb_connection_has_error(connection):
        xcb.xcb_disconnect(connection)
        return f"the display {display} does not answer"
    # Not disconnected: a server resets after its last client disconnects, and Qt would fail to connect.
    return _why_no_xcb_plugin()


def _why_no_xcb_plugin() -> str:
    package = importlib.util.find_spec("PySide6")
    for folder in (package.submodule_search_locations or ()) if package else ():
        plugin = Path(folder) / "Qt" / "plugins" / "platforms" / "libqxcb.so"
        if plugin.is_file():
            return _why_not_loadable(plugin)
    return "unknown"  # another build of Qt, with its plugins elsewhere


def _why_not_loadable(library: Path) -> str:
    try:
        ctypes.CDLL(str(library))
    except OSError as problem:
        return f"a library is missing: {str(problem).split(':')[0]}"
    return ""


def _probe_display(probe: Sequence[str]) -> str:
    try:
        answer = subprocess.run(
            probe,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
            env=child_program.child_environment(),
            cwd=child_program.child_working_folder(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return "the display does not answer"
    return "" if answer.returncode == 0 else "the display cannot be used"
