"""Validation of the files that a project names: a project may come from anyone and name any file.

The fields that name files are `picture_name`, `saved_to`, the checkpoint, LoRAs, embeddings and VAE of each candidate's
record, and the additions in the panel values. `saved_to` is trusted only if that file holds the candidate. A name is
used as text only. Additions in the panel values are reported, since a run reads them. Records are passed on unchanged:
to generate from one, the checkpoint is taken from the library and the additions from the panels.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath

from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.workspace_value import AdditionsPanelState, WorkspaceValue
from sdxl_desktop.formats.weight_variants import EMBEDDING_ENDINGS
from sdxl_desktop.metadata.picture_comparison import is_same_picture

TrustedFileCheck = Callable[[Path, Picture, GenerationRequest], bool]
"""Returns whether a file is accepted as the saved file of a picture."""

"""File suffixes of LoRAs and embeddings."""
_LONGEST_NAME = 255
_MAX_NAMED = 3


def trust_no_file(file: Path, picture: Picture, request: GenerationRequest) -> bool:
    """Trust no file."""
    return False


def trust_files_in(folder: Path) -> TrustedFileCheck:
    """Trust files in `folder` that hold the picture, but no link that leads out of it."""

    def believes(file: Path, picture: Picture, request: GenerationRequest) -> bool:
        try:
            real = file.resolve(strict=True)
            return real.is_relative_to(folder.resolve(strict=True)) and trust_matching_file(real, picture, request)
        except (OSError, RuntimeError, ValueError):  # a link loop or an invalid name
            return False

    return believes


def trust_matching_file(file: Path, picture: Picture, request: GenerationRequest) -> bool:
    """Trust every file that holds the picture; for files written by this user's own window."""
    return file.is_absolute() and is_same_picture(file, picture, request)


def plain_name(name: str) -> str:
    """Return the last component of a path by any system's rules, without unprintable characters."""
    last = PureWindowsPath(PurePosixPath(name).name).name
    return "".join(letter for letter in last if unicodedata.category(letter)[0] != "C")[:_LONGEST_NAME]


def usable_additions(workspace: WorkspaceValue) -> tuple[WorkspaceValue, tuple[str, ...]]:
    """Return (the workspace with only the valid additions, messages about those used and those left out)."""
    listed = workspace.additions
    kept = AdditionsPanelState(
        loras=tuple(lora for lora in listed.loras if _is_weights(lora.use.file)),
        embeddings=tuple(one for one in listed.embeddings if _is_weights(one.file)),
        vae=None if listed.vae is None or _is_remote(listed.vae) else listed.vae,
    )
    lost = sum(map(len, (listed.loras, listed.embeddings))) - sum(map(len, (kept.loras, kept.embeddings)))
    lost += kept.vae != listed.vae
    named = [lora.use.file for lora in kept.loras if lora.on] + [one.file for one in kept.embeddings]
    used = [file for file in (*named, *([kept.vae] if kept.vae else [])) if _is_there(file)]
    notes: tuple[str, ...] = ()
    if used:
        names = ", ".join(plain_name(file.name)[:60] for file in used[:_MAX_NAMED])
        more = f" and {len(used) - _MAX_NAMED} more" if len(used) > _MAX_NAMED else ""
        notes += (f"It draws with files of this computer: {names}{more}.",)
    if lost:
        notes += (f"{lost} of the LoRAs, embeddings and VAEs in it are not valid and were left out.",)
    return replace(workspace, additions=kept), notes


def _is_weights(file: Path) -> bool:
    return file.suffix.lower() in EMBEDDING_ENDINGS and not _is_remote(file)


def _is_remote(file: Path) -> bool:
    """Whether merely checking the path would contact another computer."""
    return str(file).startswith(("\\\\", "//"))


def _is_there(file: Path) -> bool:
    try:
        return file.is_file() or file.is_dir()
    except (OSError, ValueError):
        return False
