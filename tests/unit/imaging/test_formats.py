"""Written pictures can be read again, preferred formats can be written, and dialogs offer all readable ones."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from sdxl_desktop.core.settings import SavedPictureFormat
from sdxl_desktop.imaging.picture_formats import (
    MASK_ENDINGS,
    WRITTEN,
    WRITTEN_ENDINGS,
    dialog_filter,
    listed,
    mask_filter,
    picture_mime_types,
    picture_suffixes,
    written_format,
)


def test_what_is_written_can_be_read() -> None:
    assert {*WRITTEN_ENDINGS, *MASK_ENDINGS} <= set(picture_suffixes())
    assert {each.name.lower() for each in WRITTEN} == set(get_args(SavedPictureFormat))


def test_every_picture_type_is_one_of_images_and_belongs_to_one_format() -> None:
    types = picture_mime_types()
    assert {"image/png", "image/jpeg", "image/webp", "image/tiff"} <= set(types)
    assert len(set(types)) == len(types)
    assert all(kind.startswith("image/") for kind in types)


@pytest.mark.parametrize(
    ("name", "written"),
    [("a.png", "PNG"), ("a.JPEG", "JPEG"), ("b.c.WebP", "WEBP"), ("a.jfif", None), ("a.gif", None), ("png", None)],
)
def test_the_ending_decides_what_is_written(name: str, written: str | None) -> None:
    found = written_format(Path(name))
    assert (found and found.name) == written


def test_a_mask_can_be_loaded_from_whatever_can_be_opened() -> None:
    for ending in picture_suffixes():
        assert f"*{ending}" in mask_filter()


def test_endings_are_explained() -> None:
    assert listed((".png",)) == ".png"
    assert listed((".png", ".jpg", ".webp")) == ".png, .jpg or .webp"
    assert dialog_filter("JPEG", (".jpg", ".jpeg")) == "JPEG (*.jpg *.jpeg)"
