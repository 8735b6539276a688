"""Rules for checkpoint names. Each name is also a folder name and must be valid on every operating system."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.core.file_names import sanitize_file_name
from sdxl_desktop.library.hub.safe_names import is_safe_path

LONGEST = 80
RULE = f"Use letters, digits, spaces, dots and dashes, at most {LONGEST} of them, and a letter or digit first."
_BESIDES = " .()+,-"
_ROOM_FOR_NUMBER = 10
_OTHERWISE = "checkpoint"


def is_valid_name(name: str) -> bool:
    """Whether `name` is a valid checkpoint name: letters with their combining marks, digits and a few signs; no Windows
    device name, and nothing that any file system would store differently."""
    return (
        len(name) <= LONGEST
        and _begins(name[:1])
        and all(
            character in _BESIDES or unicodedata.category(character)[0] in "LNM" or character == "_"
            for character in name
        )
        and is_safe_path(name)
    )


def _begins(character: str) -> bool:
    return character == "_" or (character != "" and unicodedata.category(character)[0] in "LN")


def make_valid_name(words: str) -> str:
    """Return a valid name made of the text `words`, with room for a number suffix."""
    made = sanitize_file_name("".join(c for c in words if unicodedata.category(c) != "Cf"), _BESIDES)
    while made and not _begins(made[0]):
        made = made[1:]
    made = made.strip(" .-_")[: LONGEST - _ROOM_FOR_NUMBER].rstrip(" .-_")
    if is_valid_name(made):
        return made
    with_more = f"{_OTHERWISE}-{made}"
    return with_more if made and is_valid_name(with_more) else _OTHERWISE


def check_name(name: str) -> None:
    """Raise CheckpointError if `name` is not a valid checkpoint name."""
    if not is_valid_name(name):
        raise CheckpointError(
            f"{name!r} cannot be the name of a checkpoint.", why="It becomes the name of a folder.", next_step=RULE
        )


def check_name_unused(name: str, library_folder: Path) -> None:
    """Raise CheckpointError if `library_folder` already contains something called `name`."""
    if (library_folder / name).exists():
        raise CheckpointError(
            f"There is a checkpoint called {name} already.", next_step="Give another name, or remove that one first."
        )


def validate_name(name: str, library_folder: Path) -> str:
    """Return `name`; raises CheckpointError unless it is valid and unused in `library_folder`."""
    check_name(name)
    check_name_unused(name, library_folder)
    return name


def find_free_name(wanted: str, home: Path) -> str:
    """Return a name made of `wanted` that is valid and unused in the library folder `home`."""
    plain = make_valid_name(wanted)
    candidates = (plain, *(f"{plain}-{number}" for number in range(2, 1000)))
    return next(name for name in candidates if not (home / name).exists())
