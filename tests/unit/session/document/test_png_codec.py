"""Our PNG files are PNG files: others read the same pixels from them, and we from theirs."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.session.document.png_codec import declared_shape, decode_png, encode_png, png_limit

SHAPES = ((1, 1), (1, 1, 3), (1, 900, 3), (900, 1), (7, 5, 3), (700, 2100, 3))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("flat", [True, False], ids=["flat", "noise"])
def test_others_read_what_we_write(shape: tuple[int, ...], flat: bool) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    if flat:
        pixels[...] = 255
    content = encode_png(pixels)
    with Image.open(io.BytesIO(content)) as image:
        image.verify()
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        assert np.array_equal(np.asarray(image), pixels)
    assert declared_shape(content, len(content)) == shape
    assert len(content) < png_limit(shape)


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("shape", [(30, 41), (30, 41, 3)])
def test_we_read_what_others_write(level: int, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=level)
    assert declared_shape(out.getvalue(), len(out.getvalue())) == shape
    assert np.array_equal(decode_png(out.getvalue()), pixels)


def test_views_are_written_as_they_look() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    for view in (pixels[::-1], pixels[:, ::2], pixels.swapaxes(0, 1)):
        assert np.array_equal(decode_png(encode_png(view)), view)


def test_pictures_that_others_take_for_an_attack_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow refuses more than 179 million pixels; a document may have 268 million."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    pixels = np.arange(900, dtype=np.uint32).astype(np.uint8).reshape(30, 30)
    content = encode_png(pixels)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))
    assert np.array_equal(decode_png(content), pixels)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "I;16"])
def test_other_kinds_of_pixels_are_refused_before_they_are_read(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (8, 8)).save(out, "PNG")
    with pytest.raises(ValueError, match="such a PNG"):
        declared_shape(out.getvalue(), len(out.getvalue()))
