"""A picture file remembers how it was made, is written whole or not at all, and strangers' files do no harm."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image, ImageFile, PngImagePlugin

from sdxl_desktop.core.additions import Additions, EmbeddingUse, LoraUse
from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.refine import Refine
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.history import metadata
from sdxl_desktop.history.metadata import KEY, Record, decode_record, encode_record, read_record, write_picture

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
    assert record.request == REQUEST.recorded()
    assert record.seed == 6


HOME = Path("/home/ann")
PRIVATE = replace(
    REQUEST,
    checkpoint=HOME / "checkpoints" / "mine",
    refine=Refine(checkpoint=HOME / "checkpoints" / "finisher"),
    additions=Additions(
        loras=(LoraUse(HOME / "loras" / "style.safetensors", 0.5),),
        embeddings=(EmbeddingUse(HOME / "words" / "mood.pt", "<mood>"),),
        vae=HOME / "vaes" / "soft",
    ),
)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_record_tells_names_and_no_place_of_a_persons_disk(tmp_path: Path, suffix: str) -> None:
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
    old = msgspec.json.decode(encode_record(Record(version="0.1", seed=6, request=REQUEST)))
    del old["checkpoint_id"]
    for place in ("/home/ann/checkpoints/mine", "C:\\Users\\ann\\checkpoints\\mine"):
        old["request"]["checkpoint"] = place
        record = decode_record(msgspec.json.encode(old).decode())
        assert record.request.recorded().checkpoint == Path("mine")
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

    def full(image: Image.Image, path: Path, kind: str, record: str) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(metadata, "_save", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_picture(file, picture(), REQUEST)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_picture_from_elsewhere_says_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png")
    assert read_record(tmp_path / "p.png") is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": "1", "seed": 1, "request": 5}'])
def test_a_spoiled_record_says_nothing(tmp_path: Path, text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, text)
    Image.new("RGB", (8, 8)).save(tmp_path / "p.png", pnginfo=info)
    assert read_record(tmp_path / "p.png") is None


def test_a_record_of_an_impossible_request_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "p.png"
    write_picture(file, picture(), REQUEST)
    with Image.open(file) as image:
        text = str(image.info[KEY]).replace('"steps":7', '"steps":0')
    assert '"steps":0' in text
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, text)
    Image.new("RGB", (8, 8)).save(file, pnginfo=info)
    assert read_record(file) is None


def test_what_is_no_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.png").write_text("words", encoding="utf-8")
    with pytest.raises(OSError, match="not a picture"):
        read_record(tmp_path / "p.png")


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
        png(8, chunk(b"iTXt", KEY.encode() + b"\0\1\0\0\0" + zlib.compress(bytes(80 * 2**20)))),
        png(8, chunk(b"iTXt", KEY.encode() + b'\0\0\0\0\0{"version":"1","seed":1,"request":{"x":' + b"[" * 500_000)),
    ],
    ids=["too many pixels", "words without end", "words too deep"],
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
