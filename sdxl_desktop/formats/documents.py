"""Reads small JSON files that strangers wrote: what is wrong with one is told by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdxl_desktop.core import small_files
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.small_files import LIMIT, SmallFileError
from sdxl_desktop.formats.errors import DamagedFileError

__all__ = ["LIMIT", "read_json", "read_json_if_there"]


def read_json(file: Path) -> dict[str, Any]:
    """The object in `file`; raises DamagedFileError when there is none."""
    try:
        return small_files.read_object(file)
    except SmallFileError as problem:
        raise DamagedFileError(
            f"{shown(f'{file.parent.name}/{file.name}')} cannot be read.",
            why=f"{str(problem)[:1].upper()}{str(problem)[1:]}.",
            next_step="Download or copy it again.",
        ) from problem


def read_json_if_there(file: Path) -> dict[str, Any]:
    """The object in `file`, or an empty one where there is nothing of that name."""
    return read_json(file) if small_files.exists(file) else {}
