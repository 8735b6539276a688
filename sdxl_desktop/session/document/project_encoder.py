"""Encode a project as a manifest and members; repeated content is stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from sdxl_desktop import __version__
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.path_text import path_to_text
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.metadata.picture_files import PictureRecord, create_record, encode_record
from sdxl_desktop.session.document.manifest import (
    CandidateEntry,
    Manifest,
    QueuedRequestEntry,
    StartEntry,
    check_size_limits,
    encode_workspace,
)
from sdxl_desktop.session.document.png_codec import encode_png
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.result_files import Result

MASK_MEMBER = "mask.png"


def pixel_key(digest: str, height: int, width: int) -> str:
    """Return a key that identifies pixels: `Raster.digest`, which ignores the shape, and the size."""
    return f"{digest}-{width}x{height}"


def digest_of(pixels: UInt8Array) -> str:
    """Return the digest as of `Raster.from_pixels`, for uint8 [H, W, 3] or [H, W], without copying."""
    flat = np.ascontiguousarray(pixels).reshape(-1)
    return hashlib.blake2b(flat.data, digest_size=12, person=f"{pixels.ndim}d".encode()).hexdigest()


@dataclass(slots=True)
class PixelKeyCache:
    """Caches the keys of recently used arrays by identity, so that frequent writes hash only new ones.

    References to the arrays are held, so that each id stays unique.
    """

    _known: dict[int, tuple[UInt8Array, str]] = field(default_factory=dict)
    _used: set[int] = field(default_factory=set)

    def key(self, pixels: UInt8Array) -> str:
        """Return the `pixel_key` of an array, uint8 [H, W, 3] or [H, W], that is no longer modified."""
        self._used.add(id(pixels))
        if id(pixels) not in self._known:
            self._known[id(pixels)] = pixels, pixel_key(digest_of(pixels), *pixels.shape[:2])
        return self._known[id(pixels)][1]

    def add(self, raster: Raster) -> str:
        """Return the `pixel_key` of a raster with pixels, which already has its digest."""
        pixels = raster.array
        self._used.add(id(pixels))
        self._known.setdefault(id(pixels), (pixels, pixel_key(raster.digest, raster.size.height, raster.size.width)))
        return self._known[id(pixels)][1]

    def remove_unused(self) -> None:
        """Drop the keys that were not used since the last call."""
        self._known = {key: known for key, known in self._known.items() if key in self._used}
        self._used.clear()


@dataclass(frozen=True, slots=True, eq=False)
class LatentsMember:
    """Latents as a member, with the request that made them if known."""

    latents: SavedLatents
    request: GenerationRequest | None = None

    def encode(self) -> bytes:
        from sdxl_desktop.metadata.latent_files import encode_latents  # imports safetensors; few documents have latents

        return encode_latents(self.latents, self.request)


MemberContent = UInt8Array | LatentsMember


def encode_member(content: MemberContent) -> bytes:
    """Return the bytes of a member as stored in the zip file."""
    return content.encode() if isinstance(content, LatentsMember) else encode_png(content)


@dataclass(frozen=True, slots=True)
class EncodedProject:
    """The manifest, and the members by name."""

    manifest: Manifest
    members: Mapping[str, MemberContent]


def encode_project(project: Project, digests: PixelKeyCache | None = None) -> EncodedProject:
    """Encode a project; raises ProjectError if it is too large to be read back."""
    return _ProjectEncoder(digests or PixelKeyCache()).pack(project)


@dataclass(slots=True)
class _ProjectEncoder:
    digests: PixelKeyCache
    members: dict[str, MemberContent] = field(default_factory=dict)
    pixels: dict[str, str] = field(default_factory=dict)
    """Member names by `pixel_key`."""
    latents: dict[int, str] = field(default_factory=dict)
    """Member names by the latents' id."""
    grounds: dict[str, str] = field(default_factory=dict)

    def pack(self, project: Project) -> EncodedProject:
        name = project.picture_name.encode(errors="replace").decode()  # the file's name may not be valid text
        manifest = Manifest(application=__version__, picture_name=name)
        if project.picture is not None:
            manifest.picture = self._add_pixels(project.picture, "picture.png")
        if project.mask is not None:
            manifest.mask = self._add_pixels(project.mask, MASK_MEMBER)
        manifest.candidates = [self._candidate_entry(n, one) for n, one in enumerate(project.candidates)]
        manifest.waiting = [self._queued_request_entry(one) for one in project.queued_requests]
        manifest.kept_as = path_to_text(project.saved_file) if project.saved_file is not None else ""
        manifest.grounds = self.grounds
        if project.workspace is not None:
            manifest.workspace = encode_workspace(project.workspace)
        check_size_limits(
            (content.latents.nbytes,) if isinstance(content, LatentsMember) else content.shape
            for content in self.members.values()
        )
        return EncodedProject(manifest, self.members)

    def _add_pixels(self, pixels: UInt8Array, name: str) -> str:
        """Return the member that holds these pixels, adding one called `name` if there is none."""
        key = self.digests.key(pixels)
        if key not in self.pixels:
            self.pixels[key] = name
            self.members[name] = pixels
        return self.pixels[key]

    def _candidate_entry(self, number: int, result: Result) -> CandidateEntry:
        picture, request = result.picture, result.request
        stem = f"candidates/{number:03}"
        record = create_record(picture, request)
        entry = CandidateEntry(
            pixels=self._add_pixels(picture.pixels, f"{stem}.png"),
            record=msgspec.Raw(encode_record(record).encode()),
            index=picture.index,
            notes=list(picture.notes),
            saved_to="" if result.saved_to is None else path_to_text(result.saved_to),
        )
        if picture.generated_pixels is not None:
            entry.drawn = self._add_pixels(picture.generated_pixels, f"{stem}-drawn.png")
        if picture.latents is not None:
            entry.latents = self._add_latents(picture.latents, request)
        entry.start = self._start_entry(request)
        return entry

    def _queued_request_entry(self, request: GenerationRequest) -> QueuedRequestEntry:
        record = PictureRecord(version=__version__, seed=request.sampling.seed, request=request.without_pixels())
        return QueuedRequestEntry(msgspec.Raw(encode_record(record).encode()), self._start_entry(request))

    def _start_entry(self, request: GenerationRequest) -> StartEntry | None:
        """Store the source pixels of a request and the latents that it resumes from."""
        if request.edit is not None:
            self._add_source(request.edit.picture)
            self._add_source(request.edit.mask)
        if request.start is None:
            return None
        return StartEntry(self._add_latents(request.start.latents), request.start.step)

    def _add_latents(self, latents: SavedLatents, request: GenerationRequest | None = None) -> str:
        name = self.latents.setdefault(id(latents), f"latents/{len(self.latents):03}.safetensors")
        self.members.setdefault(name, LatentsMember(latents, request))
        return name

    def _add_source(self, raster: Raster | None) -> None:
        """Store the source pixels of a candidate, unless the raster has no pixels any more."""
        if raster is not None and raster.pixels is not None:
            key = self.digests.add(raster)
            self.grounds[key] = self._add_pixels(raster.array, f"grounds/{len(self.grounds):03}.png")
