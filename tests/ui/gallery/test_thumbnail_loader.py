"""Thumbnails in memory: in the order that is wanted, bounded, anew when the file changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.thumbnail_files import ThumbnailFiles
from sdxl_desktop.ui.gallery.thumbnail_loader import MAX_BYTES, ThumbnailLoader, Unavailable
from tests.ui.widget_lookup import rgb

MakeLoader = Callable[..., ThumbnailLoader]


class GatedFiles(ThumbnailFiles):
    """Thumbnail files that wait at a gate and remember what was read."""

    gate = threading.Event()
    read_files: list[Path] = []  # noqa: RUF012  (set anew by the fixture)

    def read(self, file: Path, side: int) -> UInt8Array:
        self.gate.wait(10)
        self.read_files.append(file)
        return super().read(file, side)


@pytest.fixture
def make_loader(tmp_path: Path, qapp: object) -> Iterator[MakeLoader]:
    made: list[ThumbnailLoader] = []

    def make(kind: type[ThumbnailFiles] = ThumbnailFiles, max_bytes: int = MAX_BYTES) -> ThumbnailLoader:
        made.append(ThumbnailLoader(kind(tmp_path / "thumbnails"), max_bytes=max_bytes))
        return made[-1]

    yield make
    for loader in made:
        loader.close()


def make_picture(file: Path, grey: int, side: int = 64) -> Path:
    Image.fromarray(np.full((side, side, 3), grey, np.uint8)).save(file)
    return file


def load(qtbot: QtBot, loader: ThumbnailLoader, files: list[Path], side: int = 32) -> None:
    loader.want(files, side)
    qtbot.waitUntil(lambda: loader.is_idle, timeout=10_000)


def test_a_thumbnail_has_the_wanted_size_and_the_files_colour(
    qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path
) -> None:
    loader, file = make_loader(), make_picture(tmp_path / "a.png", 130, 300)
    for side in (32, 100, 256):
        load(qtbot, loader, [file], side)
        found = loader.thumbnail(file)
        assert isinstance(found, QImage)
        assert (found.width(), found.height()) == (side, side)
        assert abs(rgb(found.pixelColor(5, 5))[0] - 130) <= 2


def test_what_was_scrolled_away_before_its_turn_is_not_read(
    qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path
) -> None:
    files = [make_picture(tmp_path / f"{number}.png", number) for number in range(40)]
    GatedFiles.gate.clear()
    GatedFiles.read_files = []
    loader = make_loader(GatedFiles)
    loader.want(files[:30], 32)
    loader.want(files[30:], 32)
    GatedFiles.gate.set()
    qtbot.waitUntil(lambda: loader.is_idle, timeout=10_000)
    read = set(GatedFiles.read_files)
    assert set(files[30:]) <= read
    assert len(read & set(files[:30])) <= 6, "only those that had begun"


def test_memory_is_bounded_and_the_unused_ones_go_first(qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path) -> None:
    files = [make_picture(tmp_path / f"{number}.png", number) for number in range(12)]
    one = 32 * 32 * 4
    loader = make_loader(max_bytes=5 * one)
    for file in files:
        load(qtbot, loader, [file])
        loader.thumbnail(files[0])  # in use all the time
        assert loader.nbytes <= 5 * one
    assert isinstance(loader.thumbnail(files[0]), QImage)
    assert loader.thumbnail(files[3]) is None


def test_a_changed_file_gets_a_new_thumbnail(qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path) -> None:
    loader, file = make_loader(), make_picture(tmp_path / "a.png", 10)
    load(qtbot, loader, [file])
    make_picture(file, 240)
    os.utime(file, (1, 1))
    loader.forget(file)
    load(qtbot, loader, [file])
    found = loader.thumbnail(file)
    assert isinstance(found, QImage)
    assert rgb(found.pixelColor(5, 5))[0] > 230


def test_missing_and_unreadable_files_are_told_apart_and_asked_for_again(
    qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path
) -> None:
    loader = make_loader()
    missing, damaged = tmp_path / "missing.png", tmp_path / "damaged.png"
    damaged.write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    load(qtbot, loader, [missing, damaged, folder, damaged / "below.png"])
    assert loader.thumbnail(missing) is Unavailable.MISSING
    assert loader.thumbnail(damaged) is Unavailable.UNREADABLE
    assert loader.thumbnail(folder) is Unavailable.UNREADABLE
    assert loader.thumbnail(damaged / "below.png") is Unavailable.MISSING
    make_picture(missing, 50)
    loader.forget_unavailable()
    load(qtbot, loader, [missing])
    assert isinstance(loader.thumbnail(missing), QImage)


def test_an_outdated_thumbnail_is_shown_until_the_new_one_is_there(
    qtbot: QtBot, make_loader: MakeLoader, tmp_path: Path
) -> None:
    loader, file = make_loader(), make_picture(tmp_path / "a.png", 10)
    load(qtbot, loader, [file])
    make_picture(file, 240)
    os.utime(file, (1, 1))
    loader.outdate(file)
    old = loader.thumbnail(file)
    assert isinstance(old, QImage)
    assert rgb(old.pixelColor(5, 5))[0] < 20
    load(qtbot, loader, [file])
    new = loader.thumbnail(file)
    assert isinstance(new, QImage)
    assert rgb(new.pixelColor(5, 5))[0] > 230
