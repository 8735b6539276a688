"""Reads small JSON files that strangers wrote: bounded in size, objects only, told by name when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sdxl_desktop.library.detect.errors import DamagedFileError

LIMIT = 4 * 2**20
"""Bytes; the largest, a shard index, has 0.2 MB."""


def read_json(file: Path) -> dict[str, Any]:
    """The object in `file`; raises DamagedFileError when there is none."""
    try:
        if file.stat().st_size > LIMIT:
            raise DamagedFileError(
                f"{file.name} is too large to be a description.",
                why=f"It has {file.stat().st_size:,} bytes.",
                next_step="Download it again.",
            )
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise DamagedFileError(
            f"{file.parent.name}/{file.name} cannot be read.",
            why=f"{str(problem).splitlines()[0] if str(problem) else type(problem).__name__}.",
            next_step="Download or copy it again.",
        ) from problem
    if not isinstance(content, dict):
        raise DamagedFileError(f"{file.name} does not describe anything.", next_step="Download it again.")
    return content


def read_json_if_there(file: Path) -> dict[str, Any]:
    """The object in `file`, or an empty one where there is no file."""
    return read_json(file) if file.is_file() else {}
