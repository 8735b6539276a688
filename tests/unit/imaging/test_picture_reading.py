"""Every kind of picture file opens with the right pixels, and every broken one with a clear sentence."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.imaging.picture_reading import MAX_PIXELS, mask_from_alpha, open_picture, read_mask
from tests.unit.imaging.sample_images import disc, file, noise, scene

PIXELS = noise(23, 17)
RAMP = np.linspace(0, 65535, 64).astype(np.uint16)[None, :].repeat(8, axis=0)


def opened(image: Image.Image, kind: str, **options: object) -> tuple[np.ndarray, str]:
    picture = open_picture(file(image, kind, **options), "cat")
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape == (*picture.pixels.shape[:2], 3)
    return picture.pixels, " ".join(picture.notes)


def png_with_header(width: int, height: int) -> bytes:
    """A PNG whose head claims a size and whose body holds next to nothing."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA"])
def test_plain_pictures_open_bit_for_bit_and_cannot_be_written_to(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "katze ü.img"
    path.write_bytes(file(Image.fromarray(PIXELS), kind))
    picture = open_picture(path)
    assert np.array_equal(picture.pixels, PIXELS)
    assert (picture.alpha, picture.name, picture.notes, picture.size) == (None, "katze ü.img", (), Size(23, 17))
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_pictures_open(kind: str) -> None:
    pixels = scene(64, 48, texture=0)
    seen, notes = opened(Image.fromarray(pixels), kind, quality=95)
    assert np.abs(seen.astype(int) - pixels).mean() < 4
    assert notes == ""


def test_a_picture_of_one_pixel_opens() -> None:
    assert open_picture(file(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG")).pixels.tolist() == [[[1, 2, 3]]]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_stands_upright(orientation: int, kind: str) -> None:
    upright = np.zeros((16, 32, 3), dtype=np.uint8)
    upright[:, :16], upright[:8, 16:] = (255, 0, 0), (0, 0, 255)  # differs in all eight positions
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    exact: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    seen, _ = opened(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif, **exact.get(kind, {}))
    assert seen.shape == upright.shape
    assert np.abs(seen.astype(int) - upright).max() <= 3


def test_broken_exif_data_hide_no_picture() -> None:
    seen, _ = opened(Image.fromarray(PIXELS), "PNG", exif=b"Exif\0\0MM\0\x2a\xff\xff\xff\xff garbage")
    assert np.array_equal(seen, PIXELS)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    seen, notes = opened(Image.fromarray(RAMP), kind)
    assert np.array_equal(seen, np.rint(RAMP / 257).astype(np.uint8)[..., None].repeat(3, axis=2))
    assert "more than 8 bits" in notes


def test_16_bit_colour_is_scaled_and_not_clipped() -> None:
    rows = b"".join(b"\0" + row.astype(">u2").repeat(3).tobytes() for row in RAMP)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 64, 8, 16, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    seen = open_picture(data).pixels
    assert np.abs(seen.astype(int) - np.rint(RAMP / 257)[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("values", "black", "white"),
    [
        (np.linspace(0, 1, 64, dtype=np.float32), 0, 1),
        (np.linspace(0, 200, 64, dtype=np.float32), 0, 255),
        (np.linspace(-3e4, 7e6, 64, dtype=np.float32), -3e4, 7e6),
        (np.linspace(0, 60000, 64).astype(np.int32), 0, 65535),
        (np.linspace(0, 2e9, 64).astype(np.int32), 0, 2e9),
    ],
)
def test_floats_and_wide_integers_are_read_in_their_range(values: np.ndarray, black: float, white: float) -> None:
    seen, notes = opened(Image.fromarray(values[None, :].repeat(4, axis=0)), "TIFF")
    assert np.abs(seen[0, :, 0] - (values.astype(float) - black) / (white - black) * 255).max() <= 0.51
    assert "white" in notes


def test_a_float_that_is_no_number_is_black() -> None:
    seen, _ = opened(Image.fromarray(np.array([[np.nan, 1.0, np.inf]], dtype=np.float32)), "TIFF")
    assert seen[0, :, 0].tolist() == [0, 255, 0]


def soft(width: int = 40, height: int = 30) -> np.ndarray:
    """Colours under an alpha of every strength, black where it is clear, as stickers have it; uint8 [H, W, 4]."""
    alpha = np.linspace(0, 255, width).astype(np.uint8)[None, :].repeat(height, axis=0)
    return np.dstack([np.where(alpha[..., None] > 0, noise(width, height), 0).astype(np.uint8), alpha])


@pytest.mark.parametrize("backdrop", ["white", "black", "grey", "#12ab9f"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_blended_over_the_backdrop_by_every_degree(kind: str, backdrop: str) -> None:
    rgba = Image.fromarray(soft())
    over = Image.new("RGBA", rgba.size, {"grey": "#808080"}.get(backdrop, backdrop))
    over.alpha_composite(rgba)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = open_picture(file(rgba, kind, **options), backdrop=backdrop)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, soft()[..., 3])
    assert np.abs(picture.pixels.astype(int) - np.asarray(over.convert("RGB"))).max() <= 1
    assert backdrop in picture.notes[-1]


def test_what_is_transparent_shows_squares_where_those_are_wanted() -> None:
    pixels = open_picture(file(Image.new("RGBA", (64, 64)), "PNG"), backdrop="checked").pixels
    assert len(np.unique(pixels)) == 2
    assert (pixels[:16, :16] == pixels[0, 0]).all()
    assert (pixels[:16, 16:32] != pixels[0, 0]).all()


def test_a_picture_can_be_put_over_another_backdrop_later() -> None:
    data = file(Image.fromarray(soft()), "PNG")
    white = open_picture(data)
    assert np.array_equal(white.with_backdrop("black").pixels, open_picture(data, backdrop="black").pixels)
    assert np.array_equal(white.with_backdrop("black").with_backdrop("white").pixels, white.pixels)
    plain = open_picture(file(Image.fromarray(PIXELS), "PNG"))
    assert plain.with_backdrop("black") is plain
    assert not plain.is_blended


def test_soft_transparency_of_palettes_and_grey_is_blended_too() -> None:
    palette = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16), "P")
    palette.putpalette(bytes(range(256)) * 3)
    strengths = bytes(range(255, -1, -1))
    seen = open_picture(file(palette, "PNG", transparency=strengths)).pixels
    rgba = np.asarray(Image.open(io.BytesIO(file(palette, "PNG", transparency=strengths))).convert("RGBA")).astype(int)
    wanted = (rgba[..., :3] * rgba[..., 3:] + 255 * (255 - rgba[..., 3:])) / 255
    assert np.abs(seen - wanted).max() <= 1
    half = Image.merge("LA", (Image.new("L", (4, 4), 40), Image.new("L", (4, 4), 128)))
    assert np.abs(open_picture(file(half, "PNG")).pixels.astype(int) - 147).max() <= 1


def test_a_fully_transparent_picture_is_the_backdrop_and_says_so() -> None:
    clear = open_picture(file(Image.new("RGBA", (5, 5), (0, 0, 0, 0)), "PNG"))
    assert (clear.pixels == 255).all()
    assert "fully transparent" in clear.notes[0]


def test_an_opaque_alpha_is_none() -> None:
    assert open_picture(file(Image.fromarray(PIXELS).convert("RGBA"), "PNG")).alpha is None


def test_palettes_grey_and_single_bits_open() -> None:
    palette = Image.fromarray(PIXELS).quantize(16)
    assert np.array_equal(opened(palette, "PNG")[0], np.asarray(palette.convert("RGB")))
    with_hole = open_picture(file(palette, "PNG", transparency=3))
    assert with_hole.alpha is not None
    assert np.array_equal(with_hole.alpha == 0, np.asarray(palette) == 3)
    grey = Image.fromarray(PIXELS[..., 0])
    assert np.array_equal(opened(grey, "PNG")[0], PIXELS[..., :1].repeat(3, axis=2))
    assert set(opened(grey.convert("1"), "PNG")[0].ravel().tolist()) == {0, 255}
    both = open_picture(file(Image.merge("LA", (grey, Image.fromarray(PIXELS[..., 1]))), "PNG"))
    assert both.alpha is not None
    assert np.array_equal(both.alpha, PIXELS[..., 1])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile_opens_and_says_that_it_is_approximate(kind: str) -> None:
    cmyk = Image.fromarray(np.full((8, 8, 3), (220, 60, 30), dtype=np.uint8)).convert("CMYK")
    seen, notes = opened(cmyk, kind)
    assert np.abs(seen.astype(int) - (220, 60, 30)).max() < 12
    assert "CMYK" in notes


def test_a_colour_profile_is_applied() -> None:
    lab = ImageCms.createProfile("LAB")
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    swapped[:] = swapped.replace(b"rXYZ", b"tmpZ").replace(b"bXYZ", b"rXYZ").replace(b"tmpZ", b"bXYZ")
    swapped[:] = swapped.replace("sRGB".encode("utf-16-be"), "Test".encode("utf-16-be"))
    colour = Image.new("RGB", (4, 4), (255, 30, 0))
    seen, notes = opened(colour, "PNG", icc_profile=bytes(swapped))
    assert np.abs(seen.astype(int) - (0, 30, 255)).max() <= 2, "red and blue are swapped in this profile"
    assert "Test" in notes
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    seen, notes = opened(Image.fromarray(PIXELS), "PNG", icc_profile=plain)
    assert np.abs(seen.astype(int) - PIXELS).max() <= 1
    assert notes == ""
    for useless in (b"no profile at all", ImageCms.ImageCmsProfile(lab).tobytes()):
        seen, notes = opened(Image.fromarray(PIXELS), "PNG", icc_profile=useless)
        assert np.array_equal(seen, PIXELS)
        assert "ignored" in notes


def test_lab_pictures_open() -> None:
    space = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = ImageCms.applyTransform(Image.new("RGB", (4, 4), (200, 80, 40)), space)
    assert lab is not None
    assert np.abs(opened(lab, "TIFF")[0].astype(int) - (200, 80, 40)).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_picture_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "green", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    seen, notes = opened(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (seen == (255, 0, 0)).all()
    assert "3 pictures" in notes


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"once upon a time " * 9, "not a picture"),
        (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a" + b"\0" * 99, "JPEG XL"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "vector"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        (png_with_header(20000, 20000), "20000x20000.*180 million"),
        (png_with_header(1, MAX_PIXELS + 1), "too large"),
        (png_with_header(300, 300), "cut short or damaged"),
        (file(Image.fromarray(noise(200, 200)), "PNG")[:5000], "cut short or damaged"),
        (file(Image.fromarray(noise(200, 200)), "JPEG")[:5000], "cut short or damaged"),
        (file(Image.fromarray(noise(200, 200)), "TIFF")[:5000], "damaged"),
        (file(Image.fromarray(noise(200, 200)), "WEBP")[:5000], "damaged"),
        (file(Image.fromarray(PIXELS), "PNG")[:20], "damaged"),
        (b"BM" + b"\0" * 60, "damaged"),
        (b"P6 0 0 255\n", "no pixels|damaged"),
        (b"GIF89a\0\0\0\0\0\0\0;", "no pixels|damaged"),
    ],
)
def test_what_cannot_be_opened_is_explained_in_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        open_picture(data, "cat.png")
    assert caught.value.what.startswith("cat.png")
    assert caught.value.next_step


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no file"):
        open_picture(tmp_path / "gone.png")
    with pytest.raises(PictureError, match="is a folder"):
        open_picture(tmp_path)


def test_a_large_picture_within_the_limit_opens_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    size = (95, 95)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 94 * 95)  # Pillow's own limit, at which it warns
    assert open_picture(file(Image.new("1", size), "PNG")).size == Size(*size)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
def test_damage_anywhere_is_an_error_of_ours_or_harmless(kind: str) -> None:
    rng = np.random.default_rng(5)
    whole = file(Image.fromarray(scene(48, 36)), kind, exif=Image.Exif() if kind == "BMP" else _some_exif())
    refused = 0
    for _ in range(150):
        data = bytearray(whole[: int(rng.integers(1, len(whole)))] if rng.random() < 0.3 else whole)
        for position in rng.integers(0, min(len(data), 400), int(rng.integers(1, 5))):
            data[position] ^= int(rng.integers(1, 256))
        try:
            open_picture(bytes(data), "x")
        except PictureError:
            refused += 1
    assert refused > 20, "the damage did not reach the decoder"


def _some_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cat on a mat"
    return exif


def test_a_mask_is_its_grey_value() -> None:
    mask = np.minimum(disc(40, 30, 20, 15, 9), 180)
    for image in (Image.fromarray(mask), Image.fromarray(mask).convert("RGB"), Image.fromarray(mask).convert("P")):
        assert np.array_equal(read_mask(file(image, "PNG"), Size(40, 30)), mask)
    deep = Image.fromarray(mask.astype(np.uint16) * 257)
    assert np.array_equal(read_mask(file(deep, "PNG"), Size(40, 30)), mask)
    assert set(np.unique(read_mask(file(Image.fromarray(mask).convert("1"), "PNG"), Size(40, 30)))) == {0, 255}


def test_a_mask_is_its_alpha_when_that_varies() -> None:
    mask = disc(40, 30, 20, 15, 9)
    white = np.full_like(mask, 255)
    painted = Image.fromarray(np.dstack([white, white, white, mask]))
    assert np.array_equal(read_mask(file(painted, "PNG"), Size(40, 30)), mask)
    for even in (white, white // 2):
        image = Image.fromarray(np.dstack([mask, mask, mask, even]))
        assert np.array_equal(read_mask(file(image, "PNG"), Size(40, 30)), mask)


def test_a_mask_must_fit_and_mask_something(tmp_path: Path) -> None:
    mask = file(Image.fromarray(disc(40, 30, 20, 15, 9)), "PNG")
    with pytest.raises(PictureError, match=r"40x30.*30x40"):
        read_mask(mask, Size(30, 40))
    path = tmp_path / "mask.png"
    Image.new("L", (40, 30)).save(path)
    with pytest.raises(PictureError, match=r"mask\.png is empty"):
        read_mask(path, Size(40, 30))
    with pytest.raises(PictureError, match="not a picture"):
        read_mask(b"no mask", Size(40, 30))


def test_a_mask_is_taken_from_what_is_transparent() -> None:
    alpha = np.full((17, 23), 255, dtype=np.uint8)
    alpha[:, :8], alpha[:, 8:12] = 0, 100
    picture = open_picture(file(Image.fromarray(np.dstack([PIXELS, alpha])), "PNG"), "cat")
    assert np.array_equal(mask_from_alpha(picture), 255 - alpha), "transparent is drawn anew, half by half"
    inverted = mask_from_alpha(picture, invert=True)
    assert np.array_equal(inverted, alpha)
    inverted[0, 0] = 9  # a mask of its own, to be painted on


def test_a_mask_is_not_taken_from_what_has_no_transparency() -> None:
    with pytest.raises(PictureError, match="cat has no transparency"):
        mask_from_alpha(open_picture(file(Image.fromarray(PIXELS), "PNG"), "cat"))
    clear = open_picture(file(Image.new("RGBA", (5, 5), (0, 0, 0, 0)), "PNG"), "cat")
    assert mask_from_alpha(clear).all()
    with pytest.raises(PictureError, match="fully transparent"):
        mask_from_alpha(clear, invert=True)
