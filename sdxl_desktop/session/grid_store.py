"""Grids whose pictures are being drawn, kept between starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from sdxl_desktop import __version__
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.core.state_file import read_state, update_state
from sdxl_desktop.metadata.picture_files import PictureRecord, decode_record, encode_record
from sdxl_desktop.session.request_grid import GridAxis, GridCell, GridParameter
from sdxl_desktop.session.request_key import request_key

_MAX_GRIDS = 32
"""More unfinished grids are not kept; the oldest is forgotten."""


class StoredAxis(msgspec.Struct, frozen=True, kw_only=True):
    """An axis: the label of its parameter and its values."""

    label: str
    values: list[str]


class StoredCell(msgspec.Struct, frozen=True, kw_only=True):
    """A cell: its place along each axis, the key of its request, and its file; "" if it is not drawn."""

    place: list[int]
    key: str
    file: str = ""


class StoredGrid(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished grid: an identifier, its prompt, the size of a picture, axes and cells. `record` is the record of
    the request that the axes change, as JSON, and `checkpoint_title` that of its checkpoint; "" if unknown."""

    id: str
    prompt: str
    width: int
    height: int
    axes: list[StoredAxis]
    cells: list[StoredCell]
    record: str = ""
    checkpoint_title: str = ""

    @property
    def size(self) -> Size:
        return Size(self.width, self.height)

    def grid_axes(self) -> tuple[GridAxis, ...]:
        """Return the axes for `grid_picture`."""
        return tuple(GridAxis(GridParameter(one.label, one.label), tuple(one.values)) for one in self.axes)

    def files(self) -> dict[tuple[int, ...], Path]:
        """Return the files of the drawn cells by place."""
        return {tuple(one.place): Path(one.file) for one in self.cells if one.file}

    def picture_record(self) -> PictureRecord | None:
        """Return the record of the request that the axes change; None if it is unknown or cannot be read."""
        with suppress(Exception):  # of another version
            return decode_record(self.record) if self.record else None
        return None

    def missing(self) -> set[str]:
        """Return the keys of the cells that are not drawn."""
        return {one.key for one in self.cells if not one.file}

    def with_file(self, key: str, file: Path) -> StoredGrid:
        """Return the grid with `file` in every cell of that request."""
        cells = [msgspec.structs.replace(one, file=str(file)) if one.key == key else one for one in self.cells]
        return msgspec.structs.replace(self, cells=cells)


def new_grid(
    identifier: str,
    base: GenerationRequest,
    axes: Sequence[GridAxis],
    cells: Sequence[GridCell],
    checkpoint_title: str = "",
) -> StoredGrid:
    """Return a grid none of whose cells is drawn."""
    record = PictureRecord(version=__version__, seed=base.sampling.seed, request=base.for_metadata())
    return StoredGrid(
        id=identifier,
        prompt=base.prompts.prompt,
        width=base.sampling.size.width,
        height=base.sampling.size.height,
        axes=[StoredAxis(label=axis.parameter.label, values=list(axis.values)) for axis in axes],
        cells=[StoredCell(place=list(cell.place), key=request_key(cell.request)) for cell in cells],
        record=encode_record(record),
        checkpoint_title=checkpoint_title,
    )


class GridStore:
    """The unfinished grids, as JSON in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> tuple[StoredGrid, ...]:
        """Return the unfinished grids, the newest last. Never raises."""
        return tuple(read_state(self._file, list[StoredGrid], []))

    def save(self, grid: StoredGrid) -> None:
        """Add a grid, or replace the one with its identifier. Raises SettingsError."""

        def changed(grids: list[StoredGrid]) -> list[StoredGrid]:
            return [*(one for one in grids if one.id != grid.id), grid][-_MAX_GRIDS:]

        self._update(changed)

    def remove(self, identifier: str) -> None:
        """Forget a grid. Raises SettingsError."""
        self._update(lambda grids: [one for one in grids if one.id != identifier])

    def _update(self, change: Callable[[list[StoredGrid]], list[StoredGrid]]) -> None:
        update_state(self._file, list[StoredGrid], [], change, "The unfinished grids could not be saved.")
