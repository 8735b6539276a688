"""What the history records of a finished picture: its kind, what it was made from, and digests of its content."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.history.entries import NewPicture, Parent, ParentRole, PictureKind
from sdxl_desktop.metadata.picture_files import create_record


def new_picture(file: Path, picture: Picture, request: GenerationRequest, checkpoint_title: str = "") -> NewPicture:
    """Return the finished `picture` of `request`, which was written to `file`, for `History.add`."""
    height, width = picture.pixels.shape[:2]
    return NewPicture(
        file=file,
        size=Size(width, height),
        kind=kind_of(request),
        record=create_record(picture, request),
        checkpoint_title=checkpoint_title or request.checkpoint.name,
        parents=parents_of(request),
        pixels_digest=Raster.from_pixels(picture.pixels).digest,
        latents_digest="" if picture.latents is None else latents_digest(picture.latents),
    )


def kind_of(request: GenerationRequest) -> PictureKind:
    """Return what kind of picture `request` makes. Outpainting is recognised by the mask's pixels, so that of a
    request without pixels is taken for inpainting."""
    edit = request.edit
    if edit is None:
        return PictureKind.REFINED if request.refine is not None else PictureKind.TEXT_TO_IMAGE
    if edit.mask is None:
        return PictureKind.IMAGE_TO_IMAGE
    mask = edit.mask.pixels
    return PictureKind.OUTPAINTING if mask is not None and _covers_a_side(mask) else PictureKind.INPAINTING


def _covers_a_side(mask: UInt8Array) -> bool:
    """Whether the mask, uint8 [H, W], covers the whole of a side of the picture, but not the whole picture."""
    sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
    return any(bool(side.all()) for side in sides) and not bool(mask.all())


def parents_of(request: GenerationRequest) -> tuple[Parent, ...]:
    """Return what a picture of `request` is made from. A request from a record has no latents."""
    found = []
    edit, start = request.edit, request.start
    if edit is not None:
        found.append(_parent(ParentRole.PICTURE, edit.picture))
        if edit.mask is not None:
            found.append(_parent(ParentRole.MASK, edit.mask))
    if start is not None:
        found.append(Parent(ParentRole.LATENTS, latents_digest(start.latents)))
    return tuple(found)


def _parent(role: ParentRole, raster: Raster) -> Parent:
    return Parent(role, raster.digest, Path(raster.name).name)


def latents_digest(latents: SavedLatents) -> str:
    """Return the digest that identifies kept latents, by the final ones."""
    final = np.ascontiguousarray(latents.final, dtype="<f4")
    return hashlib.blake2b(final.tobytes(), digest_size=12, person=b"latents").hexdigest()
