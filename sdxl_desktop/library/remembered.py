"""Remembers which checkpoints were in the library, so that one that vanished is shown as missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.small_files import SmallFileError, read_as

FILE = ".remembered.json"
"""In the person's checkpoints folder."""
_LIMIT = 2**20


class Remembered(msgspec.Struct, frozen=True):
    """A checkpoint that was in the person's library: its name, which is its folder's, and its title."""

    name: str
    title: str = ""


def remembered(home: Path) -> tuple[Remembered, ...]:
    """Those that were seen in `home`, by name; none where nothing can be read."""
    try:
        known = read_as(home / FILE, tuple[Remembered, ...], _LIMIT)
    except SmallFileError:
        return ()
    plain = {about.name: about for about in known if Path(about.name).name == about.name}
    return tuple(plain[name] for name in sorted(plain))


def remember(home: Path, seen: Iterable[Checkpoint]) -> None:
    """Add those `seen` in `home`. A folder that cannot be written is left as it is: nothing is lost but the memory."""
    before = {about.name: about for about in remembered(home)}
    now = before | {found.name: Remembered(found.name, found.title) for found in seen}
    if now != before:
        _write(home, now.values())


def forget(home: Path, name: str) -> None:
    """Forget `name`, which was removed on purpose."""
    kept = [about for about in remembered(home) if about.name != name]
    if kept:
        _write(home, kept)
    else:
        with contextlib.suppress(OSError):
            (home / FILE).unlink(missing_ok=True)


def _write(home: Path, known: Iterable[Remembered]) -> None:
    writing = home / f"{FILE}.writing"
    with contextlib.suppress(OSError):
        writing.write_bytes(msgspec.json.encode(sorted(known, key=lambda about: about.name)))
        writing.replace(home / FILE)
