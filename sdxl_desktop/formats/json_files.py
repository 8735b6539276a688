"""Reads small untrusted JSON files; errors name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdxl_desktop.core import untrusted_files
from sdxl_desktop.core.untrusted_files import MAX_BYTES, UntrustedFileError
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.format_errors import DamagedFileError

__all__ = ["MAX_BYTES", "read_json", "read_json_or_empty"]


def read_json(file: Path) -> dict[str, Any]:
    """Return the JSON object in `file`; raises DamagedFileError if it cannot be read."""
    try:
        return untrusted_files.read_json_object(file)
    except UntrustedFileError as problem:
        raise DamagedFileError(
            f"{display_text(f'{file.parent.name}/{file.name}')} cannot be read.",
            why=f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
            next_step="Download or copy it again.",
        ) from problem


def read_json_or_empty(file: Path) -> dict[str, Any]:
    """Return the JSON object in `file`, or an empty one if the file does not exist."""
    return read_json(file) if untrusted_files.path_exists(file) else {}
