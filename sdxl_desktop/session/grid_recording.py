"""Indexes a composed grid in the history, and tags it and its pictures, so that the gallery can show them together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.history.entries import HistoryEntry, ListedSettings, NewPicture, PictureKind
from sdxl_desktop.history.pictures import parents_of
from sdxl_desktop.metadata.picture_files import PictureRecord

if TYPE_CHECKING:
    from sdxl_desktop.history.store import History  # loads the database's libraries

TAG_PREFIX = "Grid "
_MAX_NAME = 60
"""Maximum characters of the prompt in a tag."""


def new_grid_picture(
    file: Path, pixels: UInt8Array, record: PictureRecord | None, *, prompt: str, checkpoint_title: str
) -> NewPicture:
    """Return the grid `pixels`, uint8 [H, W, 3], which was written to `file`, for `record_grid`. `record` is that of
    the request that the axes change; `prompt` is listed if it is unknown."""
    height, width = pixels.shape[:2]
    return NewPicture(
        file=file.absolute(),
        size=Size(width, height),
        kind=PictureKind.GRID,
        record=record,
        other_record=ListedSettings(prompt=prompt),
        checkpoint_title=checkpoint_title,
        parents=() if record is None else parents_of(record.request),
        pixels_digest=Raster.from_pixels(pixels).digest,
    )


def record_grid(history: History, grid: NewPicture, pictures: Iterable[Path]) -> str:
    """Add the grid to the history, tag it and those of its `pictures` that are in the history, and return the tag. A
    grid that is composed again keeps its tag. Raises HistoryError."""
    looked_up = (history.entry_of_file(file.absolute()) for file in pictures)
    found = [each for each in looked_up if each is not None]
    entry = history.add(_with_checkpoint_id(grid, found))
    ids = [entry, *(each.id for each in found)]
    tags = next((each.tags for each in history.entries([entry])), ())
    tag = next((each for each in tags if each.startswith(TAG_PREFIX)), "") or _new_tag(grid.listed.prompt)
    history.add_tag(dict.fromkeys(ids), tag)
    return tag


def _with_checkpoint_id(grid: NewPicture, pictures: Sequence[HistoryEntry]) -> NewPicture:
    """Return the grid with the content ID of its checkpoint, which only drawing tells."""
    own = (each for each in pictures if each.checkpoint_title == grid.checkpoint_title)
    checkpoint_id = next((each.checkpoint_id for each in own if each.checkpoint_id), "")
    if grid.record is None or grid.record.checkpoint_id or not checkpoint_id:
        return grid
    return replace(grid, record=msgspec.structs.replace(grid.record, checkpoint_id=checkpoint_id))


def _new_tag(prompt: str) -> str:
    name = slugify(prompt, "picture")[:_MAX_NAME].rstrip("-")
    return f"{TAG_PREFIX}{name} {datetime.now():%Y-%m-%d %H:%M:%S}"
