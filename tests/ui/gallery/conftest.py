"""A window whose history has a dozen pictures of three days, and a trash of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.history.pictures import new_picture
from sdxl_desktop.history.store import History
from sdxl_desktop.metadata.picture_files import write_picture
from sdxl_desktop.ui.gallery.gallery_page import GalleryPage
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import MakeWindow

COUNT = 12
PER_DAY = 4
SUBJECTS = ("a red fox", "an old castle", "a green apple")


def picture_pixels(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the pixels of the picture with this number: one grey, darker for later ones."""
    return np.full((64, 64, 3), 250 - 20 * number, np.uint8)


def write_numbered_picture(folder: Path, number: int) -> tuple[Path, Picture, GenerationRequest]:
    request = GenerationRequest(
        checkpoint=Path("starter"),
        prompts=Prompts(prompt=f"{SUBJECTS[number % 3]} number {number}", negative_prompt="blurry"),
        sampling=Sampling(seed=1000 + number, steps=10 + number, size=Size(64, 64), count=2),
    )
    picture = Picture(pixels=picture_pixels(number), seed=1000 + number)
    file = folder / f"picture-{number:02}.png"
    write_picture(file, picture, request)
    return file, picture, request


@pytest.fixture
def pictures(paths: AppPaths, monkeypatch: pytest.MonkeyPatch, home: Path) -> list[Path]:
    """The files of the pictures in the history, the newest first: four a day, three subjects in turn."""
    (home / "xdg").mkdir()
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "xdg"))  # has the trash
    paths.pictures.mkdir(parents=True)
    history = History.open(paths.history)
    noon = datetime.now().astimezone().replace(hour=12, minute=0, second=0, microsecond=0)
    files = []
    for number in range(COUNT):
        file, picture, request = write_numbered_picture(paths.pictures, number)
        created = noon - timedelta(days=number // PER_DAY, minutes=number)
        history.add(replace(new_picture(file, picture, request, "Starter"), created=created))
        files.append(file)
    history.close()
    return files


@pytest.fixture
def gallery(pictures: list[Path], make_window: MakeWindow, qtbot: QtBot) -> MainWindow:
    """A window that shows the gallery with these pictures, a day in each row."""
    window = make_window()
    window.features.gallery.page.grid.set_cell_side(80)
    window.features.gallery.open()
    wait_listed(qtbot, window.features.gallery.page, COUNT)
    return window


def wait_listed(qtbot: QtBot, page: GalleryPage, count: int) -> None:
    """Wait until the gallery lists this many pictures, and those in view have been read."""

    def is_there() -> bool:
        entries = page.entries
        visible = page.grid.visible_numbers()
        read = all(entries.entry_at(number) is not None for number in visible)
        return entries.is_listed and len(entries.ids) == count and read

    qtbot.waitUntil(is_there, timeout=10_000)


def entry_now(window: MainWindow, qtbot: QtBot, is_as: Callable[[HistoryEntry], bool], number: int = 0) -> HistoryEntry:
    """Wait until the entry at this position of the list is as `is_as` says, and return it."""
    entries = window.features.gallery.page.entries

    def is_there() -> bool:
        entry = entries.entry_at(number)
        return entry is not None and is_as(entry)

    qtbot.waitUntil(is_there, timeout=10_000)
    entry = entries.entry_at(number)
    assert entry is not None
    return entry
