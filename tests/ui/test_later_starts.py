"""What a later start of the program hands over is opened in the window that is there, and nothing in it is lost."""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from pytestqt.qtbot import QtBot

from sdxl_desktop.bridge.single_instance import OpenRequest
from sdxl_desktop.ui.later_starts import LaterStarts
from tests.ui.conftest import MakeWindow


def test_files_are_opened_and_the_window_comes_to_the_front(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path
) -> None:
    Image.new("RGB", (48, 32), "red").save(tmp_path / "photo.png")
    window = make_window()
    window.showMinimized()
    LaterStarts(window).open(OpenRequest((tmp_path / "photo.png",)))
    qtbot.waitUntil(lambda: window.document.has_picture)
    assert not window.isMinimized()
    assert window.session.run is None


def test_a_prompt_is_put_into_its_field_and_the_one_before_comes_back(make_window: MakeWindow) -> None:
    window = make_window()
    later = LaterStarts(window)
    panel = window.parameters_panel
    later.open(OpenRequest(prompt="a red heart"))
    assert panel.value().prompts.prompt == "a red heart"
    assert not window.canvas_area.toast.isVisible(), "there was nothing before"
    later.open(OpenRequest(prompt="a blue heart"))
    assert panel.value().prompts.prompt == "a blue heart"
    assert window.session.run is None, "it is drawn when the person says so"
    window.canvas_area.toast.action_triggered.emit()
    assert panel.value().prompts.prompt == "a red heart"
