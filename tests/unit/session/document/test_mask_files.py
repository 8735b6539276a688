"""A picture written with its mask as the alpha gives both back exactly, to us and to programs that know alpha."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.errors import OutputError, PictureError, RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging.picture_reading import mask_from_alpha, open_picture, read_mask
from sdxl_desktop.session.document.mask_files import write_mask, write_mask_as_alpha

SIZE = Size(320, 200)


@pytest.fixture
def mask() -> UInt8Array:
    soft = np.zeros((200, 320), np.uint8)
    soft[50:150, 100:200] = np.arange(100)[None, :] * 2 + 57
    return soft


def test_picture_and_mask_come_back_exactly(photograph: UInt8Array, mask: UInt8Array, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "Bär.png"
    write_mask_as_alpha(photograph, mask, path)
    opened = open_picture(path)
    assert np.array_equal(opened.pixels, photograph), "what is under the mask is not lost"
    assert opened.notes == ()
    assert np.array_equal(mask_from_alpha(opened), mask)
    assert np.array_equal(read_mask(path, SIZE), mask)
    assert list(path.parent.iterdir()) == [path]


def test_a_mask_over_everything_comes_back(photograph: UInt8Array, mask: UInt8Array, tmp_path: Path) -> None:
    everything = np.full_like(mask, 255)
    write_mask_as_alpha(photograph, everything, tmp_path / "a.png")
    opened = open_picture(tmp_path / "a.png")
    assert np.array_equal(opened.pixels, photograph)
    assert np.array_equal(mask_from_alpha(opened), everything)
    assert np.array_equal(read_mask(tmp_path / "a.png", SIZE), everything)


def test_an_empty_mask_is_not_taken_for_the_picture(photograph: UInt8Array, mask: UInt8Array, tmp_path: Path) -> None:
    write_mask_as_alpha(photograph, np.zeros_like(mask), tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").alpha is None
    with pytest.raises(PictureError, match="empty"):
        read_mask(tmp_path / "a.png", SIZE)


def test_other_programs_see_a_hole_where_new_pixels_are_wanted(
    photograph: UInt8Array, mask: UInt8Array, tmp_path: Path
) -> None:
    write_mask_as_alpha(photograph, mask, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image)[..., 3], 255 - mask)


def test_what_does_not_fit_or_cannot_be_written_is_reported(
    photograph: UInt8Array, mask: UInt8Array, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="size"):
        write_mask_as_alpha(photograph, mask[1:], tmp_path / "a.png")
    with pytest.raises(OutputError, match=r"\.png"):
        write_mask_as_alpha(photograph, mask, tmp_path / "a.jpg")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        write_mask_as_alpha(photograph, mask, tmp_path / "file" / "a.png")


def test_a_mask_alone_comes_back_exactly(mask: UInt8Array, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "mask.PNG"
    write_mask(mask, path)
    assert np.array_equal(read_mask(path, SIZE), mask)
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(OutputError, match=r"\.png"):
        write_mask(mask, tmp_path / "mask.tif")


def test_a_mask_that_cannot_be_encoded_leaves_the_one_before(mask: UInt8Array, tmp_path: Path) -> None:
    write_mask(mask, tmp_path / "mask.png")
    with pytest.raises(OutputError, match="could not be written"):
        write_mask(mask[:0], tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", SIZE), mask)
    assert [file.name for file in tmp_path.iterdir()] == ["mask.png"]
