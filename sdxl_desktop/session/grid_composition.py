"""Lays the pictures of a grid out in one labelled picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.grid_picture import GridSection, compose_grid
from sdxl_desktop.session.request_grid import GridAxis

_FONT = "Inter-Regular.ttf"


def grid_picture(
    axes: Sequence[GridAxis],
    pictures: Mapping[tuple[int, ...], Path | UInt8Array],
    size: Size,
    fonts: Path,
) -> UInt8Array:
    """Return the labelled grid: uint8 [H, W, 3]. The first axis goes across, the second down, the third from section to
    section. `pictures` maps places (see `GridCell`) to files or pixels; missing ones are left empty.

    Raises OSError for a file that cannot be read.
    """
    columns, rows, sections = (_labels(axes, number) for number in range(3))
    tables = []
    for depth, title in enumerate(sections):
        cells = tuple(
            tuple(pictures.get((column, row, depth)[: len(axes)]) for column in range(len(columns)))
            for row in range(len(rows))
        )
        tables.append(GridSection(title, cells))
    return compose_grid(tables, columns, rows, (size.width, size.height), fonts / _FONT)


def _labels(axes: Sequence[GridAxis], number: int) -> tuple[str, ...]:
    if number >= len(axes):
        return ("",)
    return tuple(axes[number].label(value) for value in axes[number].values)
