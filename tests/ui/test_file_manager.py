"""Showing a file in the desktop's file manager, and the error where that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QDesktopServices
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.errors import DesktopError
from sdxl_desktop.ui.file_manager import show_in_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="openers differ elsewhere")


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[DesktopError]:
    monkeypatch.setattr("sys.platform", "linux")
    return []


def opener(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> Path:
    """A file manager command that records what it should show, and exits with `code`."""
    script = folder / "xdg-open"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/shown\nexit {code}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return folder / "shown"


def test_an_opener_is_given_the_folder_and_nothing_is_reported(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: list[DesktopError]
) -> None:
    shown, parent = opener(tmp_path, monkeypatch, 0), QObject()
    show_in_folder(tmp_path / "a.png", failures.append, parent)
    qtbot.waitUntil(lambda: not parent.children())
    assert shown.read_text() == str(tmp_path)
    assert not failures


def test_an_opener_that_finds_no_file_manager_is_reported(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: list[DesktopError]
) -> None:
    opener(tmp_path, monkeypatch, 3)
    parent = QObject()
    show_in_folder(tmp_path / "a.png", failures.append, parent)
    qtbot.waitUntil(lambda: bool(failures))
    assert "file manager" in failures[0].why
    assert str(tmp_path / "a.png") in failures[0].next_step
    qtbot.waitUntil(lambda: not parent.children())


def test_a_desktop_without_any_opener_and_a_folder_that_has_gone_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failures: list[DesktopError], qapp: object
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: False)
    show_in_folder(tmp_path / "a.png", failures.append, QObject())
    show_in_folder(tmp_path / "gone" / "a.png", failures.append, QObject())
    assert "file manager" in failures[0].why
    assert "not there any more" in failures[1].what
