"""Decode a project from its members, each size-limited before it is unpacked and checked afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.path_text import text_to_path
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record
from sdxl_desktop.session.document.file_references import TrustedFileCheck, plain_name, trust_no_file, usable_additions
from sdxl_desktop.session.document.manifest import (
    MAX_CANDIDATES,
    MAX_LATENTS_BYTES,
    CandidateEntry,
    Manifest,
    ManifestV1,
    StartEntry,
    check_size_limits,
    decode_workspace,
)
from sdxl_desktop.session.document.png_codec import HEAD_BYTES, declared_shape, decode_png, png_limit
from sdxl_desktop.session.document.project_archive import ProjectArchive
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.document.project_encoder import pixel_key
from sdxl_desktop.session.document.sidecar import SidecarFolder
from sdxl_desktop.session.result_files import Result

_DECODE_ERRORS = (msgspec.MsgspecError, RequestError, TypeError, ValueError, RecursionError, OverflowError)
"""Errors raised by decoding values that are invalid in this version."""


def decode_project(
    manifest: Manifest,
    archive: ProjectArchive,
    sidecar: SidecarFolder | None,
    is_trusted_file: TrustedFileCheck = trust_no_file,
) -> Project:
    """Return the project; raises ValueError and what `ProjectArchive` raises for a damaged one, ProjectError for one
    too large.

    `is_trusted_file` is called for each file that a candidate claims to be saved as. With a `sidecar` it is this user's
    own recovery file, and its queued requests are restored; those of other projects are not.
    """
    if max(len(manifest.candidates), len(manifest.waiting)) > MAX_CANDIDATES:
        raise ValueError("it has too many candidates")
    if manifest.beside and sidecar is None:
        raise ValueError("its parts lie elsewhere")
    members = _MemberReader(manifest, archive, sidecar)
    check_size_limits(members.declared_shapes())
    picture = members.pixels(manifest.picture, 3) if manifest.picture else None
    mask = members.pixels(manifest.mask, 2) if manifest.mask else None
    if mask is not None and (picture is None or mask.shape != picture.shape[:2]):
        raise ValueError("its mask does not fit its picture")
    candidates, lost = _candidates(manifest, members, is_trusted_file)
    workspace, notes = _workspace(manifest, is_own=sidecar is not None)
    if lost:
        notes += (f"{lost} of {len(manifest.candidates)} candidates do not say how they were made and were left out.",)
    waiting = () if sidecar is None else _queued_requests(manifest, members)
    kept_as = None if sidecar is None else _path(manifest.kept_as)
    name = plain_name(manifest.picture_name)
    return Project(picture, mask, name, candidates, workspace, waiting, kept_as, notes)


def decode_project_v1(manifest: ManifestV1, archive: ProjectArchive) -> Project:
    """Return the project of a version 1 manifest; raises like `decode_project`."""
    now = Manifest(
        picture="picture.png" if manifest.has_picture else "",
        mask="mask.png" if manifest.has_mask else "",
        picture_name=manifest.picture_name,
    )
    project = decode_project(now, archive, None)
    if manifest.candidates:
        return replace(project, notes=("The candidates in it do not say how they were made and were left out.",))
    return project


def _workspace(manifest: Manifest, *, is_own: bool) -> tuple[WorkspaceValue | None, tuple[str, ...]]:
    """Return the panel values, and messages about their additions unless `is_own`. Values that are invalid in this
    version are dropped without failing, since the picture is worth more."""
    try:
        workspace = decode_workspace(manifest.workspace)
    except _DECODE_ERRORS:
        return None, ("The panels' values in it could not be read.",)
    return (workspace, ()) if is_own or workspace is None else usable_additions(workspace)


def _record(raw: msgspec.Raw) -> PictureRecord | None:
    """Return the record; None if this version cannot read it."""
    try:
        record = decode_record(bytes(raw).decode())
    except _DECODE_ERRORS:
        return None
    return record if 0 <= record.seed <= MAX_SEED else None


def _candidates(
    manifest: Manifest, members: _MemberReader, is_trusted_file: TrustedFileCheck
) -> tuple[tuple[Result, ...], int]:
    """Return (the candidates, the number of those whose record this version cannot read)."""
    candidates: list[Result] = []
    for entry in manifest.candidates:
        record = _record(entry.record)
        if record is not None:
            candidates.append(_candidate(entry, record, members, is_trusted_file))
    return tuple(candidates), len(manifest.candidates) - len(candidates)


def _queued_requests(manifest: Manifest, members: _MemberReader) -> tuple[GenerationRequest, ...]:
    """Return the queued requests, without those that cannot be read or generated again."""
    requests: list[GenerationRequest] = []
    for entry in manifest.waiting:
        record = _record(entry.record)
        if record is not None:
            requests.append(_request(record.request, entry.start, members))
    return tuple(requests)


def _candidate(
    entry: CandidateEntry, record: PictureRecord, members: _MemberReader, is_trusted_file: TrustedFileCheck
) -> Result:
    picture = Picture(
        pixels=members.pixels(entry.pixels, 3),
        seed=record.seed,
        checkpoint_id=record.checkpoint_id,
        index=entry.index,
        notes=tuple(entry.notes),
        latents=members.latents(entry.latents) if entry.latents else None,
        generated_pixels=members.pixels(entry.drawn, 3) if entry.drawn else None,
    )
    request = _request(record.request, entry.start, members)
    file = _path(entry.saved_to)
    return Result(picture, request, file if file is not None and is_trusted_file(file, picture, request) else None)


def _path(text: str) -> Path | None:
    """Return the path that `path_to_text` wrote; None for ""."""
    try:
        return text_to_path(text) if text else None
    except ValueError:
        return None


def _request(request: GenerationRequest, start: StartEntry | None, members: _MemberReader) -> GenerationRequest:
    """Return the request with its source pixels and the latents that it resumes from."""
    if request.edit is not None:
        mask = None if request.edit.mask is None else members.source_raster(request.edit.mask, 2)
        edit = replace(request.edit, picture=members.source_raster(request.edit.picture, 3), mask=mask)
        request = replace(request, edit=edit)
    if start is not None:
        request = replace(request, start=ResumePoint(members.latents(start.latents), start.step))
    return request


@dataclass(slots=True)
class _MemberReader:
    """The members by name, in the archive or the sidecar folder, each decoded once."""

    manifest: Manifest
    archive: ProjectArchive
    sidecar: SidecarFolder | None
    _pixels: dict[str, UInt8Array] = field(default_factory=dict)
    _latents: dict[str, SavedLatents] = field(default_factory=dict)
    _source_rasters: dict[str, Raster] = field(default_factory=dict)

    def declared_shapes(self) -> list[tuple[int, ...]]:
        """The shapes that decoding will yield, [size] for latents, determined without decoding."""
        pixels, latents = {self.manifest.picture, self.manifest.mask, *self.manifest.grounds.values()}, {""}
        for entry in self.manifest.candidates:
            pixels |= {entry.pixels, entry.drawn}
            latents.add(entry.latents)
        starts = [entry.start for entry in self.manifest.candidates]
        starts += [entry.start for entry in self.manifest.waiting]
        latents |= {"" if start is None else start.latents for start in starts}
        shapes = [self._shape(name) for name in sorted(pixels - {""})]
        return shapes + [self._size(name) for name in sorted(latents - {""})]

    def _shape(self, name: str) -> tuple[int, ...]:
        if name in self.manifest.beside:
            return _checked_shape(self.manifest.beside[name].shape, (2, 3))
        return declared_shape(self.archive.read_prefix(name, HEAD_BYTES), self.archive.size(name))

    def _size(self, name: str) -> tuple[int, ...]:
        if name in self.manifest.beside:
            return _checked_shape(self.manifest.beside[name].shape, (1,))
        return (self.archive.size(name),)

    def pixels(self, name: str, dimensions: int) -> UInt8Array:
        """The pixels of a member, uint8 [H, W] or [H, W, 3]; do not modify them."""
        if name not in self._pixels:
            if name in self.manifest.beside:
                assert self.sidecar is not None
                found = self.sidecar.pixels(self.manifest.beside[name])
            else:
                shape = self._shape(name)
                found = decode_png(self.archive.read(name, png_limit(shape)))
                if found.shape != shape:
                    raise ValueError(f"{name} does not match its header")
            found.setflags(write=False)
            self._pixels[name] = found
        if self._pixels[name].ndim != dimensions:
            raise ValueError(f"{name} is not what it is used for")
        return self._pixels[name]

    def latents(self, name: str) -> SavedLatents:
        """Return the latents of a member."""
        if name not in self._latents:
            from sdxl_desktop.metadata.latent_files import (
                decode_latents,  # imports safetensors; few documents have latents
            )

            if name in self.manifest.beside:
                assert self.sidecar is not None
                content = self.sidecar.content(self.manifest.beside[name])
            else:
                content = self.archive.read(name, MAX_LATENTS_BYTES)
            self._latents[name] = decode_latents(content)
        return self._latents[name]

    def source_raster(self, recorded: Raster, dimensions: int) -> Raster:
        """Return the raster with its pixels, if the project has them; raises ValueError if the pixels do not match."""
        key = pixel_key(recorded.digest, recorded.size.height, recorded.size.width)
        name = self.manifest.grounds.get(key)
        if name is None:
            return recorded
        if key not in self._source_rasters:
            self._source_rasters[key] = Raster.from_pixels(self.pixels(name, dimensions))
        known = self._source_rasters[key]
        if (known.digest, known.size) != (recorded.digest, recorded.size) or known.array.ndim != dimensions:
            raise ValueError(f"{name} is not what a candidate was drawn on")
        return replace(known, name=recorded.name)


def _checked_shape(shape: list[int], dimensions: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) not in dimensions or min(shape) < 1 or (len(shape) == 3 and shape[2] != 3):
        raise ValueError("a part has an impossible shape")
    return tuple(shape)
