"""The brush covers exactly what a round tip sweeps over, whatever the speed, and never more than its opacity."""

from __future__ import annotations

import time

import numpy as np
import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from tests.unit.session.document.conftest import mask_of

Points = list[tuple[float, float]]


def paint(document: Document, brush: Brush, points: Points, pressure: float = 1.0) -> UInt8Array:
    stroke = document.begin_stroke(brush)
    for x, y in points:
        stroke.move_to(x, y, pressure)
    stroke.end()
    return mask_of(document)


def distances(shape: tuple[int, int], x0: float, x1: float, y: float) -> np.ndarray:
    """From each pixel's middle to the level line from (x0, y) to (x1, y)."""
    rows, columns = np.mgrid[: shape[0], : shape[1]] + 0.5
    return np.asarray(np.hypot(columns - np.clip(columns, x0, x1), rows - y))


def test_a_dab_is_a_disc(document: Document) -> None:
    mask = paint(document, Brush(size=40, hardness=1.0), [(100.5, 80.5)])
    distance = distances(mask.shape, 100.5, 100.5, 80.5)
    assert (mask[distance <= 19.5] == 255).all()
    assert (mask[distance >= 20.5] == 0).all()
    assert mask.sum() / 255 == pytest.approx(np.pi * 20**2, rel=0.002)


def test_a_fast_stroke_has_no_gaps_and_equals_a_slow_one() -> None:
    fast, slow = Document(), Document()
    for document in (fast, slow):
        document.set_picture(np.zeros((200, 320, 3), np.uint8))
    brush = Brush(size=24, hardness=1.0)
    one_move = paint(fast, brush, [(30.5, 100), (290.5, 100)])
    many = paint(slow, brush, [(30.5 + step, 100) for step in range(261)])
    distance = distances(one_move.shape, 30.5, 290.5, 100)
    assert (one_move[distance <= 11.5] == 255).all()
    assert (one_move[distance >= 12.5] == 0).all()
    assert np.abs(one_move.astype(int) - many).max() <= 2


def test_a_fast_curve_is_smooth() -> None:
    """Sixteen positions around a circle: chords between them would come 8 pixels nearer to its middle than corners."""
    document = Document()
    document.set_picture(np.zeros((900, 900, 3), np.uint8))
    angles = np.linspace(0, 2 * np.pi, 17)
    circle = [(450 + 400 * np.cos(angle), 450 + 400 * np.sin(angle)) for angle in angles.tolist()]
    rows, columns = np.nonzero(paint(document, Brush(size=10, hardness=1.0), circle) > 127)
    on_the_way = (
        np.abs(np.arctan2(rows + 0.5 - 450, columns + 0.5 - 450)) > 0.25
    )  # the first and last half are straight
    radius = np.hypot(rows + 0.5 - 450, columns + 0.5 - 450)[on_the_way]
    assert radius.max() - radius.min() < 10 + 1.5, "the line is hardly wider than the brush"


def test_going_over_the_same_place_does_not_exceed_the_opacity(document: Document) -> None:
    back_and_forth = [(60.0 + 40 * (turn % 2), 90.0) for turn in range(20)]
    mask = paint(document, Brush(size=30, hardness=1.0, opacity=0.5), back_and_forth)
    assert mask.max() == 128
    again = paint(document, Brush(size=30, hardness=1.0, opacity=0.5), back_and_forth)
    assert again.max() == 192, "a second stroke covers half of the rest"


def test_a_soft_brush_falls_off_evenly(document: Document) -> None:
    mask = paint(document, Brush(size=80, hardness=0.25), [(150.5, 100.5)])
    profile = mask[100, 150:195].astype(int)
    assert (profile[:10] == 255).all()
    assert (np.diff(profile) <= 0).all()
    assert 110 < profile[25] < 145, "half way between the hard core and the rim"
    assert profile[41] == 0


def test_the_eraser_takes_away_only_where_it_went(document: Document) -> None:
    document.invert()
    mask = paint(document, Brush(size=20, hardness=1.0, erase=True), [(50.5, 50.5), (90.5, 50.5)])
    distance = distances(mask.shape, 50.5, 90.5, 50.5)
    assert (mask[distance <= 9.5] == 0).all()
    assert (mask[distance >= 10.5] == 255).all()


def test_pressure_sets_the_width(document: Document) -> None:
    light = paint(document, Brush(size=40, hardness=1.0), [(60.5, 60.5)], pressure=0.5)
    assert light.sum() / 255 == pytest.approx(np.pi * 10**2, rel=0.01)


def test_growing_pressure_widens_the_line(document: Document) -> None:
    stroke = document.begin_stroke(Brush(size=40, hardness=1.0))
    for x in range(40, 240, 10):
        stroke.move_to(x, 100, (x - 40) / 200)
    stroke.end()
    widths = (mask_of(document)[:, 40:230:10] > 127).sum(axis=0)
    assert (np.diff(widths) >= 0).all()
    assert widths[-1] > 3 * widths[3]


def test_a_stroke_half_outside_the_picture_is_cut_at_its_border(document: Document) -> None:
    mask = paint(document, Brush(size=60, hardness=1.0), [(-200, -50), (0, 0), (500, 260)])
    assert mask[0, 0] == 255
    assert mask[0, -1] == 0


@pytest.mark.parametrize("values", [{"size": 0.0}, {"hardness": 1.5}, {"opacity": 0.0}, {"size": float("nan")}])
def test_a_brush_that_cannot_be_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(RequestError):
        Brush(**values)  # type: ignore[arg-type]


def test_an_event_of_a_large_brush_takes_little_time() -> None:
    document = Document()
    document.set_picture(np.zeros((2048, 2048, 3), np.uint8))
    stroke = document.begin_stroke(Brush(size=200, hardness=0.5))
    stroke.move_to(500, 500)
    spent = []
    for step in range(100):
        began = time.process_time()
        stroke.move_to(500 + 9 * step, 500 + 5 * step)
        spent.append(time.process_time() - began)
    assert np.median(spent) < 0.003
