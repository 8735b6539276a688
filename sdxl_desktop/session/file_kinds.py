"""Detect the kind of a file or folder, by its content and, if that is inconclusive, by its name.

Used for every way to open files: drop, paste, File → Open…, recent files and the command line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sdxl_desktop.core.errors import AdditionError, PictureError, describe_error
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.safetensors_header import HeaderError, read_header
from sdxl_desktop.formats.weight_variants import CHECKPOINT_ENDINGS, KNOWN_ENDINGS, PICKLED_CHECKPOINT, SAFETENSORS
from sdxl_desktop.imaging.picture_formats import listed, picture_begins, picture_suffixes
from sdxl_desktop.library.addition_detection import detect_addition_kind
from sdxl_desktop.metadata.latent_files import MAX_HEADER, holds_latents
from sdxl_desktop.session.document.manifest import MANIFEST_MEMBER
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX as PROJECT

MODEL_INDEX = "model_index.json"
"""The file that marks a folder as a whole checkpoint; opening it opens the folder."""
_ZIP = b"PK\x03\x04"
_PREFIX = 256
_NAME_AT = 30
"""Offset of the first name in a zip file; its length is in the four bytes before, with that of the extra field."""
_WHAT_CAN_BE = (
    f"Open a picture, a project ({PROJECT}), a checkpoint (a {listed(CHECKPOINT_ENDINGS)} file, or a folder), a LoRA, "
    f"an embedding or a VAE, or kept latents ({SAFETENSORS})."
)


class FileKind(StrEnum):
    PICTURE = "picture"
    PROJECT = "project"
    LATENTS = "kept latents"
    ADDITION = "LoRA, embedding or VAE"
    CHECKPOINT = "checkpoint"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SortedFiles:
    """Files and folders by kind. `problem` says why none of them can be opened."""

    pictures: tuple[Path, ...] = ()
    projects: tuple[Path, ...] = ()
    latents: tuple[Path, ...] = ()
    additions: tuple[Path, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    problem: PictureError | None = None


def file_kind(path: Path) -> FileKind:
    """Return the kind of `path`. A damaged file counts as what its name says, so that opening it reports the error.
    Raises OSError if it cannot be read at all."""
    if path.is_dir() or path.name == MODEL_INDEX:
        return FileKind.CHECKPOINT
    with open_regular(path) as stream:
        prefix = stream.read(_PREFIX)
        size = os.fstat(stream.fileno()).st_size
    ending = path.suffix.lower()
    if _begins_safetensors(prefix, size) or (ending in KNOWN_ENDINGS and not picture_begins(prefix)):
        return _weights(path)
    if _begins_project(prefix):
        return FileKind.PROJECT
    if ending in picture_suffixes() or picture_begins(prefix):
        return FileKind.PICTURE
    return FileKind.PROJECT if ending == PROJECT else FileKind.UNKNOWN


def sorted_files(paths: Iterable[Path]) -> SortedFiles:
    """Return all of `paths` by kind, each kind in the given order."""
    found: dict[FileKind, list[Path]] = {kind: [] for kind in FileKind}
    unreadable: list[PictureError] = []
    for path in paths:
        try:
            kind = file_kind(path)
        except (OSError, ValueError) as problem:
            unreadable.append(_cannot_be_read(path, problem))
            continue
        found[kind].append(path.parent if path.name == MODEL_INDEX and kind is FileKind.CHECKPOINT else path)
    unknown = found[FileKind.UNKNOWN]
    pictures = found[FileKind.PICTURE]
    if pictures:  # opening them reports the unreadable ones
        pictures, unknown = pictures + unknown, []
    known = any(files for kind, files in found.items() if kind is not FileKind.UNKNOWN)
    problems = [*unreadable, *([_unknown(unknown)] if unknown else [])]
    return SortedFiles(
        pictures=tuple(pictures),
        projects=tuple(found[FileKind.PROJECT]),
        latents=tuple(found[FileKind.LATENTS]),
        additions=tuple(found[FileKind.ADDITION]),
        checkpoints=tuple(found[FileKind.CHECKPOINT]),
        problem=problems[0] if problems and not known else None,
    )


def _weights(path: Path) -> FileKind:
    """Return the kind of a weights file: any that is neither saved latents nor an addition is passed to the library,
    which reports what is wrong with it."""
    if path.suffix.lower() == PICKLED_CHECKPOINT:
        return FileKind.CHECKPOINT
    try:
        if holds_latents(read_header(path, MAX_HEADER)):
            return FileKind.LATENTS
    except HeaderError:
        pass
    try:
        detect_addition_kind(path)
    except AdditionError:
        return FileKind.CHECKPOINT
    return FileKind.ADDITION


def _begins_safetensors(prefix: bytes, size: int) -> bool:
    length = int.from_bytes(prefix[:8], "little")
    return len(prefix) > 8 and prefix[8:9] == b"{" and 2 <= length <= size - 8


def _begins_project(prefix: bytes) -> bool:
    length = int.from_bytes(prefix[26:28], "little")
    return prefix.startswith(_ZIP) and prefix[_NAME_AT : _NAME_AT + length] == MANIFEST_MEMBER.encode()


def _unknown(files: list[Path]) -> PictureError:
    one = len(files) == 1
    return PictureError(
        f"{display_text(files[0].name)} cannot be opened." if one else f"None of the {len(files)} files can be opened.",
        why="Its kind of file is not supported."
        if one
        else f"{display_text(files[0].name)} and the others are of unsupported kinds.",
        next_step=_WHAT_CAN_BE,
    )


def _cannot_be_read(path: Path, problem: Exception) -> PictureError:
    if isinstance(problem, FileNotFoundError):
        return PictureError(f"There is no file {display_text(path)}.", next_step="Check whether it was moved.")
    return PictureError(
        f"{display_text(path.name)} cannot be read.",
        why=describe_error(problem),
        next_step="Check the file and who may read it.",
    )
