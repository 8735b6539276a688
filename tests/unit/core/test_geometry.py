"""Sizes and points are parsed as users write them; impossible ones are refused."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Point, Size


@pytest.mark.parametrize("text", ["640x512", " 640 X 512 ", "640×512"])
def test_a_size_is_read_however_it_is_written(text: str) -> None:
    assert Size.parse(text) == Size(640, 512)


@pytest.mark.parametrize("text", ["", "640", "640x", "x512", "640x512x3", "-640x512", "6.4x5", "640*512", "1e3x512"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(RequestError, match="1024x768"):
        Size.parse(text)


@pytest.mark.parametrize(("width", "height"), [(0, 8), (8, 0), (-8, 8)])
def test_a_size_has_pixels(width: int, height: int) -> None:
    with pytest.raises(RequestError, match="no pixels"):
        Size(width, height)


def test_a_size_is_written_the_way_it_is_read() -> None:
    for size in (Size(1, 1), Size(1024, 768), Size(8192, 8)):
        assert Size.parse(str(size)) == size


def test_swapping_twice_changes_nothing() -> None:
    assert Size(832, 1216).swapped() == Size(1216, 832)
    assert Size(832, 1216).swapped().swapped() == Size(832, 1216)


@pytest.mark.parametrize("multiple", [8, 32, 64])
def test_rounding_gives_the_nearest_multiple_and_never_nothing(multiple: int) -> None:
    for side in range(1, 300):
        rounded = Size(side, 300 - side).rounded_to_multiple(multiple)
        for before, after in ((side, rounded.width), (300 - side, rounded.height)):
            assert after % multiple == 0
            assert after >= multiple
            assert after == multiple or abs(after - before) <= multiple / 2


def test_a_point_is_read_and_written() -> None:
    assert Point.parse(" 0 , 128") == Point(0, 128)
    assert Point.parse(str(Point(3, 4))) == Point(3, 4)


@pytest.mark.parametrize("text", ["", "3", "3;4", "-3,4", "3,4,5"])
def test_what_is_no_point_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="0,128"):
        Point.parse(text)


def test_a_point_lies_inside() -> None:
    with pytest.raises(RequestError, match="outside"):
        Point(-1, 0)


@pytest.mark.parametrize(
    ("best", "multiple", "shape", "expected"),
    [
        (Size(64, 64), 16, Size(4000, 3000), Size(80, 64)),
        (Size(64, 64), 16, Size(300, 400), Size(64, 80)),
        (Size(64, 64), 16, Size(333, 333), Size(64, 64)),
        (Size(1024, 1024), 8, Size(4000, 3000), Size(1184, 888)),
        (Size(1024, 1024), 32, Size(3, 2), Size(1248, 832)),
    ],
)
def test_a_size_in_the_shape_of_a_picture_is_the_nearest_in_ratio(
    best: Size, multiple: int, shape: Size, expected: Size
) -> None:
    assert best.with_aspect_ratio_of(shape, multiple, 8192) == expected


def test_a_size_in_a_shape_without_measure_can_still_be_drawn() -> None:
    thin = Size(1024, 1024).with_aspect_ratio_of(Size(1, 30000), 32, 8192)
    assert thin == Size(32, 8192)
