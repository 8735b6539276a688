"""Starts this program again as a child process with another task.

A child is started with `child_command` in `child_working_folder` with `child_environment`, so the parent's working
folder (perhaps one of downloads) does not affect which Python modules and libraries the child loads. Paths passed to it
must be absolute.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sdxl_desktop.core.import_path import absolute_entries
from sdxl_desktop.core.paths import HOME_VARIABLE, AppPaths

ENGINE_HOST = "--engine-host"
CONVERSION_HOST = "--conversion-host"
DOWNLOAD_HOST = "--download-host"
QUANTIZATION_HOST = "--quantization-host"
BENCHMARK_HOST = "--workbench-host"
PROBE_DISPLAY = "--probe-display"

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Secrets that users keep in the environment. Others can read a process's environment, so children do not inherit them:
a token that a child needs is sent with its job."""


def child_command(*arguments: str) -> list[str]:
    """Return the command that starts this program, from source, wheel or bundle, with `arguments`."""
    frozen = getattr(sys, "frozen", False)
    myself = [sys.executable] if frozen else [sys.executable, "-P", "-m", "sdxl_desktop"]
    return [*myself, *arguments]


def child_environment() -> dict[str, str]:
    """Return this process's environment with the package's parent folder on the path, without secrets and without
    entries that depend on the working folder."""
    variables = {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}
    variables["PYTHONSAFEPATH"] = "1"
    home = str(_package_parent())
    variables["PYTHONPATH"] = os.pathsep.join([home, *absolute_entries(os.environ.get("PYTHONPATH", ""))])
    if variables.get(HOME_VARIABLE, "").strip():
        variables[HOME_VARIABLE] = os.path.abspath(os.path.expanduser(variables[HOME_VARIABLE].strip()))
    return variables


def child_working_folder() -> Path:
    """Return a folder of the application for children to work in; it is created if missing."""
    own = AppPaths.from_environment().logs
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError:  # the application's folders are not writable
        return _package_parent()
    return own


def _package_parent() -> Path:
    return Path(__file__).resolve().parents[2]
