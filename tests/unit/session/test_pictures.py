"""Pictures get names that people recognise, never replace one another, and bad places are refused early."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.core.errors import OutputError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.session.pictures import (
    PictureStore,
    Result,
    check_writable,
    save_as,
    suggested_name,
    unused,
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
    assert unused(path) == path
    path.touch()
    (tmp_path / "a-2.png").touch()
    assert unused(path) == tmp_path / "a-3.png"


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


def test_not_every_picture_is_kept_if_the_person_says_so(tmp_path: Path) -> None:
    assert PictureStore(tmp_path, keep_every_picture=False).autosave(result()).saved_to is None
    assert not list(tmp_path.iterdir())


def test_save_as_goes_where_asked(tmp_path: Path) -> None:
    assert save_as(result(), tmp_path / "x" / "mine.webp").saved_to == tmp_path / "x" / "mine.webp"


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
