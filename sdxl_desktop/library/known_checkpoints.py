"""Record which checkpoints were in the library, so that one that vanished is shown as missing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_as

KNOWN_CHECKPOINTS_FILE = ".remembered.json"
"""In the user's checkpoints folder."""
_LIMIT = 2**20


class KnownCheckpoint(msgspec.Struct, frozen=True):
    """A checkpoint that was in the user's library: its folder name and its title."""

    name: str
    title: str = ""


def read_known_checkpoints(library_folder: Path) -> tuple[KnownCheckpoint, ...]:
    """Return the recorded checkpoints of `library_folder`, by name; empty if the record cannot be read."""
    try:
        known = read_json_as(library_folder / KNOWN_CHECKPOINTS_FILE, tuple[KnownCheckpoint, ...], _LIMIT)
    except UntrustedFileError:
        return ()
    plain = {about.name: about for about in known if Path(about.name).name == about.name}
    return tuple(plain[name] for name in sorted(plain))


def add_known_checkpoints(library_folder: Path, checkpoints: Iterable[Checkpoint]) -> None:
    """Add `checkpoints` to the record. If the folder cannot be written, nothing happens: only the record is lost."""
    before = {about.name: about for about in read_known_checkpoints(library_folder)}
    now = before | {found.name: KnownCheckpoint(found.name, found.title) for found in checkpoints}
    if now != before:
        _write(library_folder, now.values())


def remove_known_checkpoint(library_folder: Path, name: str) -> None:
    """Remove `name` from the record after it was deleted on purpose."""
    kept = [about for about in read_known_checkpoints(library_folder) if about.name != name]
    if kept:
        _write(library_folder, kept)
    else:
        with contextlib.suppress(OSError):
            (library_folder / KNOWN_CHECKPOINTS_FILE).unlink(missing_ok=True)


def _write(library_folder: Path, known: Iterable[KnownCheckpoint]) -> None:
    writing = library_folder / f"{KNOWN_CHECKPOINTS_FILE}.writing"
    with contextlib.suppress(OSError):
        writing.write_bytes(msgspec.json.encode(sorted(known, key=lambda about: about.name)))
        writing.replace(library_folder / KNOWN_CHECKPOINTS_FILE)
