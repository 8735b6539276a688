"""The labelled grid: every picture in its place, labels inside the picture, a bound on its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.imaging import grid_picture
from sdxl_desktop.imaging.grid_picture import GridSection, compose_grid

FONT = resources_folder() / "fonts" / "Inter-Regular.ttf"


def colour(*rgb: int, size: tuple[int, int] = (64, 64)) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((size[1], size[0], 3), rgb, np.uint8)


def test_pictures_are_where_their_row_and_column_are(tmp_path: Path) -> None:
    Image.fromarray(colour(0, 0, 255)).save(tmp_path / "blue.png")
    cells = ((colour(255, 0, 0), colour(0, 255, 0)), (tmp_path / "blue.png", None))
    whole = compose_grid([GridSection("", cells)], ["one", "two"], ["up", "down"], (64, 64), FONT)
    centres = {
        name: np.argwhere((whole == rgb).all(2)).mean(0)
        for name, rgb in {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}.items()
    }
    assert centres["red"][0] == centres["green"][0] < centres["blue"][0]
    assert centres["red"][1] == centres["blue"][1] < centres["green"][1]
    assert ((whole == (255, 0, 0)).all(2)).sum() == 64 * 64, "at its own size, untouched"


def test_sections_follow_one_another() -> None:
    sections = [GridSection("first", ((colour(255, 0, 0),),)), GridSection("second", ((colour(0, 255, 0),),))]
    whole = compose_grid(sections, ["column"], [""], (64, 64), FONT)
    reds, greens = (np.argwhere((whole == rgb).all(2)) for rgb in ((255, 0, 0), (0, 255, 0)))
    assert reds[:, 0].max() < greens[:, 0].min()
    assert (whole[reds[:, 0].max() + 1 : greens[:, 0].min()] < 128).any(), "a title between them"


@pytest.mark.parametrize("label", ["", "x", "a very long label " * 40, "長い" * 200, "\n\n"])
def test_any_label_fits(label: str) -> None:
    whole = compose_grid([GridSection(label, ((colour(1, 2, 3),),))], [label], [label], (64, 64), FONT)
    assert (whole[:, :4] == 255).all()
    assert (whole[:, -4:] == 255).all()


def test_a_large_grid_is_reduced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid_picture, "MAX_PIXELS", 100_000)
    cells = tuple(tuple(colour(200, 0, 0) for _ in range(10)) for _ in range(10))
    whole = compose_grid([GridSection("", cells)], [str(n) for n in range(10)], ["row"] * 10, (64, 64), FONT)
    assert whole.shape[0] * whole.shape[1] <= 100_000


def test_pictures_of_other_shapes_keep_theirs() -> None:
    whole = compose_grid([GridSection("", ((colour(255, 0, 0, size=(64, 16)),),))], [""], [""], (32, 32), FONT)
    reds = np.argwhere((whole == (255, 0, 0)).all(2))
    height, width = reds.max(0) - reds.min(0) + 1
    assert (width, height) == (32, 8)
