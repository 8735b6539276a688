"""The project file (`.sdxld`): a zip with the picture, the mask, candidates, kept latents and what the panels say,
written whole or not at all, and read without trust."""

from __future__ import annotations

import contextlib
import os
import zipfile
from pathlib import Path
from typing import BinaryIO

import msgspec

from sdxl_desktop.core.atomic_write import atomic_file
from sdxl_desktop.session.document.file_references import TrustedFileCheck, trust_no_file
from sdxl_desktop.session.document.manifest import (
    DOCUMENT_KIND,
    FORMAT_VERSION,
    MANIFEST_MEMBER,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestHeader,
    ManifestV1,
)
from sdxl_desktop.session.document.project_archive import ProjectArchive
from sdxl_desktop.session.document.project_content import PROJECT_SUFFIX, Project, ProjectError
from sdxl_desktop.session.document.project_decoder import decode_project, decode_project_v1
from sdxl_desktop.session.document.project_encoder import MemberContent, encode_member, encode_project
from sdxl_desktop.session.document.sidecar import SidecarFolder

__all__ = ["PROJECT_SUFFIX", "Project", "ProjectError", "load_project", "save_project", "write_archive"]

_MAX_REASON_LENGTH = 300


def save_project(project: Project, path: Path) -> None:
    """Write a project file, replacing what is there only when all of it is on the disk; raises ProjectError."""
    packed = encode_project(project)
    write_archive(path, packed.manifest, dict(packed.members))


def write_archive(path: Path, manifest: Manifest, members: dict[str, MemberContent]) -> None:
    """Write the card and those members as a zip file that only this person can read, whole or not at all; raises
    ProjectError."""
    path = Path(os.path.realpath(path))  # a link stays one
    try:
        with atomic_file(path, private=True) as beside, beside.open("wb") as file:
            _write(file, manifest, members)
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise ProjectError(
            f"{path.name} could not be saved.",
            why=f"{problem.strerror or problem}.",
            next_step="Save it in another folder, or make room on the disk.",
        ) from problem
    _fsync_folder(path.parent)


def _write(file: BinaryIO, manifest: Manifest, members: dict[str, MemberContent]) -> None:
    # Stored, not deflated: PNG is compressed already and latents cannot be.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(MANIFEST_MEMBER, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        for name, content in members.items():
            archive.writestr(name, encode_member(content))


def _fsync_folder(folder: Path) -> None:
    """Have the system write down that a name stands for another file now, where it can be asked to."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load_project(
    path: Path, sidecar: SidecarFolder | None = None, is_trusted_file: TrustedFileCheck = trust_no_file
) -> Project:
    """Read a project file, with what lies `beside` a recovery file; raises ProjectError for one that is missing, cut
    short, foreign, too large or of a newer version. Nothing is unpacked before its size is known to be bearable.

    `believes` says of which files it is believed that a candidate is saved as one, see `named_files`.
    """
    try:
        with ProjectArchive(path) as archive:
            return _read(archive, path.name, sidecar, is_trusted_file)
    except ProjectError:
        raise
    except FileNotFoundError as problem:
        if sidecar is not None and path.exists():  # one of the parts is missing
            raise _unreadable_error(path.name, problem) from problem
        raise ProjectError(f"{path.name} is not there any more.", next_step="Choose another project.") from problem
    except MemoryError as problem:
        raise ProjectError(f"{path.name} does not fit in memory.", next_step="Close other programs.") from problem
    except Exception as problem:  # the one boundary around what strangers' files make libraries raise
        raise _unreadable_error(path.name, problem) from problem


def _unreadable_error(name: str, problem: Exception) -> ProjectError:
    reason = (str(problem).rstrip(".") or type(problem).__name__)[:_MAX_REASON_LENGTH]
    return ProjectError(
        f"{name} cannot be opened as a project.",
        why=f"It is damaged, cut short, or not a project of SDXL Desktop ({reason}).",
        next_step="Choose another project, or an older copy of this one.",
    )


def _read(
    archive: ProjectArchive, file_name: str, sidecar: SidecarFolder | None, is_trusted_file: TrustedFileCheck
) -> Project:
    text = archive.read(MANIFEST_MEMBER, MAX_MANIFEST_BYTES)
    heading = msgspec.json.decode(text, type=ManifestHeader)
    if heading.kind != DOCUMENT_KIND:
        raise ValueError(f"it calls itself {heading.kind[:40]!r}")
    if heading.version > FORMAT_VERSION:
        raise ProjectError(
            f"{file_name} was saved by a newer SDXL Desktop ({heading.application[:40] or 'unknown version'}).",
            why=f"It is in project format {heading.version}; this version reads up to {FORMAT_VERSION}.",
            next_step="Update SDXL Desktop, then open it again.",
        )
    if heading.version == 1:
        return decode_project_v1(msgspec.json.decode(text, type=ManifestV1), archive)
    return decode_project(msgspec.json.decode(text, type=Manifest), archive, sidecar, is_trusted_file)
