"""Files cut short: what lacks only its very end opens with a note, what lacks more is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.imaging.picture_formats import picture_suffixes, readable_formats
from sdxl_desktop.imaging.picture_reading import open_picture
from tests.unit.imaging.sample_images import file, scene

PIXELS = scene(200, 150)
Options = dict[str, Any]
JPEGS: tuple[Options, ...] = (
    {},
    {"progressive": True},
    {"quality": 95, "subsampling": 0},
    {"optimize": True, "restart_marker_rows": 1},
)
HEIC = "HEIF" in [each.name for each in readable_formats()]


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_marker_opens_whole_with_a_note(options: Options, missing: int, mode: str) -> None:
    data = file(Image.fromarray(PIXELS).convert(mode), "JPEG", **options)
    opened = open_picture(data[:-missing])
    assert np.array_equal(opened.pixels, open_picture(data).pixels)
    assert "cut short" in " ".join(opened.notes)


@pytest.mark.parametrize("options", JPEGS, ids=str)
def test_a_jpeg_that_lacks_its_last_bytes_opens_with_nearly_all_of_its_pixels(options: Options) -> None:
    data = file(Image.fromarray(PIXELS), "JPEG", **options)
    whole = open_picture(data).pixels
    for missing in (3, 5, 8):
        opened = open_picture(data[:-missing])
        assert "cut short" in " ".join(opened.notes)
        assert (opened.pixels == whole).all(axis=2).mean() > 0.95


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.8, 0.9])
def test_a_jpeg_cut_in_the_middle_is_refused(options: Options, kept: float) -> None:
    data = file(Image.fromarray(PIXELS), "JPEG", **options)
    with pytest.raises(PictureError, match="cut short"):
        open_picture(data[: int(len(data) * kept)])


def test_a_progressive_jpeg_cut_between_its_scans_is_refused() -> None:
    """Decoders make a coarse picture of it without a word."""
    data = file(Image.fromarray(PIXELS), "JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
    assert len(starts) > 8
    for at in starts[4:]:
        with pytest.raises(PictureError):
            open_picture(data[:at])


@pytest.mark.parametrize(("kind", "missing"), [("PNG", 12), ("PNG", 8), ("GIF", 1), ("BMP", 9), ("TIFF", 9)])
def test_other_files_without_their_very_end_open_with_a_note(kind: str, missing: int) -> None:
    data = file(Image.fromarray(PIXELS), kind)
    opened = open_picture(data[:-missing])
    assert (opened.pixels == open_picture(data).pixels).all(axis=2).mean() > 0.99
    assert "cut short" in " ".join(opened.notes)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("kept", [0.4, 0.9])
def test_other_files_cut_in_the_middle_are_refused(kind: str, kept: float) -> None:
    data = file(Image.fromarray(PIXELS), kind)
    with pytest.raises(PictureError):
        open_picture(data[: int(len(data) * kept)])


def test_whole_files_have_no_note_of_it() -> None:
    for kind in ("PNG", "GIF", "JPEG", "WEBP", "BMP", "TIFF"):
        assert open_picture(file(Image.fromarray(PIXELS).quantize(9).convert("RGB"), kind)).notes == ()


@pytest.mark.skipif(not HEIC, reason="pillow-heif is not installed")
def test_a_heic_picture_opens_upright_and_with_its_transparency() -> None:
    image = Image.fromarray(PIXELS)
    image.getexif()[0x0112] = 6  # from which the plugin makes the format's own mark of rotation
    turned = open_picture(file(image, "HEIF", quality=95))
    assert turned.pixels.shape == np.rot90(PIXELS, -1).shape
    assert np.abs(turned.pixels.astype(int) - np.rot90(PIXELS, -1)).mean() < 6
    clear = np.dstack([PIXELS, np.zeros(PIXELS.shape[:2], np.uint8)])
    assert (open_picture(file(Image.fromarray(clear), "HEIF")).pixels == 255).all()


def test_what_the_file_dialog_offers_is_read_and_the_other_way_round() -> None:
    """A file under each of the names opens, where Pillow can write one; and each format has a name."""
    Image.init()
    offered, small = picture_suffixes(), Image.fromarray(scene(48, 40))
    assert all(each.suffixes and set(each.suffixes) <= set(offered) for each in readable_formats())
    for ending in offered:
        kind = Image.EXTENSION.get(ending)
        if kind is None or kind not in Image.SAVE:
            continue
        buffer = io.BytesIO()
        small.convert("L" if ending == ".pgm" else "1" if ending == ".pbm" else "RGB").save(buffer, kind)
        assert open_picture(buffer.getvalue(), f"a{ending}").pixels.shape[2] == 3
    assert ".jxl" not in offered
