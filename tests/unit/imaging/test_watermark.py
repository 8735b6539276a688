"""The mark is SDXL's usual one: an independent decoder of the published algorithm reads it, after PNG and JPEG too."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging import watermark
from tests.unit.imaging.sample_images import file, noise, scene

SIZES = [(512, 512), (256, 256), (640, 427), (1024, 576)]


def usual_decoder(pixels: UInt8Array) -> list[int]:
    """What `WatermarkDecoder("bits", 48).decode(bgr, "dwtDct")` of invisible-watermark 0.2 reads, written plainly.

    It follows that library's `maxDct.py` block by block and shares no code with `imaging.watermark`; YUV is OpenCV's
    8-bit fixed-point conversion. (Its `> 18` is `>= 18` here, since its wavelet transform rounds upwards.)

    The library itself is no dependency, since it asks for opencv-python and torch. It was run by hand beside this
    application, with OpenCV 5.0 and PyWavelets, on 24 pictures: photographs, drawn scenes, a screenshot, an icon,
    flat grey, a gradient, and scenes on white and on black. It read all 48 bits of every one after PNG, after JPEG
    at quality 90 without chroma subsampling, and at quality 80 too; with subsampling (4:2:0) of 16 of the 24. Its own
    encoder was read back from 9 of them after PNG and from none after a subsampled JPEG. This decoder saw
    the same as the library in 2284 of 2304 bits, unmarked and badly marked pictures included.
    """
    red, green, blue = (pixels[..., channel].astype(np.int64) for channel in range(3))
    y = (red * 4899 + green * 9617 + blue * 1868 + 8192) >> 14
    u = ((blue - y) * 8061 + (128 << 14) + 8192) >> 14
    height, width = (side // 4 * 4 // 2 for side in u.shape)
    low = u[: 2 * height, : 2 * width].reshape(height, 2, width, 2).sum(axis=(1, 3)) / 2
    rows, columns = height // 4, width // 4
    blocks = low[: 4 * rows, : 4 * columns].reshape(rows, 4, columns, 4).swapaxes(1, 2).reshape(-1, 16)
    scores = blocks[:, 1:].max(axis=1) % 36 >= 18
    return [int(scores[number::48].mean() * 255 > 127) for number in range(48)]


def on_plain(colour: str) -> UInt8Array:
    """A few things on a plain ground, which is where marks get lost."""
    image = Image.new("RGB", (512, 512), colour)
    draw = ImageDraw.Draw(image)
    draw.ellipse((150, 150, 360, 360), fill=(200, 60, 40))
    draw.rectangle((220, 300, 420, 420), fill=(20, 90, 160))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(2)))


def sky() -> UInt8Array:
    y, x = np.mgrid[0:512, 0:512]
    return np.stack([90 + x / 8, 140 + y / 8, 200 + y / 10], axis=-1).astype(np.uint8)


PICTURES = {
    **{f"scene {seed}": scene(*SIZES[seed % 4], seed, texture=(0.0, 0.3, 0.6, 1.0)[seed // 2]) for seed in range(8)},
    "white": on_plain("white"),
    "black": on_plain("black"),
    "grey": np.full((512, 512, 3), 128, dtype=np.uint8),
    "sky": sky(),
}
TEXTURED = [f"scene {seed}" for seed in range(4, 8)]


def after(pixels: UInt8Array, kind: str, **options: object) -> UInt8Array:
    return np.asarray(Image.open(io.BytesIO(file(Image.fromarray(pixels), kind, **options))).convert("RGB"))


def test_the_message_is_the_one_of_stable_diffusion_xl() -> None:
    from diffusers.pipelines.stable_diffusion_xl import watermark as theirs  # heavy, and only here

    assert list(watermark.MESSAGE) == theirs.WATERMARK_BITS


@pytest.mark.parametrize("name", PICTURES)
def test_the_usual_decoder_reads_the_mark_after_png_and_after_jpeg(name: str) -> None:
    marked = watermark.embed(PICTURES[name])
    png = after(marked, "PNG")
    assert usual_decoder(png) == list(watermark.MESSAGE)
    jpeg = after(marked, "JPEG", quality=90, subsampling=0)
    assert usual_decoder(jpeg) == list(watermark.MESSAGE)
    assert watermark.is_marked(png)
    assert watermark.is_marked(jpeg)


@pytest.mark.parametrize("name", TEXTURED)
def test_textured_pictures_keep_the_mark_in_a_small_jpeg(name: str) -> None:
    """With half the colour resolution, Pillow's default, plain pictures lose it, with any encoder."""
    assert watermark.is_marked(after(watermark.embed(PICTURES[name]), "JPEG", quality=90))


@pytest.mark.parametrize("name", PICTURES)
def test_the_mark_is_hardly_seen_and_leaves_the_red_alone(name: str) -> None:
    before = PICTURES[name]
    marked = watermark.embed(before)
    difference = marked.astype(int) - before
    assert not difference[..., 0].any()
    assert 10 * np.log10(255**2 / (difference**2).mean()) > 34
    assert np.abs(difference).max() <= 36
    luma = difference @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma).mean() < 0.6


@pytest.mark.parametrize("name", PICTURES)
def test_an_unmarked_picture_is_not_taken_for_a_marked_one(name: str) -> None:
    assert not watermark.is_marked(PICTURES[name])


def test_reading_sees_what_the_usual_decoder_sees() -> None:
    for seed in range(3):
        pixels = noise(264, 300, seed)
        assert list(watermark.read_bits(pixels)) == usual_decoder(pixels)


def test_marking_twice_and_marking_shared_pixels_does_no_harm() -> None:
    pixels = scene(300, 300, 1)
    pixels.setflags(write=False)
    once = watermark.embed(pixels)
    twice = watermark.embed(once)
    assert watermark.is_marked(twice)
    assert np.abs(twice.astype(int) - once).mean() < np.abs(once.astype(int) - pixels).mean() / 10


@pytest.mark.parametrize(("size", "can"), [((256, 256), True), ((255, 1024), False), ((1024, 255), False)])
def test_small_pictures_stay_as_they_are(size: tuple[int, int], can: bool) -> None:
    pixels = noise(*size)
    assert watermark.can_embed(Size(*size)) is can
    assert np.array_equal(watermark.embed(pixels), pixels) is not can
    if not can:
        assert not watermark.is_marked(pixels)
        with pytest.raises(PictureError, match="at least 256"):
            watermark.read_bits(pixels)
