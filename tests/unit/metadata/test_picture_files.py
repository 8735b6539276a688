"""A picture file records how it was made, is written atomically, and untrusted files do no harm."""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from sdxl_desktop.core.additions import Additions, EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import OutputError, PictureError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.refine import RefinerParameters
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.imaging.picture_reading import open_picture
from sdxl_desktop.metadata.picture_files import (
    METADATA_KEY,
    PictureRecord,
    decode_record,
    encode_record,
    read_record,
    write_picture,
)

REQUEST = GenerationRequest(
    checkpoint=Path("checkpoints") / "starter",
    prompts=Prompts(prompt='Ein Herz: „♥“ — 心 "quoted" \\ \n second line', negative_prompt="blur", prompt_2="2"),
    sampling=Sampling(size=Size(64, 32), steps=7, seed=5, count=2, scheduler=SchedulerName.DPMPP_2M_KARRAS),
    micro_conditioning=MicroConditioning(original_size=Size(4096, 4096), negative_crop_top_left=Point(1, 2)),
    execution=Execution(device="GPU.0", threads=3, precision="f16", preview=False),
)


def picture() -> Picture:
    return Picture(pixels=np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8), seed=6, index=1)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp", ".PNG"])
def test_a_picture_remembers_its_whole_request(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"picture{suffix}"
    write_picture(file, picture(), REQUEST)
    record = read_record(file)
    assert record is not None
    assert record.request == REQUEST.for_metadata()
    assert record.seed == 6


HOME = Path("/home/ann")
PRIVATE = replace(
    REQUEST,
    checkpoint=HOME / "checkpoints" / "mine",
    refine=RefinerParameters(checkpoint=HOME / "checkpoints" / "finisher"),
    additions=Additions(
        loras=(LoraReference(HOME / "loras" / "style.safetensors", 0.5),),
        embeddings=(EmbeddingReference(HOME / "words" / "mood.pt", "<mood>"),),
        vae=HOME / "vaes" / "soft",
    ),
)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_record_tells_names_and_no_place_of_a_users_disk(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"picture{suffix}"
    write_picture(file, replace(picture(), checkpoint_id="1:abc"), PRIVATE)
    record = read_record(file)
    assert record is not None
    text = encode_record(record)
    for name in ("mine", "finisher", "style.safetensors", "mood.pt", "soft", "1:abc"):
        assert f'"{name}"' in text
    assert "ann" not in text
    assert "/" not in text.replace("image/", "")


def test_a_record_with_paths_is_still_read_and_is_handed_on_without_them() -> None:
    old = msgspec.json.decode(encode_record(PictureRecord(version="0.1", seed=6, request=REQUEST)))
    del old["checkpoint_id"]
    for place in ("/home/ann/checkpoints/mine", "C:\\Users\\ann\\checkpoints\\mine"):
        old["request"]["checkpoint"] = place
        record = decode_record(msgspec.json.encode(old).decode())
        assert record.request.for_metadata().checkpoint == Path("mine")
        assert record.checkpoint_id == ""


def test_a_png_has_exactly_the_pixels(tmp_path: Path) -> None:
    made = picture()
    write_picture(tmp_path / "p.png", made, REQUEST)
    with Image.open(tmp_path / "p.png") as image:
        assert np.array_equal(np.asarray(image), made.pixels)


def test_missing_folders_are_made_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / "p.png"
    write_picture(file, picture(), REQUEST)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("name", ["p.bmp", "p", "p.png.txt"])
def test_an_unknown_format_is_refused_by_naming_the_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"\.png, \.jpg"):
        write_picture(tmp_path / name, picture(), REQUEST)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "p.png"
    write_picture(file, picture(), REQUEST)
    before = file.read_bytes()

    def full(image: Image.Image, path: Path, *kind: str, **options: Any) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_picture(file, picture(), REQUEST)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_picture_from_elsewhere_says_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    assert read_record(tmp_path / "p.png") is None


def with_text(file: Path, text: str) -> Path:
    """A PNG with `text` in the place of a record."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt(METADATA_KEY, text)
    Image.new("RGB", (8, 8)).save(file, pnginfo=info)
    return file


def invalid_records(**values: object) -> str:
    """The text of a good record with other values: of the record itself, or of its sampling."""
    reported = json.loads(encode_record(PictureRecord(version="1", seed=3, request=REQUEST)))
    for name, value in values.items():
        (reported if name in reported else reported["request"]["sampling"])[name] = value
    return json.dumps(reported)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"version": 1}',
        '{"version": "1", "seed": 1, "request": 5}',
        invalid_records(steps=0),
        invalid_records(steps="7"),
        invalid_records(steps=[7]),
        invalid_records(seed=-1),
        invalid_records(seed=2**64),
        invalid_records(seed=int("9" * 400)),
        invalid_records(guidance_scale=float("nan")),
        invalid_records(guidance_scale=1.5).replace("1.5", "1e999"),
        invalid_records(scheduler="x" * 100_000),
        invalid_records(request=None),
        '{"version": "1", "seed": ' + "[" * 200_000,
        "x" * (2**20 + 1),
    ],
    ids=lambda text: text[:24] + str(len(text)),
)
def test_a_damaged_record_is_refused_with_a_reason_and_the_picture_opens(tmp_path: Path, text: str) -> None:
    file = with_text(tmp_path / "p.png", text)
    with pytest.raises(PictureError, match=r"How p\.png was made cannot be taken over") as caught:
        read_record(file)
    assert len(str(caught.value)) < 1000
    assert open_picture(file).size == Size(8, 8)


def test_what_is_no_picture_and_other_formats_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("words", encoding="utf-8")
    assert read_record(tmp_path / "p.png") is None
    Image.new("RGB", (8, 8)).save(tmp_path / "p.tif")
    assert read_record(tmp_path / "p.tif") is None


def test_a_comment_of_a_camera_is_no_record(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "{not ours".encode("utf-16-be")
    Image.new("RGB", (8, 8)).save(tmp_path / "p.jpg", exif=exif)
    assert read_record(tmp_path / "p.jpg") is None


@pytest.mark.skipif(os.name != "posix", reason="named pipes and such names are Unix's")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.png")
    with pytest.raises(OSError, match="pipe"):
        read_record(tmp_path / "p.png")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_names_that_are_no_text_do_not_keep_a_picture_from_being_written(tmp_path: Path, suffix: str) -> None:
    odd = Path(os.fsdecode(b"/models/caf\xe9"))
    edit = EditParameters(picture=Raster.from_pixels(picture().pixels, os.fsdecode(b"na\xefve.png")))
    file = tmp_path / os.fsdecode(b"caf\xe9" + suffix.encode())
    write_picture(file, picture(), replace(REQUEST, checkpoint=odd, edit=edit))
    record = read_record(file)
    assert record is not None
    assert record.request.checkpoint == Path(odd.name), "a name is kept exactly, and no path"
    assert b"models" not in file.read_bytes()
    assert record.request.edit is not None
    assert record.request.edit.picture.name == "na\ufffdve.png"


def test_what_a_format_cannot_hold_is_reported(tmp_path: Path) -> None:
    wide = Picture(pixels=np.zeros((1, 20_000, 3), np.uint8), seed=1)
    with pytest.raises(OutputError, match="could not be written"):
        write_picture(tmp_path / "p.webp", wide, REQUEST)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_prompt_of_any_length_can_be_saved(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"p{suffix}"
    write_picture(file, picture(), replace(REQUEST, prompts=Prompts(prompt="heart " * 20_000)))
    with Image.open(file) as image:
        assert image.size == (64, 32)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(side: int, *more: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "content",
    [
        png(30_000),
        png(8, chunk(b"iTXt", METADATA_KEY.encode() + b"\0\1\0\0\0" + zlib.compress(bytes(80 * 2**20)))),
    ],
    ids=["too many pixels", "words without end"],
)
def test_a_file_that_was_made_to_harm_says_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.png").write_bytes(content)
    assert read_record(tmp_path / "p.png") is None


def test_the_record_of_a_picture_is_read_without_its_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large picture is opened twice, once for its pixels and once for its record: the second must cost nothing."""
    for suffix in (".png", ".jpg"):
        write_picture(tmp_path / f"with{suffix}", picture(), REQUEST)
        Image.fromarray(picture().pixels).save(tmp_path / f"without{suffix}")

    def load(image: Image.Image) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)
    for suffix in (".png", ".jpg"):
        assert read_record(tmp_path / f"with{suffix}") is not None
        assert read_record(tmp_path / f"without{suffix}") is None
