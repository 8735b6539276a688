"""The project file (`.sdxld`): a zip with the picture, the mask, candidates, saved latents and the panel values,
written atomically and read as untrusted input."""

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
    """Write a project file atomically, replacing an existing one; raises ProjectError."""
    packed = encode_project(project)
    write_archive(path, packed.manifest, dict(packed.members))


def write_archive(path: Path, manifest: Manifest, members: dict[str, MemberContent]) -> None:
    """Write the manifest and members atomically as a zip file that only this user can read; raises ProjectError."""
    path = Path(os.path.realpath(path))  # a symbolic link is preserved
    try:
        with atomic_file(path, private=True) as temporary, temporary.open("wb") as file:
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
    """Flush the renaming of a file in `folder` to disk, where the system supports that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load_project(
    path: Path, sidecar: SidecarFolder | None = None, is_trusted_file: TrustedFileCheck = trust_no_file
) -> Project:
    """Read a project file, with the `sidecar` of a recovery file; raises ProjectError for one that is missing,
    truncated, foreign, too large or of a newer version. Every size is checked before anything is unpacked.

    `is_trusted_file` decides which files are accepted as saved candidates, see `file_references`.
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
    except Exception as problem:  # the only boundary for what untrusted files make libraries raise
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
