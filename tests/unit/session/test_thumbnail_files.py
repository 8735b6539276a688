"""Thumbnails on disk: kept, keyed by path and change, bounded, and never in the way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.session.thumbnail_files import ThumbnailFiles


def make_picture(file: Path, colour: tuple[int, ...], size: tuple[int, int] = (600, 300), mode: str = "RGB") -> Path:
    Image.new(mode, size, colour).save(file)
    return file


def kept_files(files: ThumbnailFiles) -> list[Path]:
    return [path for path in files.folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("side", [40, 128, 256, 500, 700])
def test_a_thumbnail_fits_the_side_and_keeps_the_proportions(tmp_path: Path, side: int) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    file = make_picture(tmp_path / "a.png", (200, 30, 90))
    for _ in range(2):  # made, then read from the disk
        height, width, _ = (thumbnail := files.read(file, side)).shape
        assert width == min(side, 600)
        assert abs(height - width / 2) <= 1
        assert np.abs(thumbnail.astype(int).mean(axis=(0, 1)) - (200, 30, 90)).max() <= 4


def test_a_kept_thumbnail_is_used_until_the_picture_changes(tmp_path: Path) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    file = make_picture(tmp_path / "a.png", (10, 10, 10))
    files.read(file, 100)
    (kept,) = kept_files(files)
    Image.new("RGB", (256, 128), (0, 255, 0)).save(kept, quality=100)
    assert files.read(file, 256)[5, 5, 1] > 250, "the kept one was read"
    make_picture(file, (250, 250, 250))
    os.utime(file, (5, 5))
    assert files.read(file, 256)[5, 5, 0] > 240


@pytest.mark.parametrize("content", [b"", b"not a JPEG", b"\xff\xd8\xff\xe0 cut"])
def test_a_damaged_thumbnail_is_made_again(tmp_path: Path, content: bytes) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    file = make_picture(tmp_path / "a.png", (10, 200, 10))
    files.read(file, 100)
    (kept,) = kept_files(files)
    kept.write_bytes(content)
    assert files.read(file, 100)[5, 5, 1] > 190
    assert kept.stat().st_size > len(content)


def test_where_nothing_can_be_kept_thumbnails_are_made_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file in the way")
    assert ThumbnailFiles(tmp_path / "kept").read(make_picture(tmp_path / "a.png", (9, 9, 9)), 64).shape == (32, 64, 3)


def test_pictures_of_every_mode_have_thumbnails_over_white(tmp_path: Path) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    clear = make_picture(tmp_path / "clear.png", (255, 0, 0, 0), mode="RGBA")
    assert files.read(clear, 64)[5, 5].min() > 250
    grey = tmp_path / "grey.png"
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(grey)
    assert abs(int(files.read(grey, 64)[5, 5, 0]) - 156) <= 3


def test_missing_and_damaged_pictures_raise(tmp_path: Path) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "none.png", 64)
    (tmp_path / "bad.png").write_text("no picture")
    with pytest.raises(PictureError):
        files.read(tmp_path / "bad.png", 64)
    assert not kept_files(files)


def test_pruning_leaves_the_newest_within_the_limit(tmp_path: Path) -> None:
    files = ThumbnailFiles(tmp_path / "kept")
    for number in range(6):
        files.read(make_picture(tmp_path / f"{number}.png", (40 * number, 0, 0)), 64)
    for number, kept in enumerate(sorted(kept_files(files))):
        os.utime(kept, (number, number))
    newest = sorted(kept_files(files))[-2:]
    limit = sum(kept.stat().st_size for kept in newest)
    assert files.prune(limit) == 4
    assert sorted(kept_files(files)) == newest
    assert ThumbnailFiles(tmp_path / "never").prune() == 0
