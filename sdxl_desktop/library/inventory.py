"""List the contents of the library for inspection and cleanup: sizes, weight formats, sources and damage."""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.file_hashes import FileState, file_state
from sdxl_desktop.core.parts import GRAPH, OPENVINO_PARTS, Part
from sdxl_desktop.core.untrusted_files import UntrustedFileError, is_folder, read_limited
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.families import Family, family_of
from sdxl_desktop.formats.json_files import read_json_or_empty
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.hub.download_paths import read_download_record as read_download
from sdxl_desktop.library.import_record import read_import_record
from sdxl_desktop.library.scan import Library, checkpoint_folders, read_checkpoint

_log = logging.getLogger(__name__)

_GRAPH_LIMIT = 256 * 2**20
_CONSTANT_TYPE_AND_SIZE = re.compile(rb'<data element_type="(\w+)"[^>]*?\bsize="(\d+)"')
_FORMAT_BY_ELEMENT_TYPE = {
    b"f32": WeightFormat.FP32,
    b"f16": WeightFormat.FP16,
    b"bf16": WeightFormat.FP16,
    b"u8": WeightFormat.INT8,
    b"i8": WeightFormat.INT8,
    b"u4": WeightFormat.INT4,
    b"i4": WeightFormat.INT4,
}


@dataclass(frozen=True, slots=True)
class InstalledPart:
    """A network of a checkpoint ("unet") and the bytes of its files."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledCheckpoint:
    """A folder in the library with everything that can be found out without loading the model.

    `checkpoint` is None if it is unusable, and `problem` says why. `in_user_folder`: it is in the user's folder, not
    the application's. `weight_format` is None if unknown; `licence` is the hub's name for it, "" if unknown; `source`
    is the file or repository it was imported from.
    """

    folder: Path
    name: str
    title: str
    bytes: int
    in_user_folder: bool
    parts: tuple[InstalledPart, ...]
    checkpoint: Checkpoint | None = None
    problem: str = ""
    family: Family | None = None
    weight_format: WeightFormat | None = None
    source: str = ""
    licence: str = ""


def list_installed_checkpoints(library: Library) -> tuple[InstalledCheckpoint, ...]:
    """Return all checkpoint folders, the user's first, including damaged ones."""
    found: dict[str, InstalledCheckpoint] = {}
    for home in (library.user_folder, library.shipped_folder):
        for folder in checkpoint_folders(home):
            if folder.name not in found:
                found[folder.name] = inspect_checkpoint(folder, in_user_folder=home == library.user_folder)
    return tuple(found.values())


def inspect_checkpoint(folder: Path, *, in_user_folder: bool) -> InstalledCheckpoint:
    """Describe the checkpoint in `folder`, which may be damaged."""
    checkpoint, problem = None, ""
    try:
        checkpoint = read_checkpoint(folder)
    except CheckpointError as found:
        problem = " ".join(sentence for sentence in (found.what, found.why) if sentence)
    record, download = read_import_record(folder), read_download(folder)
    return InstalledCheckpoint(
        folder=folder,
        name=folder.name,
        title=checkpoint.title if checkpoint is not None else folder.name,
        bytes=folder_size(folder),
        in_user_folder=in_user_folder,
        parts=tuple(
            InstalledPart(part, folder_size(folder / part)) for part in OPENVINO_PARTS if is_folder(folder / part)
        ),
        checkpoint=checkpoint,
        problem=problem,
        family=_family(folder, record, checkpoint),
        weight_format=_weight_format(folder, record),
        source=download.repo if download is not None else display_text(str(record.get("source") or "")),
        licence=download.licence if download is not None else display_text(str(record.get("licence") or ""), 80),
    )


def check_removable(folder: Path, library: Library) -> None:
    """Raise CheckpointError unless `folder` is in the user's library and may be removed."""
    if folder.resolve().parent != library.user_folder.resolve():
        raise CheckpointError(
            f"{folder.name} is not in your own library, so it is not removed.",
            why=f"It lies in {folder.parent}.",
            next_step="Remove its folder yourself if you want it gone.",
        )


def remove_checkpoint(folder: Path, library: Library) -> int:
    """Delete the checkpoint in `folder` from the user's library; returns the bytes freed.

    Raises CheckpointError if it is elsewhere or cannot be removed.
    """
    check_removable(folder, library)
    size = folder_size(folder)
    grave = folder.with_name(f".removed-{folder.name}-{time.time_ns()}")
    try:
        folder.rename(grave)  # removes it from the library at once, however long the deletion takes
    except OSError as problem:
        raise CheckpointError(
            f"{folder.name} was not removed.",
            why=f"{problem.strerror or problem}.",
            next_step="If it is in use, choose another checkpoint and try again.",
        ) from problem
    library.forget_missing(folder.name)
    shutil.rmtree(grave, ignore_errors=True)
    _log.info("Removed the checkpoint %s, %d bytes", folder, size)
    return size


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in `folder`; files that vanish meanwhile count as 0."""
    total = 0
    for place, _, names in os.walk(folder):  # does not follow links to folders, and skips unreadable folders
        for name in names:
            with suppress(OSError):
                about = os.stat(os.path.join(place, name))
                total += about.st_size if S_ISREG(about.st_mode) else 0
    return total


def _family(folder: Path, record: Mapping[str, Any], checkpoint: Checkpoint | None) -> Family | None:
    try:
        return Family(record["family"])
    except (KeyError, ValueError, TypeError):
        pass
    if checkpoint is None:
        return None
    try:
        unet = read_json_or_empty(folder / Part.UNET / "config.json")
        return family_of(unet, has_first_encoder=checkpoint.kind is not CheckpointKind.REFINER)
    except (SdxlDesktopError, TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError):
        return None


def _weight_format(folder: Path, record: Mapping[str, Any]) -> WeightFormat | None:
    try:
        return WeightFormat(record["weights"])
    except (KeyError, ValueError, TypeError):
        pass
    graph = folder / Part.UNET / GRAPH
    try:
        return _dominant_weight_format(graph, file_state(graph))
    except (OSError, UntrustedFileError):
        return None


@lru_cache(maxsize=64)
def _dominant_weight_format(graph: Path, _file_state: FileState) -> WeightFormat | None:
    """Return the format of most of the weight bytes in an OpenVINO graph; `_file_state` is a cache key that changes
    when the file is edited."""
    bytes_by_type: dict[bytes, int] = {}
    for kind, size in _CONSTANT_TYPE_AND_SIZE.findall(read_limited(graph, _GRAPH_LIMIT)):
        bytes_by_type[kind] = bytes_by_type.get(kind, 0) + int(size[:20])
    return (
        _FORMAT_BY_ELEMENT_TYPE.get(max(bytes_by_type, key=lambda kind: bytes_by_type[kind])) if bytes_by_type else None
    )
