"""Small JSON files that something is remembered in: read as a whole or not at all, written whole or with the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.whole_file import write_whole

MAX_BYTES = 2**22
"""A larger one is none of ours."""
T = TypeVar("T")


def read_kept(file: Path, kind: type[T]) -> T | None:
    """What is in `file`; None where there is none, or it cannot be read, or is something else. Never raises."""
    try:
        if file.stat().st_size <= MAX_BYTES:
            return msgspec.json.decode(file.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        pass
    return None


def write_kept(file: Path, content: object, failed: str, *, enc_hook: Callable[[Any], Any] | None = None) -> None:
    """Make `content` the whole of `file`, as text that only this person can read. Raises SettingsError, which says
    `failed` and why."""
    try:
        text = msgspec.json.format(msgspec.json.encode(content, enc_hook=enc_hook), indent=2) + b"\n"
        write_whole(file, text, private=True)
    except OSError as problem:
        raise SettingsError(
            failed, why=f"{problem.strerror or problem}.", next_step=f"Make {file.parent} writable."
        ) from problem
