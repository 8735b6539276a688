"""Pictures get recognisable names, never replace one another, and unusable folders are refused early."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.exclusive_write import first_free_name
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.metadata.picture_files import METADATA_KEY, read_record
from sdxl_desktop.session.result_files import (
    PictureStore,
    Result,
    check_writable,
    export_picture,
    save_as,
    suggested_name,
)


def result(prompt: str = "A red heart, on blue!", seed: int = 5) -> Result:
    picture = Picture(pixels=np.full((8, 8, 3), 9, np.uint8), seed=seed)
    return Result(picture=picture, request=GenerationRequest(checkpoint=Path("x"), prompts=Prompts(prompt=prompt)))


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A red heart, on blue!", "a-red-heart-on-blue-5"),
        ("", "picture-5"),
        ("../../etc/passwd", "etc-passwd-5"),
        ("心 ♥", "心-5"),
        ("?!", "picture-5"),
    ],
)
def test_a_name_comes_from_the_words_and_the_seed(prompt: str, name: str) -> None:
    assert suggested_name(result(prompt)) == name


@pytest.mark.parametrize("prompt", ["heart " * 500, "心" * 5000, "a/b\\c:d*e?f<g>h|i\0j\nk"])
def test_a_name_fits_any_file_system(tmp_path: Path, prompt: str) -> None:
    name = suggested_name(result(prompt))
    assert len(f"{name}.png".encode()) < 200
    assert not set(name) & set('/\\:*?"<>|\0\n')


def test_an_unused_name_is_counted_up(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    assert first_free_name(path) == path
    path.touch()
    (tmp_path / "a-2.png").touch()
    assert first_free_name(path) == tmp_path / "a-3.png"


@pytest.mark.parametrize(("kind", "suffix"), [("png", ".png"), ("jpeg", ".jpg"), ("webp", ".webp")])
def test_the_store_writes_the_preferred_format(tmp_path: Path, kind: str, suffix: str) -> None:
    saved = PictureStore(tmp_path, kind).save(result())  # type: ignore[arg-type]
    assert saved.saved_to is not None
    assert saved.saved_to.suffix == suffix
    assert saved.saved_to.is_file()


def test_the_same_result_is_written_once_and_equals_never_collide(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    first = store.save(result())
    assert store.save(first).saved_to == first.saved_to
    assert store.save(result()).saved_to != first.saved_to
    assert len(list(tmp_path.iterdir())) == 2


def test_a_result_whose_file_was_deleted_can_be_written_again(tmp_path: Path) -> None:
    store = PictureStore(tmp_path)
    first = store.save(result())
    assert first.saved_to is not None
    first.saved_to.unlink()
    again = store.save(first)
    assert again.saved_to is not None
    assert again.saved_to.is_file()


def test_not_every_picture_is_kept_if_the_user_says_so(tmp_path: Path) -> None:
    assert PictureStore(tmp_path, keep_every_picture=False).autosave(result()).saved_to is None
    assert not list(tmp_path.iterdir())


def test_save_as_goes_where_asked(tmp_path: Path) -> None:
    assert save_as(result(), tmp_path / "x" / "mine.webp").saved_to == tmp_path / "x" / "mine.webp"


SECRET = "Ω a very secret heart"


def secret_forms(path: Path) -> list[str]:
    """Which traces of how a picture was made its file's raw bytes hold, in any encoding that files use."""
    raw = path.read_bytes()
    traces = {
        "prompt": SECRET,
        "words": "secret",
        "seed": "123456789",
        "key": "sdxl",
        "checkpoint": "/weights/x",
        "software": "pillow",
        "exif": "Exif",
        "text chunk": "tEXt",
        "long text chunk": "iTXt",
        "packed text chunk": "zTXt",
        "exif chunk": "eXIf",
        "time": "tIME",
        "xmp": "xmp",
        "software tag": "software",
    }
    encodings = ("utf-8", "utf-16-le", "utf-16-be")
    lowered = raw.lower()
    return [name for name, text in traces.items() if any(text.encode(code).lower() in lowered for code in encodings)]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp"])
def test_an_export_without_its_record_holds_nothing_but_pixels(tmp_path: Path, suffix: str) -> None:
    pixels = np.full((64, 64, 3), 90, np.uint8)
    pixels[16:48, 16:48] = 200
    picture = Picture(pixels=pixels, seed=123456789, notes=("secret",))
    request = GenerationRequest(checkpoint=Path("/weights/x"), prompts=Prompts(prompt=SECRET))
    made = Result(picture=picture, request=request)

    plain, full = tmp_path / f"plain{suffix}", tmp_path / f"full{suffix}"
    export_picture(made, plain, with_record=False)
    export_picture(made, full, with_record=True)
    assert secret_forms(plain) == []
    assert {"prompt", "words", "seed"} <= set(secret_forms(full)), "or this test could not find them"
    assert read_record(plain) is None
    record = read_record(full)
    assert record is not None
    assert (record.request, record.seed) == (request.for_metadata(), 123456789)
    with Image.open(plain) as one, Image.open(full) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
        assert not {"exif", "xmp", "icc_profile", "comment", "Software", METADATA_KEY} & set(one.info)
    assert made.saved_to is None
    assert sorted(tmp_path.iterdir()) == sorted([plain, full])


def test_an_export_is_whole_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "old.png").write_bytes(b"old")
    (tmp_path / "file").touch()
    for name in ("a.gif", "file/a.png"):
        with pytest.raises(OutputError):
            export_picture(result(), tmp_path / name, with_record=False)
    export_picture(result(), tmp_path / "old.png", with_record=False)
    with Image.open(tmp_path / "old.png") as image:
        assert image.size == (8, 8)


def test_a_good_place_is_left_untouched(tmp_path: Path) -> None:
    old = tmp_path / "old.png"
    old.write_bytes(b"precious")
    check_writable(old)
    check_writable(tmp_path / "new.png")
    assert old.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("name", ["a.gif", "a", "folder.png", "file/a.png"])
def test_a_bad_place_is_refused_before_drawing(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        check_writable(tmp_path / name)
    assert caught.value.next_step


@pytest.mark.skipif(os.name != "posix" or not Path("/proc").is_dir(), reason="needs a place nobody can write")
def test_a_place_nobody_can_write_is_refused() -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        check_writable(Path("/proc/heart.png"))
