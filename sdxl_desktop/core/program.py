"""How this program starts itself again, as a child with another task."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ENGINE_HOST = "--engine-host"
CONVERSION_HOST = "--conversion-host"
DOWNLOAD_HOST = "--download-host"
QUANTIZATION_HOST = "--quantization-host"
PROBE_DISPLAY = "--probe-display"


def command(*arguments: str) -> list[str]:
    """The command that starts this program, from source, wheel or bundle, with `arguments`."""
    myself = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "sdxl_desktop"]
    return [*myself, *arguments]


def environment() -> dict[str, str]:
    """This process's, with the package's own folder on the path, wherever the child starts."""
    home = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in (home, path) if entry)}
