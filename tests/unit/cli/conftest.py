"""Fake entry points, a checkpoint and a working folder for each test of the command line."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from tests.unit.cli.helpers import FakeEntryPoints, own_checkpoint


@pytest.fixture(scope="module", autouse=True)
def commands_built_once() -> Iterator[None]:
    """Build the commands once, as a process does: that takes longer than most tests here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typer.main, "get_command", functools.cache(typer.main.get_command))
        yield


@pytest.fixture
def fake_entry_points() -> FakeEntryPoints:
    return FakeEntryPoints()


@pytest.fixture
def work_folder(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty; the library has one checkpoint called "mine"."""
    own_checkpoint(home)
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
