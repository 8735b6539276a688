"""The window is ready for the next run: its checkpoint survives errors, and planning does not wait for the disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QComboBox, QFileDialog, QLabel, QPlainTextEdit
from pytestqt.qtbot import QtBot

from sdxl_desktop.core.request import Execution
from sdxl_desktop.core.settings import Preferences, Settings
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.engine.engine_protocol import CancelToken, Emit
from sdxl_desktop.engine.fake_engine import FakeEngine
from sdxl_desktop.engine.memory_footprint import MemoryFootprint
from sdxl_desktop.library.scan import Library
from sdxl_desktop.ui.main_window import MainWindow
from tests.ui.conftest import MakeWindow, wait_until_idle
from tests.ui.widget_lookup import find_child

pytestmark = pytest.mark.usefixtures("plain_style")


@dataclass
class WarmUpRecordingEngine(FakeEngine):
    """Records the arguments of its warm-ups."""

    warmed: list[str] = field(default_factory=list)

    def warm_up(
        self, checkpoint: Path, execution: Execution, speed: SpeedPreset, emit: Emit, cancel: CancelToken
    ) -> None:
        self.warmed.append(checkpoint.name)


def chosen(window: MainWindow) -> str:
    checkpoint = window.parameters_panel.checkpoint()
    return "" if checkpoint is None else checkpoint.name


def size_presets(window: MainWindow) -> list[str]:
    presets = next(
        box for box in window.parameters_panel.findChildren(QComboBox) if box.accessibleName() == "Size preset"
    )
    return [presets.itemText(row) for row in range(presets.count())]


def test_a_folder_that_cannot_be_read_once_leaves_the_chosen_checkpoint(
    window: MainWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.parameters_panel.select_checkpoint("wide")

    def unreadable(_: Library) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Library, "checkpoints", unreadable)
        window.checkpoint_controller.rescan()
        assert "cannot be read" in window.canvas_area.banner.accessibleName()
        assert chosen(window) == "wide"
    window.checkpoint_controller.rescan()
    assert chosen(window) == "wide"


def test_the_chosen_checkpoint_comes_back_when_all_had_gone(window: MainWindow) -> None:
    window.parameters_panel.select_checkpoint("wide")
    window.parameters_panel.set_checkpoints(())
    assert chosen(window) == ""
    window.parameters_panel.set_checkpoints(window.checkpoint_controller.checkpoints)
    assert chosen(window) == "wide"


def test_a_project_with_another_checkpoint_makes_the_window_ready_for_that_one(
    make_window: MakeWindow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = WarmUpRecordingEngine()
    window = make_window(engine)
    window.parameters_panel.select_checkpoint("wide")
    window.controller.generate()
    wait_until_idle(qtbot, window)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "wide.sdxld"), ""))
    window.project_controller.save_project()
    sizes = size_presets(window)
    window.parameters_panel.select_checkpoint("starter")
    assert size_presets(window) != sizes
    qtbot.waitUntil(lambda: engine.warmed[-1:] == ["starter"])
    window.project_controller.open_project(tmp_path / "wide.sdxld")
    assert chosen(window) == "wide"
    assert size_presets(window) == sizes
    qtbot.waitUntil(lambda: engine.warmed[-1:] == ["wide"])


def test_another_device_makes_another_plan_at_once(make_window: MakeWindow, qtbot: QtBot) -> None:
    window = make_window(settings=Settings(preferences=Preferences(device="CPU")))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    assert "about" in find_child(window.status_line, QLabel, "plan").text(), "it was drawn there before"
    window.preferences.set_value(replace(window.preferences.settings().preferences, device="GPU"))
    assert "about" not in find_child(window.status_line, QLabel, "plan").text()


def test_typing_looks_at_no_file_of_the_checkpoint(
    window: MainWindow, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []
    real = MemoryFootprint.from_checkpoint

    def counted(folder: Path) -> MemoryFootprint:
        looked.append(folder)
        return real(folder)

    monkeypatch.setattr(MemoryFootprint, "from_checkpoint", counted)
    window.controller.planner.clear_caches()
    assert len(looked) == 1
    prompt = next(edit for edit in window.findChildren(QPlainTextEdit) if edit.accessibleName() == "Prompt")
    qtbot.keyClicks(prompt, "a red heart")
    assert len(looked) == 1


@pytest.mark.parametrize("kept", [True, False])
def test_show_in_folder_is_offered_for_what_is_in_a_folder(make_window: MakeWindow, qtbot: QtBot, kept: bool) -> None:
    window = make_window(settings=Settings(preferences=Preferences(autosave=kept)))
    window.controller.generate()
    wait_until_idle(qtbot, window)
    (action,) = [each for each in window.findChildren(QAction) if each.text() == "Show in &folder"]
    assert window.canvas_area.current_row() == 0
    assert action.isEnabled() is kept
