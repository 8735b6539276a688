"""Rooms, a checkpoint and a working folder for each test of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.cli.helpers import PretendRooms, own_checkpoint


@pytest.fixture
def rooms() -> PretendRooms:
    return PretendRooms()


@pytest.fixture
def here(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; the library has one checkpoint called "mine"."""
    own_checkpoint(home)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
