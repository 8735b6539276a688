"""Finds the checkpoints, LoRAs, embeddings and VAEs that a picture's record names, by hash or else by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.formats.safetensors_header import HeaderError, read_header
from sdxl_desktop.formats.weight_variants import SAFETENSORS
from sdxl_desktop.library.import_record import SourceFile, read_source_file
from sdxl_desktop.library.scan import Library
from sdxl_desktop.metadata.foreign.record import ModelReference
from sdxl_desktop.metadata.weight_files import WEIGHT_SUFFIXES, weight_file_name
from sdxl_desktop.session.weight_hashes import KNOWN_HASHES

_MIN_HASH = 8
"""Fewer digits than these do not identify a file."""
_MAX_FILES = 10_000
_KOHYA_HASH = "sshs_model_hash"
"""The entry of a LoRA's metadata with the SHA-256 of its tensors, whose first digits other programs write (AutoV3)."""


def addition_files(library: Library) -> tuple[Path, ...]:
    """Return the LoRAs, embeddings and VAEs that ship with the application and those in the user's library."""
    found: list[Path] = []
    for folder in (library.additions_folder, resources_folder() / "additions"):
        for here, _, names in os.walk(folder):
            found += [Path(here, name) for name in sorted(names) if name.lower().endswith(WEIGHT_SUFFIXES)]
            if len(found) >= _MAX_FILES:
                return tuple(found[:_MAX_FILES])
    return tuple(found)


def find_checkpoint(
    wanted: ModelReference,
    known: Iterable[Checkpoint],
    source_of: Callable[[Path], SourceFile] = read_source_file,
) -> Checkpoint | None:
    """Return the checkpoint among `known` that was imported from the file `wanted`, by its hash, else by the name of
    that file or of the checkpoint; None if there is none. `source_of` returns the file of a checkpoint's folder."""
    sources = [(one, source_of(one.folder)) for one in known]
    by_hash = (one for one, source in sources if is_same_hash(wanted.hash, source.sha256))
    name = _fold(wanted.name)
    by_name = (one for one, source in sources if name and name in map(_fold, (source.name, one.name, one.title)))
    return next(by_hash, None) or next(by_name, None)


def find_addition(wanted: ModelReference, files: Sequence[Path]) -> Path | None:
    """Return the file among `files` that is `wanted`, by its name, else by a hash that is known without reading the
    file; None if there is none."""
    name = _fold(wanted.name)
    named = [file for file in files if name and _fold(weight_file_name(file)) == name]
    if named:
        return next((file for file in named if _has_hash(file, wanted.hash)), named[0])
    return next((file for file in files if _has_hash(file, wanted.hash)), None)


def find_named_file(recorded: Path, files: Sequence[Path]) -> Path | None:
    """Return the file among `files` with the name of `recorded`, whose folder means nothing here."""
    name = file_name_only(recorded).name
    return next((file for file in files if file.name == name), None)


def is_same_hash(one: str, other: str) -> bool:
    """Whether one of the hashes is the beginning of the other."""
    shorter, longer = sorted((one.lower(), other.lower()), key=len)
    return len(shorter) >= _MIN_HASH and longer.startswith(shorter)


def _has_hash(file: Path, wanted: str) -> bool:
    if len(wanted) < _MIN_HASH:
        return False
    with suppress(OSError):
        known = KNOWN_HASHES.get_cached(file)
        if known is not None and is_same_hash(known, wanted):
            return True
    with suppress(HeaderError, OSError):
        return file.suffix.lower() == SAFETENSORS and is_same_hash(
            read_header(file).metadata.get(_KOHYA_HASH, ""), wanted
        )
    return False


def _fold(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
