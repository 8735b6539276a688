"""How this program starts itself again, as a child with another task.

A child is started with `command`, in `folder`, with `environment`: that the parent happens to work in a folder of
downloads decides neither which Python modules nor which libraries the child loads. Paths that it is told must be
absolute.
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
WORKBENCH_HOST = "--workbench-host"
PROBE_DISPLAY = "--probe-display"

TOKEN_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""Secrets that people keep in the environment. Others can read a process's environment, so no child is given them: a
token that a child needs travels with its order."""


def child_command(*arguments: str) -> list[str]:
    """The command that starts this program, from source, wheel or bundle, with `arguments`."""
    frozen = getattr(sys, "frozen", False)
    myself = [sys.executable] if frozen else [sys.executable, "-P", "-m", "sdxl_desktop"]
    return [*myself, *arguments]


def child_environment() -> dict[str, str]:
    """This process's, with the package's own folder on the path, and without secrets and what means another folder
    elsewhere."""
    variables = {name: value for name, value in os.environ.items() if name not in TOKEN_VARIABLES}
    variables["PYTHONSAFEPATH"] = "1"
    home = str(_package_parent())
    variables["PYTHONPATH"] = os.pathsep.join([home, *absolute_entries(os.environ.get("PYTHONPATH", ""))])
    if variables.get(HOME_VARIABLE, "").strip():
        variables[HOME_VARIABLE] = os.path.abspath(os.path.expanduser(variables[HOME_VARIABLE].strip()))
    return variables


def child_working_folder() -> Path:
    """A folder of the application's own for children to work in; made where it is not there."""
    own = AppPaths.from_environment().logs
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError:  # nothing of the application's own can be written here
        return _package_parent()
    return own


def _package_parent() -> Path:
    return Path(__file__).resolve().parents[2]
