"""Whatever a file holds, opening it gives a picture or a PictureError with a sentence, and takes no endless memory."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.imaging import decoding
from sdxl_desktop.imaging.picture_reading import MASK_IN_ALPHA, open_picture, read_mask
from tests.mutations import DEFAULT, MANY, mutations
from tests.unit.imaging.sample_images import file, noise

PIXELS = noise(24, 16)
KINDS = (
    "PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA", "ICO", "QOI", "PCX", "DDS", "ICNS",
)  # fmt: skip
POSIX = pytest.mark.skipif(os.name != "posix", reason="named pipes and devices are Unix's")


def sample(kind: str) -> bytes:
    """A small good file of that kind, with a colour profile and EXIF data where it has them."""
    image = Image.fromarray(PIXELS)
    if kind == "ICNS":  # Pillow would write it in ten sizes
        icon = file(image.resize((16, 16)), "PNG")
        return b"icns" + struct.pack(">I", len(icon) + 16) + b"icp4" + struct.pack(">I", len(icon) + 8) + icon
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"exif": exif, "icc_profile": profile} if kind in ("PNG", "JPEG", "WEBP", "TIFF") else {}
    return file(image, kind, **options)


def try_to_open(content: bytes) -> None:
    """Open, or return a short reason; anything else is raised."""
    message: list[str] = []
    try:
        picture = open_picture(content, "a picture")
        assert picture.pixels.shape[2] == 3
    except PictureError as problem:
        message.append(str(problem))
    try:
        read_mask(content, Size(24, 16))
    except PictureError as problem:
        message.append(str(problem))
    assert all(len(words) < 1000 for words in message)


@pytest.fixture(autouse=True)
def small_pictures_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Damage may promise any size: what it may take is bounded by the limit, here a small one to keep the test fast."""
    monkeypatch.setattr(decoding, "MAX_PIXELS", 2**20)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_pictures_open_or_say_why_not(kind: str) -> None:
    for content in mutations([sample(kind)], DEFAULT):
        try_to_open(content)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_pictures_open_or_say_why_not(kind: str) -> None:
    for content in mutations([sample(kind), sample("PNG")], MANY, seed=1):
        try_to_open(content)


@pytest.mark.parametrize(
    "problem",
    [
        RuntimeError, NotImplementedError, struct.error, IndexError, OverflowError, MemoryError, RecursionError,
        Image.DecompressionBombError, SyntaxError, EOFError, zlib.error, AttributeError, ZeroDivisionError, TypeError,
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["open", "load"])
def test_whatever_a_decoder_raises_is_explained(
    problem: type[Exception], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise problem("x" * 100_000)

    if where == "open":
        monkeypatch.setattr(Image, "open", fail)
    else:
        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", fail)
    for read in (lambda: open_picture(sample("BMP"), "a.bmp"), lambda: read_mask(sample("BMP"), Size(24, 16))):
        with pytest.raises(PictureError) as caught:
            read()
        assert len(str(caught.value)) < 3000


@POSIX
def test_only_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name in ("pipe.png", "zero.png", "folder.png", "loop.png", "missing.png", "x" * 300 + ".png"):
        with pytest.raises(PictureError):
            open_picture(tmp_path / name)
        with pytest.raises(PictureError):
            read_mask(tmp_path / name, Size(8, 8))


@POSIX
def test_a_file_without_end_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.truncate(decoding.MAX_FILE_BYTES + 1)
    with pytest.raises(PictureError, match=r"huge\.png is too large\. It is larger than 1 GiB\."):
        open_picture(tmp_path / "huge.png")


def test_postscript_is_never_run(monkeypatch: pytest.MonkeyPatch) -> None:
    script = io.BytesIO()
    Image.fromarray(PIXELS).save(script, "EPS")
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was run"))
    with pytest.raises(PictureError, match="PostScript"):
        open_picture(script.getvalue())


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8 * 2**20))),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(8 * 2**20))),
        chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(8 * 2**20))),
        chunk(b"pHYs", b""),
        chunk(b"tEXt", b"Comment\0x")[:-1] + b"?",
    ],
    ids=["zTXt bomb", "iTXt bomb", "iCCP bomb", "empty pHYs", "wrong checksum"],
)
def test_what_a_png_says_beside_its_pixels_does_not_keep_it_from_opening(extra: bytes) -> None:
    plain = file(Image.fromarray(PIXELS), "PNG")
    picture = open_picture(plain[:33] + extra + plain[33:], "a.png")
    assert np.array_equal(picture.pixels, PIXELS)
    assert picture.alpha is None


def test_a_png_is_never_opened_with_less_without_a_word() -> None:
    plain = file(Image.fromarray(PIXELS), "PNG")
    bomb = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(8 * 2**20)))
    notes = open_picture(plain[:33] + bomb + plain[33:], "a.png").notes
    assert any("metadata is damaged" in note for note in notes)
    assert MASK_IN_ALPHA not in notes


@pytest.mark.parametrize("length", [0, 1, 127, 128, 300])
def test_a_broken_colour_profile_is_ignored(length: int) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for damaged in (profile[:length], bytes(length), b"\xff" * length):
        picture = open_picture(file(Image.fromarray(PIXELS), "PNG", icc_profile=damaged), "a.png")
        assert np.array_equal(picture.pixels, PIXELS)


def test_names_are_made_fit_to_be_shown(tmp_path: Path) -> None:
    (tmp_path / "a\u202egpj.png").write_bytes(file(Image.fromarray(PIXELS), "PNG"))
    assert open_picture(tmp_path / "a\u202egpj.png").name == "a\ufffdgpj.png"
    (tmp_path / "two\nlines.png").write_bytes(b"words")
    with pytest.raises(PictureError, match=r"^two lines\.png is not a picture"):
        open_picture(tmp_path / "two\nlines.png")


def test_pixels_are_what_they_were() -> None:
    """The boundary changes nothing for a good picture."""
    seen: UInt8Array = open_picture(sample("BMP")).pixels
    assert np.array_equal(seen, PIXELS)
